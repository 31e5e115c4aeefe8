-- Ids, times (epoch milliseconds) and codes only: no personal data, no click ids, no hashes of identifiers.
-- What the two databases spell differently stands in braces: see src/ledger/database.rs. docs/ledger.md explains the tables.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
){table};

-- The conversions of one conversion action and one trigger; of one event and one trigger while its action is not known.
-- `bound_to` is the stream of the action that an event's conversions went to: they count for the event also where its action
-- is not known any more.
CREATE TABLE streams (
    id           {id},
    portal       {int} NOT NULL,
    trigger_key  TEXT  NOT NULL,
    network      TEXT,
    account      TEXT,
    action       TEXT,
    event        TEXT,
    event_uid    TEXT,
    covered_from {int},
    feed_cursor  {int},
    last_upload  {int},
    bound_to     {int} REFERENCES streams (id),
    CHECK (bound_to IS NULL OR event IS NOT NULL),
    CHECK ((network IS NULL) = (action IS NULL) AND (account IS NULL) = (action IS NULL)),
    CHECK ((action IS NULL) = (event IS NOT NULL)),
    CHECK ((event IS NULL) = (event_uid IS NULL)),
    CHECK ((covered_from IS NULL) = (feed_cursor IS NULL))
){table};
CREATE UNIQUE INDEX streams_action ON streams (network, account, action, portal, trigger_key) WHERE action IS NOT NULL;
CREATE UNIQUE INDEX streams_event ON streams (event, event_uid, portal, trigger_key) WHERE event IS NOT NULL;

-- Upload requests that may still have something to tell. Sending: written before the call, no answer yet. AwaitingResult:
-- accepted as `request_id`, whose status is asked next at `poll_at`. `network` and `sender` (namespace/name) are the account
-- object that sent it, `owner` the account of its actions; `destinations` is a JSON array of them: network, owner, id.
-- `conversion_ids` has its conversions in the order of the request, `destination_indices` the index of each one's
-- destination: JSON arrays of numbers, never changed, as answers name positions.
CREATE TABLE requests (
    id                  {id},
    state               TEXT  NOT NULL CHECK (state IN ('Sending', 'AwaitingResult')),
    network             TEXT  NOT NULL,
    sender              TEXT  NOT NULL,
    owner               TEXT  NOT NULL,
    destinations        TEXT  NOT NULL,
    conversion_ids      TEXT  NOT NULL,
    destination_indices TEXT  NOT NULL,
    begun_at            {int} NOT NULL,
    request_id          TEXT,
    accepted_at         {int},
    poll_at             {int},
    polls               {int} NOT NULL DEFAULT 0,
    CHECK ((state = 'Sending') = (request_id IS NULL)),
    CHECK ((state = 'Sending') = (accepted_at IS NULL)),
    CHECK ((state = 'Sending') = (poll_at IS NULL))
){table};
-- Ids of requests whose outcome is known, for some days: an answer that repeats one says nothing of another request.
CREATE TABLE ended_requests (
    network    TEXT  NOT NULL,
    sender     TEXT  NOT NULL,
    request_id TEXT  NOT NULL,
    ended_at   {int} NOT NULL,
    PRIMARY KEY (network, sender, request_id)
){clustered};
CREATE INDEX ended_requests_ended ON ended_requests (ended_at);

CREATE INDEX requests_poll ON requests (network, sender, poll_at) WHERE state = 'AwaitingResult';

-- One row a conversion. `transaction_id` is what keeps it apart from others, `sort_key` what that was made of: contacts are
-- read in the order of their ids, so rows noted together lie together, and a write changes a few pages instead of one a row.
--
-- `state`:
--   Waiting         nothing is under way; it is looked at again at `due`.
--   InFlight        part of a request that was not answered yet.
--   AwaitingResult  part of an accepted request whose outcome Google has not told yet.
--   Settled         nothing changes any more.
-- `outcome` and `reason` are those of the event's status; `detail` is the verbatim code behind a rejection, else empty.
-- `reason_before` is what it waited for before its latest request, should that be refused.
-- `request` is the latest request as long as that may decide about the row.
-- `sent` tells whether an upload may have reached the ad network with `value` and `currency`, which every repeat must use:
--   Never; Now: with the latest request for the first time, so the value is void should that be refused; Before that.
-- Ids are never given twice: a request may outlive a row that gave way to another.
CREATE TABLE conversions (
    id              {id},
    stream          {int} NOT NULL REFERENCES streams (id),
    sort_key        {int} NOT NULL,
    transaction_id  TEXT  NOT NULL,
    contact         {int} NOT NULL,
    -- The conversionId of a form submission: what Google knows the conversion by. Absent for stages.
    submission      TEXT,
    occurred_at     {int} NOT NULL,
    first_seen      {int} NOT NULL,
    changed_at      {int} NOT NULL,
    state           TEXT  NOT NULL,
    outcome         TEXT  NOT NULL,
    reason          TEXT  NOT NULL,
    detail          TEXT  NOT NULL DEFAULT '',
    reason_before   TEXT  NOT NULL DEFAULT '',
    due             {int},
    attempts        {int} NOT NULL DEFAULT 0,
    isolation_group {int} NOT NULL DEFAULT 0,
    suspended       {int} NOT NULL DEFAULT 0,
    sent            TEXT  NOT NULL DEFAULT 'Never' CHECK (sent IN ('Never', 'Now', 'Before')),
    value           TEXT,
    currency        TEXT,
    request         {int},
    CHECK (CASE state
               WHEN 'Waiting' THEN outcome IN ('Pending', 'Processing') AND due IS NOT NULL
               WHEN 'InFlight' THEN outcome = 'Pending' AND due IS NULL AND request IS NOT NULL
               WHEN 'AwaitingResult' THEN outcome = 'Processing' AND due IS NULL AND request IS NOT NULL
               WHEN 'Settled' THEN outcome IN ('Uploaded', 'Skipped', 'Rejected') AND due IS NULL AND request IS NULL
               ELSE FALSE END),
    CHECK (sent <> 'Never' OR value IS NULL),
    CHECK ((value IS NULL) = (currency IS NULL))
){table};
CREATE UNIQUE INDEX conversions_key ON conversions (stream, sort_key, transaction_id);
CREATE INDEX conversions_due ON conversions (stream, due) WHERE state = 'Waiting';
CREATE INDEX conversions_request ON conversions (request) WHERE request IS NOT NULL;
CREATE INDEX conversions_rejected ON conversions (stream, changed_at) WHERE outcome = 'Rejected';
-- By contact, where the sort key does not tell it: of most rows both are one number, and the key finds them.
CREATE INDEX conversions_contact ON conversions (contact) WHERE contact <> sort_key;

-- What was settled long ago: the key, so that it is never taken for new, and what it counts as; ordered by time, so that a
-- look-up of an occurrence and the counts of one day each read a few rows.
CREATE TABLE archived_keys (
    stream         {int} NOT NULL,
    occurred_at    {int} NOT NULL,
    transaction_id TEXT  NOT NULL,
    outcome        TEXT  NOT NULL,
    reason         TEXT  NOT NULL,
    detail         TEXT  NOT NULL,
    PRIMARY KEY (stream, occurred_at, transaction_id)
){clustered};

-- Their totals by day of the occurrence (UTC, days since the epoch).
CREATE TABLE daily_totals (
    stream     {int} NOT NULL,
    day        {int} NOT NULL,
    outcome    TEXT  NOT NULL,
    reason     TEXT  NOT NULL,
    detail     TEXT  NOT NULL,
    total      {int} NOT NULL,
    changed_at {int} NOT NULL,
    PRIMARY KEY (stream, day, outcome, reason, detail)
){clustered};

-- The contact whose id stands for a lineage of merged contacts; written once an id.
CREATE TABLE canonical_contacts (
    portal    {int} NOT NULL,
    contact   {int} NOT NULL,
    canonical {int} NOT NULL,
    PRIMARY KEY (portal, contact)
){clustered};
-- The others of a lineage; the one that stands for it is found by the key.
CREATE INDEX canonical_contacts_lineage ON canonical_contacts (portal, canonical) WHERE contact <> canonical;

-- How far the round of one account over the contacts of its portal has come: how many there were when it began, the last id
-- that was looked for, and when. `account` is namespace/name of the HubSpotAccount.
CREATE TABLE look_rounds (
    id        {id},
    portal    {int} NOT NULL,
    account   TEXT  NOT NULL,
    contacts  {int} NOT NULL,
    after     {int} NOT NULL,
    looked_at {int} NOT NULL
){table};
CREATE UNIQUE INDEX look_rounds_key ON look_rounds (portal, account);

-- Whether HubSpot shows an account the contacts that the ledger names: the latest look that told, when a look last found the
-- contact, and since when none does. A contact without a line was not looked for yet. Each account has lines of its own
-- (`looker` is its round): one whose token may see less than others must not speak for them.
CREATE TABLE looks (
    looker        {int} NOT NULL REFERENCES look_rounds (id),
    contact       {int} NOT NULL,
    looked_at     {int} NOT NULL,
    seen_at       {int},
    missing_since {int},
    PRIMARY KEY (looker, contact),
    CHECK (seen_at IS NOT NULL OR missing_since IS NOT NULL)
){clustered};
CREATE INDEX looks_missing ON looks (looker, contact) WHERE missing_since IS NOT NULL;

-- Actions left behind in an ad network.
CREATE TABLE orphans (
    network      TEXT  NOT NULL,
    account      TEXT  NOT NULL,
    action       TEXT  NOT NULL,
    name         TEXT  NOT NULL,
    kind         TEXT  NOT NULL,
    former_event TEXT  NOT NULL,
    created_at   {int},
    noted_at     {int} NOT NULL,
    PRIMARY KEY (network, account, action)
){clustered};
