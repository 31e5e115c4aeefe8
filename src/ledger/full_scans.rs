//! When streams took part in a full scan last, and when their first rows were noted.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::database::Conn;
use crate::domain::ids::{ObjectKey, PortalId};
use crate::ledger::columns::{json_list, numbers, to_millis, to_time};
use crate::ports::ledger::{LedgerResult, StreamId};

/// See [`crate::ports::ledger::Ledger::last_full_scans`].
pub(crate) async fn last_full_scans(
    conn: &mut Conn,
    hubspot: &ObjectKey,
    streams: &[StreamId],
) -> LedgerResult<BTreeMap<StreamId, Timestamp>> {
    let found: Vec<(i64, i64)> = sqlx::query_as(concat!(
        "SELECT id, full_scan_at FROM streams WHERE full_scan_by = $2 AND full_scan_at IS NOT NULL AND id IN ",
        numbers!("$1")
    ))
    .bind(json_list(streams.iter().map(|stream| stream.0))?)
    .bind(hubspot.to_string())
    .fetch_all(conn)
    .await?;
    to_times(found)
}

/// See [`crate::ports::ledger::Ledger::set_last_full_scans`].
pub(crate) async fn set_last_full_scans(
    conn: &mut Conn,
    hubspot: &ObjectKey,
    streams: &[StreamId],
    at: Timestamp,
) -> LedgerResult<()> {
    sqlx::query(concat!(
        "UPDATE streams SET full_scan_at = $2, full_scan_by = $3 WHERE id IN ",
        numbers!("$1")
    ))
    .bind(json_list(streams.iter().map(|stream| stream.0))?)
    .bind(to_millis(at))
    .bind(hubspot.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::owe_full_scans`].
pub(crate) async fn owe_full_scans(
    conn: &mut Conn,
    portal: PortalId,
    present: &[StreamId],
    since: Timestamp,
) -> LedgerResult<()> {
    sqlx::query(concat!(
        "UPDATE streams SET full_scan_at = $3 WHERE portal = $2 AND full_scan_at > $3 AND id NOT IN ",
        numbers!("$1")
    ))
    .bind(json_list(present.iter().map(|stream| stream.0))?)
    .bind(portal.0.cast_signed())
    .bind(to_millis(since))
    .execute(conn)
    .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::first_noted`].
pub(crate) async fn first_noted(conn: &mut Conn, streams: &[StreamId]) -> LedgerResult<BTreeMap<StreamId, Timestamp>> {
    let ids = json_list(streams.iter().map(|stream| stream.0))?;
    let found: Vec<(i64, i64)> = sqlx::query_as(concat!(
        "SELECT stream, min(first_seen) FROM conversions WHERE stream IN ",
        numbers!("$1"),
        " GROUP BY stream"
    ))
    .bind(ids.as_str())
    .fetch_all(&mut *conn)
    .await?;
    let mut first = to_times(found)?;
    let archived: Vec<i64> = sqlx::query_scalar(concat!(
        "SELECT DISTINCT stream FROM archived_keys WHERE stream IN ",
        numbers!("$1")
    ))
    .bind(ids.as_str())
    .fetch_all(conn)
    .await?;
    first.extend(archived.into_iter().map(|stream| (StreamId(stream), Timestamp::MIN)));
    Ok(first)
}

fn to_times(found: Vec<(i64, i64)>) -> LedgerResult<BTreeMap<StreamId, Timestamp>> {
    let found = found.into_iter();
    found.map(|(stream, at)| Ok((StreamId(stream), to_time(at)?))).collect()
}
