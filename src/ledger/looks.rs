//! Which of the contacts that the ledger names HubSpot still has.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::error::damaged;
use crate::domain::ids::{ContactId, PortalId};
use crate::ledger::columns::{count, json, ms, time};
use crate::ports::ledger::{LedgerResult, Look, LookRound};

fn contact(id: i64) -> ContactId {
    ContactId(id.cast_unsigned())
}

fn ids(contacts: &[ContactId]) -> LedgerResult<String> {
    let ids: Vec<i64> = contacts.iter().map(|id| id.0.cast_signed()).collect();
    json(&ids)
}

/// Contacts of rows that may be in no root: form submissions' contacts have none.
macro_rules! of_rows {
    () => {
        "FROM rows r JOIN tracks t ON t.id = r.track AND t.portal = ?1 WHERE r.contact <> r.seed"
    };
}

pub(super) async fn round(conn: &mut SqliteConnection, portal: PortalId) -> LedgerResult<Option<LookRound>> {
    let found: Option<(i64, i64, i64)> =
        sqlx::query_as("SELECT contacts, after, looked_at FROM look_rounds WHERE portal = ?1")
            .bind(portal.0.cast_signed())
            .fetch_optional(conn)
            .await?;
    let Some((contacts, after, looked_at)) = found else {
        return Ok(None);
    };
    Ok(Some(LookRound {
        contacts: u64::try_from(contacts).map_err(|_| damaged("a number of contacts"))?,
        after: contact(after),
        looked_at: time(looked_at)?,
    }))
}

/// Begins a round at the first contact.
pub(super) async fn begin(conn: &mut SqliteConnection, portal: PortalId, now: Timestamp) -> LedgerResult<()> {
    sqlx::query(concat!(
        "INSERT INTO look_rounds (portal, contacts, after, looked_at)
         SELECT ?1, count(*), 0, ?2 FROM (
             SELECT contact FROM roots WHERE portal = ?1 UNION SELECT r.contact ",
        of_rows!(),
        " AND r.contact <> 0) WHERE true
         ON CONFLICT (portal) DO UPDATE SET contacts = excluded.contacts, after = 0, looked_at = ?2"
    ))
    .bind(portal.0.cast_signed())
    .bind(ms(now))
    .execute(conn)
    .await?;
    Ok(())
}

/// Ids are positive: HubSpot's are far from filling 63 bits.
pub(super) async fn next(
    conn: &mut SqliteConnection,
    portal: PortalId,
    after: ContactId,
    limit: usize,
) -> LedgerResult<Vec<ContactId>> {
    let statement = concat!(
        "SELECT contact FROM (SELECT contact FROM roots WHERE portal = ?1 AND contact > ?2 ORDER BY contact LIMIT ?3)
         UNION
         SELECT contact FROM (SELECT DISTINCT r.contact AS contact ",
        of_rows!(),
        " AND r.contact > ?2 ORDER BY r.contact LIMIT ?3)
         ORDER BY contact LIMIT ?3"
    );
    let found: Vec<i64> = sqlx::query_scalar(statement)
        .bind(portal.0.cast_signed())
        .bind(after.0.cast_signed())
        .bind(count(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(found.into_iter().map(contact).collect())
}

/// Those that a look found last, but for the given ones, the latest first.
pub(super) async fn last_seen(
    conn: &mut SqliteConnection,
    portal: PortalId,
    without: &[ContactId],
    limit: usize,
) -> LedgerResult<Vec<ContactId>> {
    let found: Vec<i64> = sqlx::query_scalar(
        "SELECT contact FROM looks WHERE portal = ?1 AND missing_since IS NULL
             AND contact NOT IN (SELECT value FROM json_each(?2))
         ORDER BY seen_at DESC, contact DESC LIMIT ?3",
    )
    .bind(portal.0.cast_signed())
    .bind(ids(without)?)
    .bind(count(limit)?)
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(contact).collect())
}

/// A mark stays as old as it is while the contact is missing, and goes with the first look that finds it. What was seen
/// beside what was asked for gets no line, but loses its mark.
pub(super) async fn note(
    conn: &mut SqliteConnection,
    portal: PortalId,
    asked: &[ContactId],
    look: &Look,
) -> LedgerResult<()> {
    let (portal, at) = (portal.0.cast_signed(), ms(look.at));
    sqlx::query(
        "INSERT INTO looks (portal, contact, looked_at, missing_since)
         SELECT ?1, value, ?3, ?3 FROM json_each(?2) WHERE true
         ON CONFLICT (portal, contact) DO UPDATE SET
             looked_at = ?3, missing_since = coalesce(looks.missing_since, ?3)",
    )
    .bind(portal)
    .bind(ids(&look.missing)?)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    let (of_asked, beside): (Vec<ContactId>, Vec<ContactId>) = look.seen.iter().partition(|id| asked.contains(id));
    sqlx::query(
        "INSERT INTO looks (portal, contact, looked_at, seen_at)
         SELECT ?1, value, ?3, ?3 FROM json_each(?2) WHERE true
         ON CONFLICT (portal, contact) DO UPDATE SET looked_at = ?3, seen_at = ?3, missing_since = NULL",
    )
    .bind(portal)
    .bind(ids(&of_asked)?)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "UPDATE looks SET looked_at = ?3, seen_at = ?3, missing_since = NULL
         WHERE portal = ?1 AND contact IN (SELECT value FROM json_each(?2))",
    )
    .bind(portal)
    .bind(ids(&beside)?)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    let Some(after) = look.after else {
        return begin(conn, PortalId(portal.cast_unsigned()), look.at).await;
    };
    sqlx::query("UPDATE look_rounds SET after = ?2, looked_at = ?3 WHERE portal = ?1")
        .bind(portal)
        .bind(after.0.cast_signed())
        .bind(at)
        .execute(conn)
        .await?;
    Ok(())
}
