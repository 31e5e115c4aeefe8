//! Noting occurrences.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::convert::{CHUNK, Classes, due, hex, json, ms};
use super::error::failed;
use crate::domain::ids::{ContactId, TransactionId};
use crate::domain::outcome::Outcome;
use crate::sync::ports::ledger::{LedgerResult, NewRow, TrackId};

/// See [`crate::sync::ports::ledger::Ledger::observe`].
pub(super) async fn observe(conn: &mut SqliteConnection, track: TrackId, rows: &[NewRow]) -> LedgerResult<usize> {
    if rows.iter().any(|r| r.transactions.is_empty()) {
        return Err(failed("an occurrence without a transaction id"));
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

async fn observe_chunk(conn: &mut SqliteConnection, track: TrackId, rows: &[NewRow]) -> LedgerResult<usize> {
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
        } else if let Some(&at) = row.transactions.iter().find_map(|t| fresh_by_id.get(t)) {
            if row.contact != ContactId::UNKNOWN {
                fresh[at].1 = row.contact;
            }
        } else {
            fresh_by_id.insert(row.transactions[0], fresh.len());
            fresh.push((row, row.contact));
        }
    }
    update_contacts(conn, moved, rows.first().map(|r| r.first_seen)).await?;
    insert(conn, track, &fresh).await?;
    Ok(fresh.len())
}

/// The rows that each occurrence is known as.
async fn known(conn: &mut SqliteConnection, track: TrackId, rows: &[NewRow]) -> LedgerResult<Vec<Vec<i64>>> {
    let candidates: Vec<(usize, String)> = rows
        .iter()
        .enumerate()
        .flat_map(|(i, row)| row.transactions.iter().map(move |t| (i, hex(t))))
        .collect();
    let found: Vec<(i64, i64)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT value->>0 AS i, unhex(value->>1) AS txn FROM json_each(?1))
         SELECT j.i, r.id FROM j CROSS JOIN rows r ON r.track = ?2 AND r.txn = j.txn",
    )
    .bind(json(&candidates)?)
    .bind(track.0)
    .fetch_all(conn)
    .await?;
    let mut known = vec![Vec::new(); rows.len()];
    for (i, id) in found {
        let i = usize::try_from(i).map_err(|_| failed("a negative index"))?;
        known[i].push(id);
    }
    Ok(known)
}

/// Which of these occurrences were folded into totals: they are not new, and nothing about them changes any more.
async fn folded(conn: &mut SqliteConnection, track: TrackId, rows: &[NewRow]) -> LedgerResult<HashSet<usize>> {
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
        .flat_map(|(i, row)| row.transactions.iter().map(move |t| (i, ms(row.occurred_at), hex(t))))
        .collect();
    let found: Vec<i64> = sqlx::query_scalar(
        "WITH j AS MATERIALIZED (
             SELECT value->>0 AS i, value->>1 AS occurred_at, unhex(value->>2) AS txn FROM json_each(?1))
         SELECT DISTINCT j.i FROM j CROSS JOIN folded f
             ON f.track = ?2 AND f.occurred_at = j.occurred_at AND f.txn = j.txn",
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

async fn insert(conn: &mut SqliteConnection, track: TrackId, fresh: &[(&NewRow, ContactId)]) -> LedgerResult<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let classes = Classes::of(conn, fresh.iter().map(|(row, _)| (row.reason.as_str(), ""))).await?;
    let mut items = Vec::with_capacity(fresh.len());
    for (row, contact) in fresh {
        items.push((
            hex(&row.transactions[0]),
            contact.0.cast_signed(),
            ms(row.occurred_at),
            ms(row.first_seen),
            row.outcome.code(),
            classes.id(&row.reason, "")?,
            due(row.outcome, &row.reason, row.due),
            i64::from(row.while_suspended),
            row.submission.as_deref(),
        ));
    }
    sqlx::query(
        "INSERT INTO rows (track, txn, contact, occurred_at, first_seen, changed_at, outcome, class, due, suspended,
                           submission)
         SELECT ?2, unhex(value->>0), value->>1, value->>2, value->>3, value->>3, value->>4, value->>5, value->>6,
                value->>7, value->>8
         FROM json_each(?1)",
    )
    .bind(json(&items)?)
    .bind(track.0)
    .execute(conn)
    .await?;
    Ok(())
}
