-- When a stream took part in a full scan last, and the HubSpotAccount (namespace/name) that made it: an event that comes back, or that
-- another account reads now, is looked for since then. Until now that was kept for each account.
ALTER TABLE streams ADD COLUMN full_scan_at {int};
ALTER TABLE streams ADD COLUMN full_scan_by TEXT;
DELETE FROM meta WHERE name LIKE 'sweep:%';
