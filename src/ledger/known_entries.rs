//! Who is known to have entered at given times.

use std::collections::BTreeSet;

use super::database::Conn;
use crate::domain::ids::{ContactId, OccurrenceKey};
use crate::ledger::columns::{json_rows, to_contact};
use crate::ports::ledger::{EntryTime, KnownEntries, LedgerResult, StreamId};

/// The streams and times in `$1`, and for the stream of an event that of its action: its rows may have moved there since
/// the pass began that asks.
macro_rules! with_moved {
    () => {
        "WITH asked AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS stream, CAST(value->>1 AS BIGINT) AS occurred_at FROM json_each($1)),
         j AS MATERIALIZED (
             SELECT stream AS asked, stream, occurred_at FROM asked
             UNION ALL SELECT s.id, s.bound_to, asked.occurred_at FROM asked JOIN streams s ON s.id = asked.stream
             WHERE s.bound_to IS NOT NULL) "
    };
}

/// See [`crate::ports::ledger::Ledger::known_entries`].
pub(crate) async fn known_entries(conn: &mut Conn, times: &BTreeSet<EntryTime>) -> LedgerResult<KnownEntries> {
    let asked: Vec<(i64, i64)> = times.iter().map(|(stream, at)| (stream.0, *at)).collect();
    let asked = json_rows(&asked)?;
    let mut known = KnownEntries::default();
    // Rows have no index by time, which would cost each write: all are read once, whatever the number of times.
    let rows: Vec<(i64, i64, i64)> = sqlx::query_as(concat!(
        with_moved!(),
        "SELECT j.asked, c.occurred_at, c.contact FROM conversions c CROSS JOIN j
         WHERE j.stream = c.stream AND j.occurred_at = c.occurred_at",
    ))
    .bind(asked.as_str())
    .fetch_all(&mut *conn)
    .await?;
    for (stream, at, contact) in rows {
        let of_time = known.contacts.entry((StreamId(stream), at)).or_default();
        of_time.extend(Some(to_contact(contact)).filter(|id| *id != ContactId::UNKNOWN));
    }
    let archived: Vec<(i64, i64)> = sqlx::query_as(concat!(
        with_moved!(),
        "SELECT DISTINCT j.asked, a.occurred_at FROM j CROSS JOIN archived_keys a
         WHERE a.stream = j.stream AND a.occurred_at = j.occurred_at",
    ))
    .bind(asked.as_str())
    .fetch_all(conn)
    .await?;
    known.archived = archived
        .into_iter()
        .map(|(stream, at)| (StreamId(stream), at))
        .collect();
    Ok(known)
}

/// See [`crate::ports::ledger::Ledger::known_occurrences`].
pub(crate) async fn known_occurrences(
    conn: &mut Conn,
    asked: &[(EntryTime, Vec<OccurrenceKey>)],
) -> LedgerResult<BTreeSet<usize>> {
    let numbered = asked.iter().enumerate();
    let keys = numbered.flat_map(|(place, ((stream, at), keys))| {
        keys.iter()
            .map(move |key| (place, stream.0, key.sort_key, *at, key.transaction.to_string()))
    });
    let found: Vec<i64> = sqlx::query_scalar(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS place, CAST(value->>1 AS BIGINT) AS stream,
                    CAST(value->>2 AS BIGINT) AS sort_key, CAST(value->>3 AS BIGINT) AS occurred_at,
                    value->>4 AS transaction_id FROM json_each($1))
         SELECT j.place FROM j CROSS JOIN conversions c
         WHERE c.stream = j.stream AND c.sort_key = j.sort_key AND c.transaction_id = j.transaction_id
         UNION SELECT j.place FROM j CROSS JOIN archived_keys a
         WHERE a.stream = j.stream AND a.occurred_at = j.occurred_at AND a.transaction_id = j.transaction_id",
    )
    .bind(json_rows(&keys.collect::<Vec<_>>())?)
    .fetch_all(conn)
    .await?;
    Ok(found
        .into_iter()
        .filter_map(|place| usize::try_from(place).ok())
        .collect())
}
