//! Noting occurrences.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::error::failed;
use crate::domain::ids::{ContactId, TransactionId};
use crate::domain::outcome::Outcome;
use crate::ledger::bulk_lookup::Lookup;
use crate::ledger::columns::{CHUNK, Classes, due, json, ms, transaction};
use crate::ports::ledger::{LedgerResult, NewRow, StreamId};

/// Rows of one [`INSERT`]: what a page of contacts brings at most, where each is one occurrence.
pub(super) const INSERTED: usize = 200;

/// Inserts up to [`INSERTED`] rows: parameters that are not bound are null, and such rows are left out. Three times as fast
/// as unpacking an array. Parameters without numbers: of numbered ones `SQLite` looks up each name in the list of all.
static INSERT: LazyLock<String> = LazyLock::new(|| {
    let rows = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; INSERTED].join(", ");
    format!(
        "INSERT INTO rows (track, seed, transaction_id, contact, occurred_at, first_seen, changed_at, outcome, class,
                           due, suspended, submission)
         SELECT column1, column2, column3, column4, column5, column6, column6, column7, column8, column9, column10,
                column11
         FROM (VALUES {rows}) WHERE column1 IS NOT NULL"
    )
});

/// Rows of a track by their seeds.
const BY_SEED: Lookup = Lookup {
    between: "SELECT id, transaction_id FROM rows WHERE track = ?1 AND seed BETWEEN ?2 AND ?3 LIMIT ?4",
    each: "SELECT r.id, r.transaction_id FROM json_each(?2) j CROSS JOIN rows r ON r.track = ?1 AND r.seed = j.value",
};

/// See [`crate::ports::ledger::Ledger::observe`].
pub(super) async fn observe(conn: &mut SqliteConnection, track: StreamId, rows: &[NewRow]) -> LedgerResult<usize> {
    if rows.iter().any(|r| r.keys.is_empty()) {
        return Err(failed("an occurrence without a key"));
    }
    if rows
        .iter()
        .any(|r| !matches!(r.outcome, Outcome::Pending | Outcome::Skipped))
    {
        return Err(failed("a new occurrence is either pending or skipped"));
    }
    let mut new = 0;
    for chunk in rows.chunks(CHUNK) {
        new += observe_chunk(conn, track, chunk).await?;
    }
    Ok(new)
}

async fn observe_chunk(conn: &mut SqliteConnection, track: StreamId, rows: &[NewRow]) -> LedgerResult<usize> {
    let folded = folded(conn, track, rows).await?;
    let known = known(conn, track, rows).await?;
    let mut moved: HashMap<i64, ContactId> = HashMap::new();
    let mut fresh: Vec<(&NewRow, ContactId)> = Vec::new();
    let mut fresh_by_id: HashMap<TransactionId, usize> = HashMap::new();
    for (index, (row, known)) in rows.iter().zip(known).enumerate() {
        if folded.contains(&index) {
            continue;
        }
        if !known.is_empty() {
            if row.contact != ContactId::UNKNOWN {
                moved.extend(known.into_iter().map(|id| (id, row.contact)));
            }
        } else if let Some(&at) = row.keys.iter().find_map(|key| fresh_by_id.get(&key.transaction)) {
            if row.contact != ContactId::UNKNOWN {
                fresh[at].1 = row.contact;
            }
        } else {
            fresh_by_id.insert(row.keys[0].transaction, fresh.len());
            fresh.push((row, row.contact));
        }
    }
    update_contacts(conn, moved, rows.first().map(|r| r.first_seen)).await?;
    insert(conn, track, &fresh).await?;
    Ok(fresh.len())
}

/// The rows that each occurrence is known as.
async fn known(conn: &mut SqliteConnection, track: StreamId, rows: &[NewRow]) -> LedgerResult<Vec<Vec<i64>>> {
    let keys = rows.iter().flat_map(|row| &row.keys);
    let seeds: BTreeSet<i64> = keys.map(|key| key.seed.cast_signed()).collect();
    let seeds: Vec<i64> = seeds.into_iter().collect();
    let found: Vec<(i64, String)> = BY_SEED.find(conn, track.0, &seeds).await?;
    let mut ids: HashMap<TransactionId, i64> = HashMap::with_capacity(found.len());
    for (id, stored) in found {
        ids.insert(transaction(&stored)?, id);
    }
    let known = |row: &NewRow| {
        row.keys
            .iter()
            .filter_map(|key| ids.get(&key.transaction).copied())
            .collect()
    };
    Ok(rows.iter().map(known).collect())
}

/// Which of these occurrences were folded into totals: they are not new, and nothing about them changes any more.
async fn folded(conn: &mut SqliteConnection, track: StreamId, rows: &[NewRow]) -> LedgerResult<HashSet<usize>> {
    let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM folded WHERE track = ?1)")
        .bind(track.0)
        .fetch_one(&mut *conn)
        .await?;
    if !any {
        return Ok(HashSet::new());
    }
    let candidates: Vec<(usize, i64, String)> = rows
        .iter()
        .enumerate()
        .flat_map(|(i, row)| {
            row.keys
                .iter()
                .map(move |key| (i, ms(row.occurred_at), key.transaction.to_string()))
        })
        .collect();
    let found: Vec<i64> = sqlx::query_scalar(
        "WITH j AS MATERIALIZED (
             SELECT value->>0 AS i, value->>1 AS occurred_at, value->>2 AS transaction_id FROM json_each(?1))
         SELECT DISTINCT j.i FROM j CROSS JOIN folded f
             ON f.track = ?2 AND f.occurred_at = j.occurred_at AND f.transaction_id = j.transaction_id",
    )
    .bind(json(&candidates)?)
    .bind(track.0)
    .fetch_all(conn)
    .await?;
    let index = |i: i64| usize::try_from(i).map_err(|_| failed("a negative index"));
    found.into_iter().map(index).collect()
}

/// Contacts merge: the row is read again under the id that lives. A row whose contact was not known waited for it.
async fn update_contacts(
    conn: &mut SqliteConnection,
    moved: HashMap<i64, ContactId>,
    now: Option<Timestamp>,
) -> LedgerResult<()> {
    if moved.is_empty() {
        return Ok(());
    }
    let moved: Vec<_> = moved
        .into_iter()
        .map(|(id, contact)| (id, contact.0.cast_signed()))
        .collect();
    sqlx::query(
        "WITH j AS MATERIALIZED (SELECT value->>0 AS id, value->>1 AS contact FROM json_each(?1))
         UPDATE rows SET contact = j.contact, due = CASE WHEN rows.contact = 0 THEN min(rows.due, ?2) ELSE rows.due END
         FROM j WHERE rows.id = j.id AND rows.contact <> j.contact",
    )
    .bind(json(&moved)?)
    .bind(now.map(ms))
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert(conn: &mut SqliteConnection, track: StreamId, fresh: &[(&NewRow, ContactId)]) -> LedgerResult<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let classes = Classes::of(conn, fresh.iter().map(|(row, _)| (&*row.reason, ""))).await?;
    for chunk in fresh.chunks(INSERTED) {
        let mut insert = sqlx::query(INSERT.as_str());
        for (row, contact) in chunk {
            let key = &row.keys[0];
            insert = insert
                .bind(track.0)
                .bind(key.seed.cast_signed())
                .bind(key.transaction.to_string())
                .bind(contact.0.cast_signed())
                .bind(ms(row.occurred_at))
                .bind(ms(row.first_seen))
                .bind(row.outcome.code())
                .bind(classes.id(&row.reason, "")?)
                .bind(due(row.outcome, &row.reason, row.due))
                .bind(row.while_suspended)
                .bind(row.submission.as_deref());
        }
        insert.execute(&mut *conn).await?;
    }
    Ok(())
}
