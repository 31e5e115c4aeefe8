//! Entries that the ledger knows under another time than the one that a read shows (see
//! [`crate::domain::shown_entries`]). They are looked up only for entries that the ledger knows under none of their
//! ids, which are few once a portal is read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::database::Conn;
use crate::domain::ids::{PortalId, TransactionId};
use crate::domain::shown_entries::ShownEntries;
use crate::domain::trigger::Trigger;
use crate::ledger::archive::has_archived;
use crate::ledger::columns::{CHUNK, json_list, json_rows, numbers, to_contact, to_limit};
use crate::ledger::error::own_error;
use crate::ports::ledger::LedgerResult;

/// The rows and archived times that a stream has of the contacts of some reads.
#[derive(Default)]
pub(super) struct KnownTimes {
    /// Times and row numbers, by sort key.
    rows: HashMap<i64, Vec<(i64, i64)>>,
    /// Archived times, by the sort key of the canonical contact.
    archived: HashMap<i64, Vec<i64>>,
}

impl KnownTimes {
    /// Loads both for these reads. Rows are looked up by the given sort keys.
    pub(super) async fn read(
        conn: &mut Conn,
        stream: i64,
        shown: &[Arc<ShownEntries>],
        sort_keys: &BTreeSet<i64>,
    ) -> LedgerResult<Self> {
        Ok(Self {
            rows: row_times(conn, stream, sort_keys).await?,
            archived: archived_times(conn, stream, shown).await?,
        })
    }

    /// Rows under one of these sort keys.
    pub(super) fn rows_of(&self, sort_keys: impl IntoIterator<Item = i64>) -> impl Iterator<Item = (i64, i64)> {
        let rows = sort_keys.into_iter().filter_map(|key| self.rows.get(&key));
        rows.flatten().copied()
    }

    /// Archived times near the entries that a read shows.
    pub(super) fn archived_of(&self, shown: &ShownEntries) -> impl Iterator<Item = i64> {
        self.archived.get(&sort_key_of(shown)).into_iter().flatten().copied()
    }
}

fn sort_key_of(shown: &ShownEntries) -> i64 {
    shown.canonical().0.cast_signed()
}

async fn row_times(
    conn: &mut Conn,
    stream: i64,
    sort_keys: &BTreeSet<i64>,
) -> LedgerResult<HashMap<i64, Vec<(i64, i64)>>> {
    let mut times: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
    if sort_keys.is_empty() {
        return Ok(times);
    }
    let found: Vec<(i64, i64, i64)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS sort_key FROM json_each($2))
         SELECT c.sort_key, c.occurred_at, c.id FROM j CROSS JOIN conversions c
         WHERE c.stream = $1 AND c.sort_key = j.sort_key",
    )
    .bind(stream)
    .bind(json_list(sort_keys)?)
    .fetch_all(conn)
    .await?;
    for (sort_key, at, id) in found {
        times.entry(sort_key).or_default().push((at, id));
    }
    Ok(times)
}

/// Finds archived entries of these contacts. An archived key does not name its contact, so the ids that these contacts
/// would have at archived times near their entries are computed and looked up.
async fn archived_times(
    conn: &mut Conn,
    stream: i64,
    shown: &[Arc<ShownEntries>],
) -> LedgerResult<HashMap<i64, Vec<i64>>> {
    let mut times: HashMap<i64, Vec<i64>> = HashMap::new();
    if shown.is_empty() {
        return Ok(times);
    }
    let near = times_near(conn, stream, shown).await?;
    if near.is_empty() {
        return Ok(times);
    }
    let mut candidates: Vec<(&Arc<ShownEntries>, i64, TransactionId)> = Vec::new();
    for (index, read) in shown.iter().enumerate() {
        for at in read.near_times(&near) {
            candidates.extend(read.keys_at(at).into_iter().map(|key| (read, at, key.transaction)));
        }
        if candidates.len() >= CHUNK || index + 1 == shown.len() {
            for found in archived_among(conn, stream, &candidates).await? {
                let (read, at, _) = candidates[found];
                times.entry(sort_key_of(read)).or_default().push(at);
            }
            candidates.clear();
        }
    }
    Ok(times)
}

/// The archived times near the entries of these reads, in order.
async fn times_near(conn: &mut Conn, stream: i64, shown: &[Arc<ShownEntries>]) -> LedgerResult<Vec<i64>> {
    let sorted: BTreeSet<(i64, i64)> = shown.iter().flat_map(|read| read.spans()).collect();
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for (from, to) in sorted {
        match spans.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => spans.push((from, to)),
        }
    }
    let near: Vec<i64> = sqlx::query_scalar(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS earliest, CAST(value->>1 AS BIGINT) AS latest FROM json_each($2))
         SELECT DISTINCT a.occurred_at FROM j CROSS JOIN archived_keys a
         WHERE a.stream = $1 AND a.occurred_at >= j.earliest AND a.occurred_at <= j.latest ORDER BY 1",
    )
    .bind(stream)
    .bind(json_rows(&spans)?)
    .fetch_all(conn)
    .await?;
    Ok(near)
}

/// The keys among these that are archived.
pub(super) async fn archived_among<T>(
    conn: &mut Conn,
    stream: i64,
    candidates: &[(T, i64, TransactionId)],
) -> LedgerResult<Vec<usize>> {
    let numbered = candidates.iter().enumerate();
    let items: Vec<_> = numbered.map(|(i, (_, at, id))| (i, at, id.to_string())).collect();
    let found: Vec<i64> = sqlx::query_scalar(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS i, CAST(value->>1 AS BIGINT) AS occurred_at, value->>2 AS transaction_id
             FROM json_each($1))
         SELECT DISTINCT j.i FROM j CROSS JOIN archived_keys a
         WHERE a.stream = $2 AND a.occurred_at = j.occurred_at AND a.transaction_id = j.transaction_id",
    )
    .bind(json_rows(&items)?)
    .bind(stream)
    .fetch_all(conn)
    .await?;
    let index = |i: i64| usize::try_from(i).map_err(|_| own_error("a negative index"));
    found.into_iter().map(index).collect()
}

/// Removes the rows of stream `from` that stream `to` knows under other times, before the rest moves there: only one of
/// the two has read the right times, and rows of `to` may be sent already.
pub(super) async fn delete_shifted(conn: &mut Conn, from: i64, to: i64) -> LedgerResult<()> {
    let Some((portal, stage)) = stage_of(conn, from).await? else {
        return Ok(());
    };
    let has_archived = has_archived(conn, to).await?;
    let mut after = i64::MIN;
    loop {
        let sort_keys = next_sort_keys(conn, from, after).await?;
        let Some(last) = sort_keys.last() else {
            return Ok(());
        };
        after = *last;
        let ours = row_times(conn, from, &sort_keys).await?;
        let shown_as = |(sort_key, rows): (&i64, &Vec<(i64, i64)>)| {
            let times = rows.iter().map(|(at, _)| *at).collect();
            Arc::new(ShownEntries::new((portal, &stage), to_contact(*sort_key), [], times))
        };
        let reads: Vec<_> = ours.iter().map(shown_as).collect();
        let archived: &[_] = if has_archived { &reads } else { &[] };
        let theirs = KnownTimes::read(conn, to, archived, &sort_keys).await?;
        let mut shifted = Vec::new();
        for read in &reads {
            let sort_key = sort_key_of(read);
            let rows = theirs.rows_of([sort_key]).map(|(at, _)| at);
            let known = rows.chain(theirs.archived_of(read)).collect();
            let entries = read.shifted_entries(&known);
            let ours = ours.get(&sort_key).into_iter().flatten();
            shifted.extend(ours.filter(|(at, _)| entries.contains_key(at)).map(|(_, id)| *id));
        }
        if !shifted.is_empty() {
            sqlx::query(concat!("DELETE FROM conversions WHERE id IN ", numbers!("$1")))
                .bind(json_list(shifted)?)
                .execute(&mut *conn)
                .await?;
        }
    }
}

/// Portal and stage of a stream; `None` for that of a form, whose submissions have ids of their own.
async fn stage_of(conn: &mut Conn, stream: i64) -> LedgerResult<Option<(PortalId, String)>> {
    let (portal, key): (i64, String) = sqlx::query_as("SELECT portal, trigger_key FROM streams WHERE id = $1")
        .bind(stream)
        .fetch_one(conn)
        .await?;
    let trigger = Trigger::from_ledger_key(&key);
    let stage = trigger.stage().map(str::to_owned);
    Ok(stage.map(|stage| (PortalId(portal.cast_unsigned()), stage)))
}

async fn next_sort_keys(conn: &mut Conn, stream: i64, after: i64) -> LedgerResult<BTreeSet<i64>> {
    let found: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT sort_key FROM conversions WHERE stream = $1 AND sort_key > $2 ORDER BY sort_key LIMIT $3",
    )
    .bind(stream)
    .bind(after)
    .bind(to_limit(CHUNK)?)
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().collect())
}
