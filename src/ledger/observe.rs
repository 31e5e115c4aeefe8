//! Noting occurrences.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::database::Conn;
use super::error::own_error;
use crate::domain::ids::{ContactId, TransactionId};
use crate::domain::outcome::Outcome;
use crate::domain::shown_entries::ShownEntries;
use crate::ledger::archive::has_archived;
use crate::ledger::columns::{CHUNK, due_column, json_list, json_rows, state_of, to_millis, to_transaction};
use crate::ledger::elsewhere::with_known_keys;
use crate::ledger::shifted::{KnownTimes, archived_among};
use crate::ports::ledger::{LedgerResult, NewRow, StreamId};

/// See [`crate::ports::ledger::Ledger::record_occurrences`].
pub(super) async fn record_occurrences(conn: &mut Conn, stream: StreamId, rows: &[NewRow]) -> LedgerResult<usize> {
    if rows.iter().any(|r| r.keys.is_empty()) {
        return Err(own_error("an occurrence without a key"));
    }
    if rows
        .iter()
        .any(|r| !matches!(r.outcome, Outcome::Pending | Outcome::Skipped))
    {
        return Err(own_error("a new occurrence is either pending or skipped"));
    }
    let mut new = 0;
    for chunk in rows.chunks(CHUNK) {
        let chunk = with_known_keys(conn, stream, chunk).await?;
        new += observe_chunk(conn, stream, &chunk).await?;
    }
    Ok(new)
}

async fn observe_chunk(conn: &mut Conn, stream: StreamId, rows: &[NewRow]) -> LedgerResult<usize> {
    let has_archived = has_archived(conn, stream.0).await?;
    let archived = if has_archived {
        archived_occurrences(conn, stream, rows).await?
    } else {
        HashSet::new()
    };
    let stored = StoredRows::read(conn, stream, rows).await?;
    let unknown = |(index, row): &(usize, &NewRow)| !archived.contains(index) && stored.rows_of(row).next().is_none();
    let unknown: Vec<&NewRow> = rows.iter().enumerate().filter(unknown).map(|(_, row)| row).collect();
    let times = known_times(conn, stream, &unknown, &stored, has_archived).await?;
    let mut moved: HashMap<i64, ContactId> = HashMap::new();
    let mut fresh = FreshRows::default();
    for (index, row) in rows.iter().enumerate() {
        if archived.contains(&index) {
            continue;
        }
        let mut known: Vec<KnownAs> = stored.rows_of(row).map(KnownAs::Row).collect();
        if known.is_empty() {
            known.extend(fresh.known_as(row).or_else(|| fresh.shifted_from(row, &times)));
        }
        if known.is_empty() {
            fresh.push(row);
        }
        for known in known.into_iter().filter(|_| row.contact != ContactId::UNKNOWN) {
            match known {
                KnownAs::Row(id) => drop(moved.insert(id, row.contact)),
                KnownAs::Fresh(at) => fresh.rows[at].1 = row.contact,
                KnownAs::Archived => {}
            }
        }
    }
    update_contacts(conn, moved, rows.first().map(|r| r.first_seen)).await?;
    insert_rows(conn, stream, &fresh.rows).await?;
    Ok(fresh.rows.len())
}

/// The times that the stream has near entries of which it knows none of the ids.
async fn known_times(
    conn: &mut Conn,
    stream: StreamId,
    unknown: &[&NewRow],
    stored: &StoredRows,
    has_archived: bool,
) -> LedgerResult<KnownTimes> {
    // Two look-ups, as an archived key does not say whose it is: rows are found by the sort key of their contact, and
    // only if the stream has rows under it; for archived ones the whole read is needed, to compute which keys they
    // could have.
    let mut reads: Vec<Arc<ShownEntries>> = Vec::new();
    let mut sort_keys = BTreeSet::new();
    for row in unknown {
        let Some(shown) = &row.shown else { continue };
        sort_keys.extend(sort_keys_of(row).filter(|key| stored.sort_keys.contains(key)));
        // The entries of one read are adjacent.
        if has_archived && !reads.last().is_some_and(|last| Arc::ptr_eq(last, shown)) {
            reads.push(shown.clone());
        }
    }
    KnownTimes::read(conn, stream.0, &reads, &sort_keys).await
}

fn sort_keys_of(row: &NewRow) -> impl Iterator<Item = i64> {
    row.keys.iter().map(|key| key.sort_key)
}

/// How the ledger knows an occurrence.
#[derive(Clone, Copy)]
enum KnownAs {
    /// As the row with this number.
    Row(i64),
    /// As a row that is about to be written.
    Fresh(usize),
    Archived,
}

/// Rows to write, each with its contact.
#[derive(Default)]
struct FreshRows<'a> {
    rows: Vec<(&'a NewRow, ContactId)>,
    by_id: HashMap<TransactionId, usize>,
    by_sort_key: HashMap<i64, Vec<usize>>,
}

impl<'a> FreshRows<'a> {
    fn push(&mut self, row: &'a NewRow) {
        let key = &row.keys[0];
        self.by_id.insert(key.transaction, self.rows.len());
        let sort_key = key.sort_key;
        self.by_sort_key.entry(sort_key).or_default().push(self.rows.len());
        self.rows.push((row, row.contact));
    }

    fn known_as(&self, row: &NewRow) -> Option<KnownAs> {
        let mut keys = row.keys.iter();
        let found = keys.find_map(|key| self.by_id.get(&key.transaction));
        found.copied().map(KnownAs::Fresh)
    }

    /// The entry that this one is, known under another time.
    fn shifted_from(&self, row: &NewRow, times: &KnownTimes) -> Option<KnownAs> {
        let shown = row.shown.as_ref()?;
        let stored = times.rows_of(sort_keys_of(row));
        let stored = stored.map(|(at, id)| (at, KnownAs::Row(id)));
        let archived = times.archived_of(shown).map(|at| (at, KnownAs::Archived));
        let fresh = sort_keys_of(row).filter_map(|key| self.by_sort_key.get(&key));
        let fresh = fresh.flatten().map(|index| {
            let at = to_millis(self.rows[*index].0.occurred_at);
            (at, KnownAs::Fresh(*index))
        });
        let known: Vec<(i64, KnownAs)> = stored.chain(archived).chain(fresh).collect();
        if known.is_empty() {
            return None;
        }
        let all = known.iter().map(|(at, _)| *at).collect();
        let shifted = shown.shifted_entries(&all);
        let at = shifted.get(&to_millis(row.occurred_at))?;
        known.iter().find(|(known, _)| known == at).map(|(_, known)| *known)
    }
}

/// The rows that the stream has of some contacts.
struct StoredRows {
    ids: HashMap<TransactionId, i64>,
    sort_keys: HashSet<i64>,
}

impl StoredRows {
    async fn read(conn: &mut Conn, stream: StreamId, rows: &[NewRow]) -> LedgerResult<Self> {
        let sort_keys: BTreeSet<i64> = rows.iter().flat_map(sort_keys_of).collect();
        let found: Vec<(i64, i64, String)> = sqlx::query_as(
            "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS sort_key FROM json_each($2))
             SELECT c.id, c.sort_key, c.transaction_id FROM j CROSS JOIN conversions c
             WHERE c.stream = $1 AND c.sort_key = j.sort_key",
        )
        .bind(stream.0)
        .bind(json_list(sort_keys)?)
        .fetch_all(conn)
        .await?;
        let mut stored = Self {
            ids: HashMap::with_capacity(found.len()),
            sort_keys: found.iter().map(|(_, key, _)| *key).collect(),
        };
        for (id, _, transaction) in found {
            stored.ids.insert(to_transaction(&transaction)?, id);
        }
        Ok(stored)
    }

    /// The rows that an occurrence is known as.
    fn rows_of(&self, row: &NewRow) -> impl Iterator<Item = i64> {
        let keys = row.keys.iter();
        keys.filter_map(|key| self.ids.get(&key.transaction).copied())
    }
}

/// Which of these occurrences are archived: they are not new, and nothing about them changes any more.
async fn archived_occurrences(conn: &mut Conn, stream: StreamId, rows: &[NewRow]) -> LedgerResult<HashSet<usize>> {
    let numbered = rows.iter().enumerate();
    let keys = numbered.flat_map(|(index, row)| row.keys.iter().map(move |key| (index, row, key)));
    let candidates: Vec<_> = keys
        .map(|(index, row, key)| (index, to_millis(row.occurred_at), key.transaction))
        .collect();
    let found = archived_among(conn, stream.0, &candidates).await?;
    Ok(found.into_iter().map(|found| candidates[found].0).collect())
}

/// Notes today's contact at a row: contacts merge, and the row is then read under the id that is left. A row whose
/// contact was not known waited for it.
async fn update_contacts(conn: &mut Conn, moved: HashMap<i64, ContactId>, now: Option<Timestamp>) -> LedgerResult<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let moved: Vec<_> = moved
        .into_iter()
        .map(|(id, contact)| (id, contact.0.cast_signed()))
        .collect();
    sqlx::query(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS id, CAST(value->>1 AS BIGINT) AS contact FROM json_each($1))
         UPDATE conversions SET contact = j.contact,
             due = CASE WHEN conversions.contact = 0 AND conversions.due > $2 THEN $2 ELSE conversions.due END
         FROM j WHERE conversions.id = j.id AND conversions.contact <> j.contact",
    )
    .bind(json_rows(&moved)?)
    .bind(now.map(to_millis))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_rows(conn: &mut Conn, stream: StreamId, fresh: &[(&NewRow, ContactId)]) -> LedgerResult<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let items: Vec<_> = fresh
        .iter()
        .map(|(row, contact)| {
            let key = &row.keys[0];
            (
                (key.sort_key, key.transaction.to_string(), contact.0.cast_signed()),
                (to_millis(row.occurred_at), to_millis(row.first_seen)),
                (state_of(row.outcome, &row.reason), row.outcome.as_str(), &row.reason),
                due_column(row.outcome, &row.reason, row.due),
                i64::from(row.while_suspended),
                row.submission.as_deref(),
            )
        })
        .map(|((a, b, c), (d, e), (f, g, h), i, j, k)| (a, b, c, d, e, f, g, h, i, j, k))
        .collect();
    sqlx::query(
        "INSERT INTO conversions (stream, sort_key, transaction_id, contact, occurred_at, first_seen, changed_at, state,
                                  outcome, reason, due, suspended, submission)
         SELECT $1, CAST(value->>0 AS BIGINT), value->>1, CAST(value->>2 AS BIGINT), CAST(value->>3 AS BIGINT),
                CAST(value->>4 AS BIGINT), CAST(value->>4 AS BIGINT), value->>5, value->>6, value->>7,
                CAST(value->>8 AS BIGINT), CAST(value->>9 AS BIGINT), value->>10
         FROM json_each($2)",
    )
    .bind(stream.0)
    .bind(json_rows(&items)?)
    .execute(conn)
    .await?;
    Ok(())
}
