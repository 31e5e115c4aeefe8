-- Google's id of the latest request that it took with this conversion, for people who ask Google about it; absent before one, and
-- for those taken before this column was there. `request` alone ends with the request.
ALTER TABLE conversions ADD COLUMN request_id TEXT;
