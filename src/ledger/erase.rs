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
use crate::ledger::columns::{count, json};
use crate::ports::ledger::{Erased, LedgerResult, RowId, RowUpdate};

/// True of contacts that looks have missed for long enough; the latest look is one that did.
macro_rules! overdue {
    () => {
        "missing_since IS NOT NULL AND looked_at > missing_since AND looked_at - missing_since >= ?3"
    };
}

/// Contacts behind the given one that have been missing for long enough, at most `limit`.
async fn overdue(
    conn: &mut SqliteConnection,
    wait: i64,
    behind: (i64, i64),
    limit: usize,
) -> LedgerResult<Vec<(i64, i64)>> {
    let statement = concat!(
        "SELECT portal, contact FROM looks WHERE (portal, contact) > (?1, ?2) AND ",
        overdue!(),
        " ORDER BY portal, contact LIMIT ?4"
    );
    let found = sqlx::query_as(statement)
        .bind(behind.0)
        .bind(behind.1)
        .bind(wait)
        .bind(count(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(found)
}

/// See [`crate::ports::ledger::Ledger::erase`].
pub(super) async fn erase(
    conn: &mut SqliteConnection,
    missing_for: SignedDuration,
    behind: Option<(PortalId, ContactId)>,
    limit: usize,
    now: Timestamp,
) -> LedgerResult<Erased> {
    let wait = i64::try_from(missing_for.as_millis()).unwrap_or(i64::MAX);
    let behind = behind.map_or((i64::MIN, i64::MIN), |(portal, contact)| {
        (portal.0.cast_signed(), contact.0.cast_signed())
    });
    let found = overdue(conn, wait, behind, limit).await?;
    let named = |(portal, contact): (i64, i64)| (PortalId(portal.cast_unsigned()), ContactId(contact.cast_unsigned()));
    let mut erased = Erased {
        contacts: Vec::new(),
        behind: found.last().copied().filter(|_| found.len() == limit).map(named),
    };
    for (portal, contact) in found {
        let lineage = lineage(conn, portal, contact).await?;
        if all_overdue(conn, portal, &lineage, wait).await? && settled(conn, portal, &lineage, now).await? {
            forget(conn, portal, &lineage).await?;
            erased
                .contacts
                .extend(lineage.into_iter().map(|id| named((portal, id))));
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

/// As long as one of them leads to a contact, or nobody has looked, none of them is gone.
async fn all_overdue(conn: &mut SqliteConnection, portal: i64, ids: &[i64], wait: i64) -> LedgerResult<bool> {
    let statement = concat!(
        "SELECT count(*) FROM looks WHERE portal = ?1 AND contact IN (SELECT value FROM json_each(?2)) AND ",
        overdue!()
    );
    let overdue: i64 = sqlx::query_scalar(statement)
        .bind(portal)
        .bind(json(ids)?)
        .bind(wait)
        .fetch_one(conn)
        .await?;
    Ok(usize::try_from(overdue) == Ok(ids.len()))
}

/// Rows of these contacts become totals. What still waits will never find its contact, also where nobody asks any more
/// (its event is gone, or has no action yet). False while Google has one of them: it says first what became of it.
async fn settled(conn: &mut SqliteConnection, portal: i64, ids: &[i64], now: Timestamp) -> LedgerResult<bool> {
    let rows: Vec<(i64, i64, bool)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT value AS id FROM json_each(?2))
         SELECT r.id, r.outcome, r.due IS NOT NULL FROM j CROSS JOIN tracks t ON t.portal = ?1
             CROSS JOIN rows r ON r.track = t.id AND r.seed = j.id AND r.contact = j.id
         UNION ALL
         SELECT r.id, r.outcome, r.due IS NOT NULL FROM j CROSS JOIN rows r ON r.contact = j.id AND r.contact <> r.seed
             JOIN tracks t ON t.id = r.track AND t.portal = ?1",
    )
    .bind(portal)
    .bind(json(ids)?)
    .fetch_all(&mut *conn)
    .await?;
    let open = rows.iter().filter(|(_, outcome, _)| *outcome < 2);
    if open.clone().any(|(_, _, waits)| !waits) {
        return Ok(false);
    }
    let gone = |(id, ..): &(i64, i64, bool)| RowUpdate {
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
        "DELETE FROM looks WHERE portal = ?1 AND contact IN (SELECT value FROM json_each(?2))",
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
