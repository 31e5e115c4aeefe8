-- When a stream took part in a full scan last: an event that comes back is looked for since then. Until now that was kept for each
-- account.
ALTER TABLE streams ADD COLUMN full_scan_at {int};
DELETE FROM meta WHERE name LIKE 'sweep:%';
