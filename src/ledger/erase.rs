//! Erasure: what names a contact that HubSpot has deleted goes, once it has been gone for long enough. The keys stay, so
//! that nothing is sent again should it come back: the same id has the same root, and gives the same keys.
//!
//! A lineage goes as a whole. Rows become totals as in [`super::fold`], before their time: their seed tells the contact too.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::updates;
use crate::domain::ids::{ContactId, PortalId};
use crate::domain::outcome::{Outcome, reason};
use crate::ledger::archive::fold;
use crate::ledger::columns::{count, json, ms};
use crate::ports::ledger::{Erased, LONGEST_WINDOW, LedgerResult, LookerId, RowId, RowUpdate};

/// True of a look that has missed its contact for long enough, the latest time not long ago.
macro_rules! missed {
    () => {
        "l.missing_since IS NOT NULL AND l.looked_at > l.missing_since AND l.looked_at - l.missing_since >= ?3
         AND l.looked_at >= ?4"
    };
}

/// How long a contact must have been missing (milliseconds), and since when looks count.
#[derive(Clone, Copy)]
struct Wait {
    span: i64,
    since: i64,
}

/// Contacts behind the given look that one account's looks have missed for long enough, at most `limit`: looker, portal and
/// contact.
async fn missed(
    conn: &mut SqliteConnection,
    wait: Wait,
    behind: (i64, i64),
    limit: usize,
) -> LedgerResult<Vec<(i64, i64, i64)>> {
    let statement = concat!(
        "SELECT l.looker, r.portal, l.contact FROM looks l JOIN look_rounds r ON r.id = l.looker
         WHERE (l.looker, l.contact) > (?1, ?2) AND ",
        missed!(),
        " ORDER BY l.looker, l.contact LIMIT ?5"
    );
    let found = sqlx::query_as(statement)
        .bind(behind.0)
        .bind(behind.1)
        .bind(wait.span)
        .bind(wait.since)
        .bind(count(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(found)
}

/// See [`crate::ports::ledger::Ledger::erase`].
pub(super) async fn erase(
    conn: &mut SqliteConnection,
    missing_for: SignedDuration,
    behind: Option<(LookerId, ContactId)>,
    limit: usize,
    now: Timestamp,
) -> LedgerResult<Erased> {
    let span = i64::try_from(missing_for.as_millis()).unwrap_or(i64::MAX);
    let wait = Wait {
        span,
        since: ms(now).saturating_sub(span),
    };
    let behind = behind.map_or((i64::MIN, i64::MIN), |(looker, contact)| {
        (looker.0, contact.0.cast_signed())
    });
    let found = missed(conn, wait, behind, limit).await?;
    let contact = |id: i64| ContactId(id.cast_unsigned());
    let last = found.last().filter(|_| found.len() == limit);
    let mut erased = Erased {
        contacts: Vec::new(),
        behind: last.map(|(looker, _, id)| (LookerId(*looker), contact(*id))),
    };
    for (_, portal, id) in found {
        let lineage = lineage(conn, portal, id).await?;
        if all_missing(conn, portal, &lineage, wait).await? && settled(conn, portal, &lineage, now).await? {
            forget(conn, portal, &lineage).await?;
            let named = |id| (PortalId(portal.cast_unsigned()), contact(id));
            erased.contacts.extend(lineage.into_iter().map(named));
        }
    }
    Ok(erased)
}

/// All ids that have the root of this one; itself, where it has none.
async fn lineage(conn: &mut SqliteConnection, portal: i64, contact: i64) -> LedgerResult<Vec<i64>> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "WITH own AS MATERIALIZED (SELECT root FROM roots WHERE portal = ?1 AND contact = ?2)
         SELECT ?2 UNION SELECT root FROM own
         UNION SELECT r.contact FROM own CROSS JOIN roots r ON r.portal = ?1 AND r.root = own.root AND r.contact <> r.root",
    )
    .bind(portal)
    .bind(contact)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// As long as any account sees one of them, or nobody has looked for it, none of them is gone: another account's token may
/// only see less. What was seen long ago by an account that does not look any more says nothing.
async fn all_missing(conn: &mut SqliteConnection, portal: i64, ids: &[i64], wait: Wait) -> LedgerResult<bool> {
    let statement = concat!(
        "SELECT count(*) FROM json_each(?2) j WHERE EXISTS (
             SELECT 1 FROM look_rounds r CROSS JOIN looks l ON l.looker = r.id AND l.contact = j.value
             WHERE r.portal = ?1 AND ",
        missed!(),
        ") AND NOT EXISTS (
             SELECT 1 FROM look_rounds r CROSS JOIN looks l ON l.looker = r.id AND l.contact = j.value
             WHERE r.portal = ?1 AND l.seen_at >= ?4)"
    );
    let missing: i64 = sqlx::query_scalar(statement)
        .bind(portal)
        .bind(json(ids)?)
        .bind(wait.span)
        .bind(wait.since)
        .fetch_one(conn)
        .await?;
    Ok(usize::try_from(missing) == Ok(ids.len()))
}

/// Rows of these contacts become totals. What still waits will never find its contact, also where nobody asks any more
/// (its event is gone, or has no action yet). False while Google has one of them: it says first what became of it. False
/// also while one is open and young enough to be sent: whether it is, is for those to say who read its contact for it.
async fn settled(conn: &mut SqliteConnection, portal: i64, ids: &[i64], now: Timestamp) -> LedgerResult<bool> {
    let rows: Vec<(i64, i64, bool, i64)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT value AS id FROM json_each(?2))
         SELECT r.id, r.outcome, r.due IS NOT NULL, r.occurred_at FROM j CROSS JOIN tracks t ON t.portal = ?1
             CROSS JOIN rows r ON r.track = t.id AND r.seed = j.id AND r.contact = j.id
         UNION ALL
         SELECT r.id, r.outcome, r.due IS NOT NULL, r.occurred_at FROM j CROSS JOIN rows r ON r.contact = j.id AND r.contact <> r.seed
             JOIN tracks t ON t.id = r.track AND t.portal = ?1",
    )
    .bind(portal)
    .bind(json(ids)?)
    .fetch_all(&mut *conn)
    .await?;
    let open = rows.iter().filter(|(_, outcome, ..)| *outcome < 2);
    let young = ms(now).saturating_sub(i64::try_from(LONGEST_WINDOW.as_millis()).unwrap_or(i64::MAX));
    if open.clone().any(|(.., waits, occurred)| !waits || *occurred > young) {
        return Ok(false);
    }
    let gone = |(id, ..): &(i64, i64, bool, i64)| RowUpdate {
        row: RowId(*id),
        outcome: Outcome::Skipped,
        reason: reason::CONTACT_DELETED.into(),
        detail: String::new(),
        due: now,
        failed_try: false,
        split: 0,
    };
    let updates: Vec<RowUpdate> = open.map(gone).collect();
    updates::apply(conn, &updates, None, now).await?;
    let all: Vec<i64> = rows.into_iter().map(|(id, ..)| id).collect();
    if !all.is_empty() {
        fold(conn, &all).await?;
    }
    Ok(true)
}

async fn forget(conn: &mut SqliteConnection, portal: i64, ids: &[i64]) -> LedgerResult<()> {
    let statements = [
        "DELETE FROM roots WHERE portal = ?1 AND contact IN (SELECT value FROM json_each(?2))",
        "DELETE FROM looks WHERE looker IN (SELECT id FROM look_rounds WHERE portal = ?1)
             AND contact IN (SELECT value FROM json_each(?2))",
    ];
    for statement in statements {
        sqlx::query(statement)
            .bind(portal)
            .bind(json(ids)?)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
