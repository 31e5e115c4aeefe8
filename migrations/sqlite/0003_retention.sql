-- What was settled long ago: the key, so that it is never taken for new, and what it counts as; clustered by time, so
-- that a look-up of an occurrence and the counts of one day each read a few rows.
CREATE TABLE folded (
    track       INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    txn         BLOB    NOT NULL,
    outcome     INTEGER NOT NULL,
    class       INTEGER NOT NULL,
    PRIMARY KEY (track, occurred_at, txn)
) STRICT, WITHOUT ROWID;

-- Their totals by day of the occurrence (UTC, days since the epoch).
CREATE TABLE totals (
    track      INTEGER NOT NULL,
    day        INTEGER NOT NULL,
    outcome    INTEGER NOT NULL,
    class      INTEGER NOT NULL,
    count      INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (track, day, outcome, class)
) STRICT, WITHOUT ROWID;
