//! Noting occurrences.

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;

use super::database::Conn;
use super::error::own_error;
use crate::domain::ids::{ContactId, TransactionId};
use crate::domain::outcome::Outcome;
use crate::ledger::archive::has_archived;
use crate::ledger::columns::{CHUNK, due_column, json_list, json_rows, state_of, to_millis, to_transaction};
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
        new += observe_chunk(conn, stream, chunk).await?;
    }
    Ok(new)
}

async fn observe_chunk(conn: &mut Conn, stream: StreamId, rows: &[NewRow]) -> LedgerResult<usize> {
    let archived = archived_occurrences(conn, stream, rows).await?;
    let known = known_rows(conn, stream, rows).await?;
    let mut moved: HashMap<i64, ContactId> = HashMap::new();
    let mut fresh: Vec<(&NewRow, ContactId)> = Vec::new();
    let mut fresh_by_id: HashMap<TransactionId, usize> = HashMap::new();
    for (index, (row, known)) in rows.iter().zip(known).enumerate() {
        if archived.contains(&index) {
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
    insert_rows(conn, stream, &fresh).await?;
    Ok(fresh.len())
}

/// The rows that each occurrence is known as.
async fn known_rows(conn: &mut Conn, stream: StreamId, rows: &[NewRow]) -> LedgerResult<Vec<Vec<i64>>> {
    let keys = rows.iter().flat_map(|row| &row.keys);
    let sort_keys: BTreeSet<i64> = keys.map(|key| key.seed.cast_signed()).collect();
    let found: Vec<(i64, String)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS sort_key FROM json_each($2))
         SELECT c.id, c.transaction_id FROM j CROSS JOIN conversions c WHERE c.stream = $1 AND c.sort_key = j.sort_key",
    )
    .bind(stream.0)
    .bind(json_list(sort_keys)?)
    .fetch_all(conn)
    .await?;
    let mut ids: HashMap<TransactionId, i64> = HashMap::with_capacity(found.len());
    for (id, stored) in found {
        ids.insert(to_transaction(&stored)?, id);
    }
    let known = |row: &NewRow| {
        row.keys
            .iter()
            .filter_map(|key| ids.get(&key.transaction).copied())
            .collect()
    };
    Ok(rows.iter().map(known).collect())
}

/// Which of these occurrences are archived: they are not new, and nothing about them changes any more.
async fn archived_occurrences(conn: &mut Conn, stream: StreamId, rows: &[NewRow]) -> LedgerResult<HashSet<usize>> {
    if !has_archived(conn, stream.0).await? {
        return Ok(HashSet::new());
    }
    let candidates: Vec<(usize, i64, String)> = rows
        .iter()
        .enumerate()
        .flat_map(|(i, row)| {
            row.keys
                .iter()
                .map(move |key| (i, to_millis(row.occurred_at), key.transaction.to_string()))
        })
        .collect();
    let found: Vec<i64> = sqlx::query_scalar(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS i, CAST(value->>1 AS BIGINT) AS occurred_at, value->>2 AS transaction_id
             FROM json_each($1))
         SELECT DISTINCT j.i FROM j CROSS JOIN archived_keys a
         WHERE a.stream = $2 AND a.occurred_at = j.occurred_at AND a.transaction_id = j.transaction_id",
    )
    .bind(json_rows(&candidates)?)
    .bind(stream.0)
    .fetch_all(conn)
    .await?;
    let index = |i: i64| usize::try_from(i).map_err(|_| own_error("a negative index"));
    found.into_iter().map(index).collect()
}

/// Contacts merge: the row is read again under the id that lives. A row whose contact was not known waited for it.
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
                (
                    key.seed.cast_signed(),
                    key.transaction.to_string(),
                    contact.0.cast_signed(),
                ),
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
