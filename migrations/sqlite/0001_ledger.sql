-- Ids, times (epoch milliseconds) and codes only: no personal data, no click ids, no hashes of identifiers.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Rows of one conversion action and one trigger; of one event and one trigger while its action is not known.
CREATE TABLE tracks (
    id           INTEGER NOT NULL PRIMARY KEY,
    portal       INTEGER NOT NULL,
    stage        TEXT    NOT NULL,
    customer     TEXT,
    action       INTEGER,
    event        TEXT,
    event_uid    TEXT,
    covered_from INTEGER,
    feed_cursor  INTEGER,
    last_upload  INTEGER,
    CHECK ((customer IS NULL) = (action IS NULL)),
    CHECK ((customer IS NULL) = (event IS NOT NULL)),
    CHECK ((event IS NULL) = (event_uid IS NULL)),
    CHECK ((covered_from IS NULL) = (feed_cursor IS NULL))
) STRICT;
CREATE UNIQUE INDEX tracks_action ON tracks (customer, action, portal, stage) WHERE customer IS NOT NULL;
CREATE UNIQUE INDEX tracks_event ON tracks (event, event_uid, portal, stage) WHERE event IS NOT NULL;

-- Reason and verbatim code, once each instead of once a row.
CREATE TABLE classes (
    id     INTEGER NOT NULL PRIMARY KEY,
    reason TEXT    NOT NULL,
    detail TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX classes_key ON classes (reason, detail);

-- One row an occurrence. `due` is there exactly while the row waits: neither in flight, nor awaiting a result, nor
-- final. Hence in flight = pending without due. `batch` is the latest batch while that may still decide about the row.
-- Outcomes: 0 pending, 1 processing, 2 uploaded, 3 skipped, 4 rejected.
-- Ids are never given twice: rows of requests may outlive a row that gave way to another.
CREATE TABLE rows (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    track       INTEGER NOT NULL REFERENCES tracks (id),
    txn         BLOB    NOT NULL CHECK (length(txn) = 20),
    contact     INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    first_seen  INTEGER NOT NULL,
    changed_at  INTEGER NOT NULL,
    outcome     INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 4),
    class       INTEGER NOT NULL,
    due         INTEGER,
    attempts    INTEGER NOT NULL DEFAULT 0,
    split       INTEGER NOT NULL DEFAULT 0,
    suspended   INTEGER NOT NULL DEFAULT 0,
    sent        INTEGER NOT NULL DEFAULT 0,
    value       TEXT,
    currency    TEXT,
    batch       INTEGER,
    CHECK (outcome < 2 OR due IS NULL),
    CHECK (outcome <> 0 OR due IS NOT NULL OR batch IS NOT NULL),
    CHECK ((value IS NULL) = (currency IS NULL))
) STRICT;
CREATE UNIQUE INDEX rows_key ON rows (track, txn);
CREATE INDEX rows_due ON rows (track, due) WHERE due IS NOT NULL;

-- How far along a row is; where two rows of one occurrence meet, the one further along stays.
CREATE VIEW row_ranks AS
SELECT id, track, txn,
       CASE WHEN outcome = 2 THEN 7
            WHEN outcome = 4 THEN 6
            WHEN outcome = 1 THEN 5
            WHEN outcome = 0 AND due IS NULL THEN 4
            WHEN outcome = 0 AND sent = 1 THEN 3
            WHEN outcome = 0 THEN 2
            ELSE 1 END AS rank
FROM rows;

-- Upload requests. `request_id` is empty until the request was accepted; a row of this table is gone once the request
-- has no more to tell.
CREATE TABLE batches (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account      TEXT    NOT NULL,
    destinations TEXT    NOT NULL,
    begun_at     INTEGER NOT NULL,
    request_id   TEXT,
    accepted_at  INTEGER,
    poll_at      INTEGER,
    polls        INTEGER NOT NULL DEFAULT 0,
    CHECK ((request_id IS NULL) = (accepted_at IS NULL)),
    CHECK ((request_id IS NULL) = (poll_at IS NULL))
) STRICT;
CREATE INDEX batches_poll ON batches (account, poll_at) WHERE poll_at IS NOT NULL;

-- The rows of a request in its order, and what they were before. Positions never change: answers name them.
CREATE TABLE batch_rows (
    batch         INTEGER NOT NULL REFERENCES batches (id),
    position      INTEGER NOT NULL,
    row_id        INTEGER NOT NULL,
    destination   INTEGER NOT NULL,
    value         TEXT,
    currency      TEXT,
    prior_outcome INTEGER NOT NULL,
    prior_class   INTEGER NOT NULL,
    PRIMARY KEY (batch, position)
) STRICT, WITHOUT ROWID;

-- The contact whose id stands for a lineage of merged contacts; written once an id.
CREATE TABLE roots (
    portal  INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    root    INTEGER NOT NULL,
    PRIMARY KEY (portal, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE orphans (
    customer      TEXT    NOT NULL,
    action        INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    former_event  TEXT    NOT NULL,
    created_at    INTEGER,
    noted_at      INTEGER NOT NULL,
    PRIMARY KEY (customer, action)
) STRICT, WITHOUT ROWID;
