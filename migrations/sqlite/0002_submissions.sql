-- The conversionId of a form submission: what Google knows the conversion by. Absent for lifecycle rows.
ALTER TABLE rows ADD COLUMN submission TEXT;
