//! Streams, and the feed's cursor for each of them.

use std::collections::{HashMap, HashSet};

use super::database::Conn;
use super::error::own_error;
use crate::domain::ids::{ObjectKey, PortalId};
use crate::ledger::archive::move_archived;
use crate::ledger::columns::{json_list, json_rows, numbers, to_millis, to_time};
use crate::ledger::shifted::delete_shifted;
use crate::ports::ledger::{ActionKey, LedgerResult, StreamId, StreamRequest, Watermark};

/// See [`crate::ports::ledger::Ledger::stream_for`]. The stream of the event stays, empty: a feed that still holds its
/// number may note rows there, and the next call moves those as well.
pub(crate) async fn stream_for(conn: &mut Conn, request: &StreamRequest) -> LedgerResult<StreamId> {
    let of_event = match event_stream(conn, request).await? {
        Some(known) => known,
        None => new_event_stream(conn, request).await?,
    };
    let Some(action) = &request.action else {
        // Somebody may have emptied the status; conversions that were sent for the event stay sent.
        return Ok(StreamId(of_event.bound_to.unwrap_or(of_event.id)));
    };
    let of_action = action_stream(conn, request, action).await?;
    delete_shifted(conn, of_event.id, of_action).await?;
    move_rows(conn, of_event.id, of_action).await?;
    move_archived(conn, of_event.id, of_action).await?;
    move_marks(conn, of_event.id, of_action).await?;
    if of_event.bound_to != Some(of_action) {
        sqlx::query("UPDATE streams SET bound_to = $2 WHERE id = $1")
            .bind(of_event.id)
            .bind(of_action)
            .execute(conn)
            .await?;
    }
    Ok(StreamId(of_action))
}

/// See [`crate::ports::ledger::Ledger::last_portal`].
pub(crate) async fn last_portal(conn: &mut Conn, events: &[(ObjectKey, String)]) -> LedgerResult<Option<PortalId>> {
    let events: Vec<_> = events.iter().map(|(key, uid)| (key.to_string(), uid)).collect();
    let found: Option<i64> = sqlx::query_scalar(
        "WITH j AS MATERIALIZED (SELECT value->>0 AS event, value->>1 AS event_uid FROM json_each($1))
         SELECT s.portal FROM streams s JOIN j ON j.event = s.event AND j.event_uid = s.event_uid
         ORDER BY s.id DESC LIMIT 1",
    )
    .bind(json_rows(&events)?)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|portal| PortalId(portal.cast_unsigned())))
}

/// The stream of an event, and that of the action it has, or had last.
#[derive(sqlx::FromRow)]
struct EventStream {
    id: i64,
    bound_to: Option<i64>,
}

async fn event_stream(conn: &mut Conn, request: &StreamRequest) -> LedgerResult<Option<EventStream>> {
    let found = sqlx::query_as(
        "SELECT id, bound_to FROM streams WHERE event = $1 AND event_uid = $2 AND portal = $3 AND trigger_key = $4",
    )
    .bind(request.event.to_string())
    .bind(&request.event_uid)
    .bind(request.portal.0.cast_signed())
    .bind(&request.trigger)
    .fetch_optional(conn)
    .await?;
    Ok(found)
}

async fn new_event_stream(conn: &mut Conn, request: &StreamRequest) -> LedgerResult<EventStream> {
    let made = sqlx::query_as(
        "INSERT INTO streams (event, event_uid, portal, trigger_key) VALUES ($1, $2, $3, $4) RETURNING id, bound_to",
    )
    .bind(request.event.to_string())
    .bind(&request.event_uid)
    .bind(request.portal.0.cast_signed())
    .bind(&request.trigger)
    .fetch_one(conn)
    .await?;
    Ok(made)
}

async fn action_stream(conn: &mut Conn, request: &StreamRequest, action: &ActionKey) -> LedgerResult<i64> {
    let known: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM streams WHERE network = $1 AND account = $2 AND action = $3 AND portal = $4 AND trigger_key = $5",
    )
    .bind(action.account.network.as_str())
    .bind(&action.account.id)
    .bind(&action.id)
    .bind(request.portal.0.cast_signed())
    .bind(&request.trigger)
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(id) = known {
        return Ok(id);
    }
    let id = sqlx::query_scalar(
        "INSERT INTO streams (network, account, action, portal, trigger_key) VALUES ($1, $2, $3, $4, $5) RETURNING id",
    )
    .bind(action.account.network.as_str())
    .bind(&action.account.id)
    .bind(&action.id)
    .bind(request.portal.0.cast_signed())
    .bind(&request.trigger)
    .fetch_one(conn)
    .await?;
    Ok(id)
}

/// SQL for how far along a row is; if two rows of one occurrence meet, the one further along stays. A skipped row
/// outranks a pending one: an event that is created again, and whose action is not known at first, notes it once more
/// as pending.
macro_rules! rank {
    ($row:literal) => {
        concat!(
            "CASE WHEN ",
            $row,
            ".outcome = 'Uploaded' THEN 7
             WHEN ",
            $row,
            ".outcome = 'Rejected' THEN 6
             WHEN ",
            $row,
            ".outcome = 'Processing' THEN 5
             WHEN ",
            $row,
            ".state = 'InFlight' THEN 4
             WHEN ",
            $row,
            ".outcome = 'Skipped' THEN 3
             WHEN ",
            $row,
            ".sent <> 'Never' THEN 2 ELSE 1 END"
        )
    };
}

/// Where both streams know an occurrence, the row further along stays, and at a draw the action's. Archived ones stay
/// archived.
async fn move_rows(conn: &mut Conn, from: i64, to: i64) -> LedgerResult<()> {
    let statements = [
        "DELETE FROM conversions WHERE stream = $1 AND EXISTS (
             SELECT 1 FROM archived_keys a WHERE a.stream = $2 AND a.occurred_at = conversions.occurred_at
                 AND a.transaction_id = conversions.transaction_id)",
        concat!(
            "DELETE FROM conversions WHERE id IN (
                 SELECT theirs.id FROM conversions ours JOIN conversions theirs
                     ON theirs.stream = $2 AND theirs.sort_key = ours.sort_key
                    AND theirs.transaction_id = ours.transaction_id
                 WHERE ours.stream = $1 AND ",
            rank!("ours"),
            " > ",
            rank!("theirs"),
            ")"
        ),
        "DELETE FROM conversions WHERE id IN (
             SELECT ours.id FROM conversions ours JOIN conversions theirs
                 ON theirs.stream = $2 AND theirs.sort_key = ours.sort_key
                AND theirs.transaction_id = ours.transaction_id
             WHERE ours.stream = $1)",
        "UPDATE conversions SET stream = $2 WHERE stream = $1",
    ];
    for statement in statements {
        sqlx::query(statement).bind(from).bind(to).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn move_marks(conn: &mut Conn, from: i64, to: i64) -> LedgerResult<()> {
    sqlx::query(
        "UPDATE streams SET covered_from = e.covered_from, feed_cursor = e.feed_cursor, full_scan_at = e.full_scan_at,
             full_scan_by = e.full_scan_by
         FROM streams e WHERE streams.id = $2 AND e.id = $1 AND e.feed_cursor IS NOT NULL",
    )
    .bind(from)
    .bind(to)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE streams SET last_upload = e.last_upload FROM streams e
         WHERE streams.id = $2 AND e.id = $1 AND e.last_upload > coalesce(streams.last_upload, 0)",
    )
    .bind(from)
    .bind(to)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE streams SET covered_from = NULL, feed_cursor = NULL, full_scan_at = NULL, full_scan_by = NULL, last_upload = NULL
         WHERE id = $1 AND (feed_cursor IS NOT NULL OR last_upload IS NOT NULL)",
    )
    .bind(from)
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn feed_marks(conn: &mut Conn, streams: &[StreamId]) -> LedgerResult<Vec<Option<Watermark>>> {
    let ids: Vec<i64> = streams.iter().map(|t| t.0).collect();
    let found: Vec<(i64, i64, i64)> = sqlx::query_as(concat!(
        "SELECT id, covered_from, feed_cursor FROM streams WHERE feed_cursor IS NOT NULL AND id IN ",
        numbers!("$1")
    ))
    .bind(json_list(&ids)?)
    .fetch_all(conn)
    .await?;
    let mut marks = HashMap::new();
    for (id, covered_from, cursor) in found {
        marks.insert(
            id,
            Watermark {
                covered_from: to_time(covered_from)?,
                cursor: to_time(cursor)?,
            },
        );
    }
    Ok(ids.iter().map(|id| marks.get(id).copied()).collect())
}

pub(crate) async fn set_feed_marks(conn: &mut Conn, marks: &[(StreamId, Watermark)]) -> LedgerResult<()> {
    let distinct: HashSet<StreamId> = marks.iter().map(|(stream, _)| *stream).collect();
    if distinct.len() != marks.len() {
        return Err(own_error("two feed marks for one stream"));
    }
    let items: Vec<_> = marks
        .iter()
        .map(|(t, m)| (t.0, to_millis(m.covered_from), to_millis(m.cursor)))
        .collect();
    let done = sqlx::query(
        "WITH j AS MATERIALIZED (
             SELECT CAST(value->>0 AS BIGINT) AS id, CAST(value->>1 AS BIGINT) AS covered_from,
                    CAST(value->>2 AS BIGINT) AS feed_cursor FROM json_each($1))
         UPDATE streams SET covered_from = j.covered_from, feed_cursor = j.feed_cursor FROM j WHERE streams.id = j.id",
    )
    .bind(json_rows(&items)?)
    .execute(conn)
    .await?;
    if done.rows_affected() != marks.len() as u64 {
        return Err(own_error("a feed mark for a stream that does not exist"));
    }
    Ok(())
}

pub(crate) async fn set_meta(conn: &mut Conn, name: &str, value: &str) -> LedgerResult<()> {
    sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = $2")
        .bind(name)
        .bind(value)
        .execute(conn)
        .await?;
    Ok(())
}
