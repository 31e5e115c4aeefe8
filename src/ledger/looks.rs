//! Rounds of looks: which of the contacts that the ledger names HubSpot still has.

use jiff::Timestamp;

use super::database::Conn;
use super::error::damaged_value;
use crate::domain::ids::{ContactId, PortalId};
use crate::ledger::columns::{json_contacts as ids, numbers, rows_affected, to_contact, to_limit, to_millis, to_time};
use crate::ports::ledger::{LedgerResult, LookResult, LookRound, Looker};

/// Contacts of rows that may be in no lineage, as those of form submissions.
macro_rules! of_rows {
    () => {
        "FROM conversions r JOIN streams t ON t.id = r.stream AND t.portal = $1 WHERE r.contact <> r.sort_key"
    };
}

pub(super) async fn look_round(conn: &mut Conn, looker: &Looker) -> LedgerResult<Option<LookRound>> {
    let found: Option<(i64, i64, i64)> =
        sqlx::query_as("SELECT contacts, after, looked_at FROM look_rounds WHERE portal = $1 AND account = $2")
            .bind(looker.portal.0.cast_signed())
            .bind(looker.account.to_string())
            .fetch_optional(conn)
            .await?;
    let Some((contacts, after, looked_at)) = found else {
        return Ok(None);
    };
    Ok(Some(LookRound {
        contacts: u64::try_from(contacts).map_err(|_| damaged_value("a number of contacts"))?,
        after: to_contact(after),
        looked_at: to_time(looked_at)?,
    }))
}

/// Begins a round at the first contact, and returns its number.
pub(super) async fn begin_look_round(conn: &mut Conn, looker: &Looker, now: Timestamp) -> LedgerResult<i64> {
    let id = sqlx::query_scalar(concat!(
        "INSERT INTO look_rounds (portal, account, contacts, after, looked_at)
         SELECT $1, $3, count(*), 0, $2 FROM (
             SELECT contact FROM canonical_contacts WHERE portal = $1 UNION SELECT r.contact ",
        of_rows!(),
        " AND r.contact <> 0) AS found WHERE true
         ON CONFLICT (portal, account) DO UPDATE SET contacts = excluded.contacts, after = 0, looked_at = $2
         RETURNING id"
    ))
    .bind(looker.portal.0.cast_signed())
    .bind(to_millis(now))
    .bind(looker.account.to_string())
    .fetch_one(conn)
    .await?;
    Ok(id)
}

async fn id_of(conn: &mut Conn, looker: &Looker) -> LedgerResult<Option<i64>> {
    let id = sqlx::query_scalar("SELECT id FROM look_rounds WHERE portal = $1 AND account = $2")
        .bind(looker.portal.0.cast_signed())
        .bind(looker.account.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(id)
}

/// Ids are positive: HubSpot's are far from filling 63 bits.
pub(super) async fn next_contacts(
    conn: &mut Conn,
    portal: PortalId,
    after: ContactId,
    limit: usize,
) -> LedgerResult<Vec<ContactId>> {
    let statement = concat!(
        "SELECT contact FROM (SELECT contact FROM canonical_contacts WHERE portal = $1 AND contact > $2 ORDER BY contact LIMIT $3) AS known
         UNION
         SELECT contact FROM (SELECT DISTINCT r.contact AS contact ",
        of_rows!(),
        " AND r.contact > $2 ORDER BY r.contact LIMIT $3) AS of_rows
         ORDER BY contact LIMIT $3"
    );
    let found: Vec<i64> = sqlx::query_scalar(statement)
        .bind(portal.0.cast_signed())
        .bind(after.0.cast_signed())
        .bind(to_limit(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(found.into_iter().map(to_contact).collect())
}

/// Those that a look found last, but for the given ones, the latest first.
pub(super) async fn last_seen(
    conn: &mut Conn,
    looker: &Looker,
    without: &[ContactId],
    limit: usize,
) -> LedgerResult<Vec<ContactId>> {
    let found: Vec<i64> = sqlx::query_scalar(concat!(
        "SELECT l.contact FROM look_rounds r JOIN looks l ON l.looker = r.id
             WHERE r.portal = $1 AND r.account = $2 AND l.missing_since IS NULL AND l.contact NOT IN ",
        numbers!("$3"),
        " ORDER BY l.seen_at DESC, l.contact DESC LIMIT $4"
    ))
    .bind(looker.portal.0.cast_signed())
    .bind(looker.account.to_string())
    .bind(ids(without)?)
    .bind(to_limit(limit)?)
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(to_contact).collect())
}

/// The requested contacts that the ledger still names. One that was erased meanwhile must get no line: nobody would ask
/// for it again, and the line would stay for ever.
async fn still_named(conn: &mut Conn, portal: PortalId, asked: &[ContactId]) -> LedgerResult<Vec<ContactId>> {
    let Some(first) = asked.iter().min() else {
        return Ok(Vec::new());
    };
    // Some more: others may have come in between.
    next_contacts(conn, portal, ContactId(first.0.saturating_sub(1)), 2 * asked.len()).await
}

/// A missing mark keeps its date while the contact is missing, and goes with the first look that finds it. A contact
/// that was seen without being asked for gets no line, but loses its mark.
pub(super) async fn record_look(
    conn: &mut Conn,
    looker: &Looker,
    asked: &[ContactId],
    look: &LookResult,
) -> LedgerResult<()> {
    let at = to_millis(look.at);
    let id = match id_of(conn, looker).await? {
        Some(id) => id,
        None => begin_look_round(conn, looker, look.at).await?,
    };
    let named = still_named(conn, looker.portal, asked).await?;
    let missing: Vec<ContactId> = look.missing.iter().copied().filter(|id| named.contains(id)).collect();
    let (mut of_asked, beside): (Vec<ContactId>, Vec<ContactId>) = look.seen.iter().partition(|id| asked.contains(id));
    of_asked.retain(|id| named.contains(id));
    let statements = [
        (
            "INSERT INTO looks (looker, contact, looked_at, missing_since)
             SELECT $1, CAST(value->>0 AS BIGINT), $3, $3 FROM json_each($2) WHERE true
             ON CONFLICT (looker, contact) DO UPDATE SET
                 looked_at = $3, missing_since = coalesce(looks.missing_since, $3)",
            &missing,
        ),
        (
            "INSERT INTO looks (looker, contact, looked_at, seen_at)
             SELECT $1, CAST(value->>0 AS BIGINT), $3, $3 FROM json_each($2) WHERE true
             ON CONFLICT (looker, contact) DO UPDATE SET looked_at = $3, seen_at = $3, missing_since = NULL",
            &of_asked,
        ),
        (
            concat!(
                "UPDATE looks SET looked_at = $3, seen_at = $3, missing_since = NULL WHERE looker = $1 AND contact IN ",
                numbers!("$2")
            ),
            &beside,
        ),
    ];
    for (statement, contacts) in statements {
        sqlx::query(statement)
            .bind(id)
            .bind(ids(contacts)?)
            .bind(at)
            .execute(&mut *conn)
            .await?;
    }
    let Some(after) = look.after else {
        return begin_look_round(conn, looker, look.at).await.map(drop);
    };
    sqlx::query("UPDATE look_rounds SET after = $2, looked_at = $3 WHERE id = $1")
        .bind(id)
        .bind(after.0.cast_signed())
        .bind(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::forget_looks`].
pub(super) async fn forget_looks(conn: &mut Conn, before: Timestamp, limit: usize) -> LedgerResult<usize> {
    let lines = sqlx::query(
        "DELETE FROM looks WHERE (looker, contact) IN (
             SELECT l.looker, l.contact FROM look_rounds r JOIN looks l ON l.looker = r.id
             WHERE r.looked_at < $1 LIMIT $2)",
    )
    .bind(to_millis(before))
    .bind(to_limit(limit)?)
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query(
        "DELETE FROM look_rounds
         WHERE looked_at < $1 AND NOT EXISTS (SELECT 1 FROM looks WHERE looks.looker = look_rounds.id)",
    )
    .bind(to_millis(before))
    .execute(conn)
    .await?;
    rows_affected(lines)
}
