-- Ids, times (epoch milliseconds) and codes only: no personal data, no click ids, no hashes of identifiers.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- Rows of one conversion action and one trigger; of one event and one trigger while its action is not known. `bound_to` is
-- the track of the action that an event's rows went to: they count for the event also where its action is not known any more.
CREATE TABLE tracks (
    id           INTEGER NOT NULL PRIMARY KEY,
    portal       INTEGER NOT NULL,
    stage        TEXT    NOT NULL,
    network      TEXT,
    account      TEXT,
    action       TEXT,
    event        TEXT,
    event_uid    TEXT,
    covered_from INTEGER,
    feed_cursor  INTEGER,
    last_upload  INTEGER,
    bound_to     INTEGER REFERENCES tracks (id),
    CHECK (bound_to IS NULL OR event IS NOT NULL),
    CHECK ((network IS NULL) = (action IS NULL) AND (account IS NULL) = (action IS NULL)),
    CHECK ((action IS NULL) = (event IS NOT NULL)),
    CHECK ((event IS NULL) = (event_uid IS NULL)),
    CHECK ((covered_from IS NULL) = (feed_cursor IS NULL))
) STRICT;
CREATE UNIQUE INDEX tracks_action ON tracks (network, account, action, portal, stage) WHERE action IS NOT NULL;
CREATE UNIQUE INDEX tracks_event ON tracks (event, event_uid, portal, stage) WHERE event IS NOT NULL;

-- Reason and verbatim code, once each instead of once a row.
CREATE TABLE classes (
    id     INTEGER NOT NULL PRIMARY KEY,
    reason TEXT    NOT NULL,
    detail TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX classes_key ON classes (reason, detail);

-- Upload requests. `network` and `account` (`namespace/name`) are the account object that sent it, `destinations` a JSON
-- array of its actions: network, owner, id. `row_ids` has their rows in the order of the request, `targets` the index of each one's destination:
-- JSON arrays of numbers, never changed, as answers name positions. `request_id` is empty until the request was accepted;
-- a row of this table is gone once the request has no more to tell.
CREATE TABLE batches (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    network      TEXT    NOT NULL,
    account      TEXT    NOT NULL,
    destinations TEXT    NOT NULL,
    row_ids      TEXT    NOT NULL,
    targets      TEXT    NOT NULL,
    begun_at     INTEGER NOT NULL,
    request_id   TEXT,
    accepted_at  INTEGER,
    poll_at      INTEGER,
    polls        INTEGER NOT NULL DEFAULT 0,
    CHECK ((request_id IS NULL) = (accepted_at IS NULL)),
    CHECK ((request_id IS NULL) = (poll_at IS NULL))
) STRICT;
CREATE INDEX batches_poll ON batches (network, account, poll_at) WHERE poll_at IS NOT NULL;

-- One row an occurrence. `transaction_id` is what keeps it apart from others, `seed` what that was made of: contacts are read in the order of
-- their ids, so rows noted together lie together, and a write changes a few pages instead of one a row.
--
-- `due` is there exactly while the row waits. `batch` is the latest request while that may still decide about the row.
-- A row with a batch and without due is in the hands of Google: in flight until the request is accepted, then awaiting
-- its result; `outcome` and `class` are meanwhile what they were before. So taking a row off is one write, and having it
-- accepted none.
--
-- Outcomes: 0 pending, 1 processing, 2 uploaded, 3 skipped, 4 rejected. `sent`: 0 never; 2 for the first time, with the
-- latest request, so the value is void should that be refused; 1 before that.
-- Ids are never given twice: a request may outlive a row that gave way to another.
CREATE TABLE rows (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    track       INTEGER NOT NULL REFERENCES tracks (id),
    seed        INTEGER NOT NULL,
    transaction_id TEXT NOT NULL,
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
    -- The conversionId of a form submission: what Google knows the conversion by. Absent for lifecycle rows.
    submission  TEXT,
    CHECK (outcome < 2 OR (due IS NULL AND batch IS NULL)),
    CHECK (outcome >= 2 OR due IS NOT NULL OR batch IS NOT NULL),
    CHECK (sent BETWEEN 0 AND 2 AND (sent > 0 OR value IS NULL)),
    CHECK ((value IS NULL) = (currency IS NULL))
) STRICT;
CREATE UNIQUE INDEX rows_key ON rows (track, seed, transaction_id);
CREATE INDEX rows_due ON rows (track, due) WHERE due IS NOT NULL;
CREATE INDEX rows_rejected ON rows (track, changed_at) WHERE outcome = 4;
-- By contact, where the seed does not tell it: of most rows both are one number, and the key finds them.
CREATE INDEX rows_contact ON rows (contact) WHERE contact <> seed;

-- How far along a row is; where two rows of one occurrence meet, the one further along stays. What was skipped stays skipped:
-- an event that is created again, and whose action is not known at first, notes it once more as pending.
CREATE VIEW row_ranks AS
SELECT r.id, r.track, r.seed, r.transaction_id,
       CASE WHEN r.outcome = 2 THEN 7
            WHEN r.outcome = 4 THEN 6
            WHEN r.outcome = 3 THEN 3
            WHEN r.due IS NULL AND b.request_id IS NULL THEN 4
            WHEN r.due IS NULL OR r.outcome = 1 THEN 5
            WHEN r.sent > 0 THEN 2
            ELSE 1 END AS rank
FROM rows r LEFT JOIN batches b ON b.id = r.batch;

-- What was settled long ago: the key, so that it is never taken for new, and what it counts as; clustered by time, so
-- that a look-up of an occurrence and the counts of one day each read a few rows.
CREATE TABLE folded (
    track       INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    transaction_id TEXT NOT NULL,
    outcome     INTEGER NOT NULL,
    class       INTEGER NOT NULL,
    PRIMARY KEY (track, occurred_at, transaction_id)
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

-- The contact whose id stands for a lineage of merged contacts; written once an id.
CREATE TABLE roots (
    portal  INTEGER NOT NULL,
    contact INTEGER NOT NULL,
    root    INTEGER NOT NULL,
    PRIMARY KEY (portal, contact)
) STRICT, WITHOUT ROWID;
-- The others of a lineage; the root itself is found by the key.
CREATE INDEX roots_lineage ON roots (portal, root) WHERE contact <> root;

-- How far the round of one account over the contacts of its portal has come: how many there were when it began, the last id
-- that was looked for, and when. `account` is namespace/name of the HubSpotAccount.
CREATE TABLE look_rounds (
    id        INTEGER NOT NULL PRIMARY KEY,
    portal    INTEGER NOT NULL,
    account   TEXT    NOT NULL,
    contacts  INTEGER NOT NULL,
    after     INTEGER NOT NULL,
    looked_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX look_rounds_key ON look_rounds (portal, account);

-- Whether HubSpot shows an account the contacts that the ledger names: the latest look that told, when a look last found the
-- contact, and since when none does. A contact without a line was not looked for yet. Each account has lines of its own
-- (`looker` is its round): one whose token may see less than others must not speak for them.
CREATE TABLE looks (
    looker        INTEGER NOT NULL REFERENCES look_rounds (id),
    contact       INTEGER NOT NULL,
    looked_at     INTEGER NOT NULL,
    seen_at       INTEGER,
    missing_since INTEGER,
    PRIMARY KEY (looker, contact),
    CHECK (seen_at IS NOT NULL OR missing_since IS NOT NULL)
) STRICT, WITHOUT ROWID;
CREATE INDEX looks_missing ON looks (looker, contact) WHERE missing_since IS NOT NULL;

-- Actions left behind in an ad network.
CREATE TABLE orphans (
    network       TEXT    NOT NULL,
    account       TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    former_event  TEXT    NOT NULL,
    created_at    INTEGER,
    noted_at      INTEGER NOT NULL,
    PRIMARY KEY (network, account, action)
) STRICT, WITHOUT ROWID;
