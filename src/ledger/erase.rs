//! Erasure: everything that names a contact is deleted once the contact has been gone from HubSpot for long enough. The
//! keys stay, so that nothing is sent again should it come back: the same id has the same canonical contact and the
//! same keys.
//!
//! A lineage is erased as a whole. Rows become totals as in [`super::archive`], before their time, since their sort key
//! identifies the contact too.

use jiff::{SignedDuration, Timestamp};

use super::database::Conn;
use super::updates;
use crate::domain::ids::{ContactId, PortalId};
use crate::domain::outcome::{Outcome, reason};
use crate::ledger::archive::archive_rows;
use crate::ledger::columns::{json_list, numbers, state, to_contact, to_limit, to_millis};
use crate::ports::ledger::{Erased, LONGEST_WINDOW, LedgerResult, LookerId, RowId, RowUpdate};

/// True of a look that has missed its contact for long enough, the latest time not long ago.
macro_rules! missed {
    () => {
        "l.missing_since IS NOT NULL AND l.looked_at > l.missing_since AND l.looked_at - l.missing_since >= $3
         AND l.looked_at >= $4"
    };
}

/// How long a contact must have been missing (milliseconds), and from when on looks count.
#[derive(Clone, Copy)]
struct MissingFor {
    span: i64,
    since: i64,
}

/// Contacts after the given look that one account's looks have missed for long enough, at most `limit`: looker, portal
/// and contact.
async fn missing_contacts(
    conn: &mut Conn,
    wait: MissingFor,
    behind: (i64, i64),
    limit: usize,
) -> LedgerResult<Vec<(i64, i64, i64)>> {
    let statement = concat!(
        "SELECT l.looker, r.portal, l.contact FROM looks l JOIN look_rounds r ON r.id = l.looker
         WHERE (l.looker, l.contact) > ($1, $2) AND ",
        missed!(),
        " ORDER BY l.looker, l.contact LIMIT $5"
    );
    let found = sqlx::query_as(statement)
        .bind(behind.0)
        .bind(behind.1)
        .bind(wait.span)
        .bind(wait.since)
        .bind(to_limit(limit)?)
        .fetch_all(conn)
        .await?;
    Ok(found)
}

/// See [`crate::ports::ledger::Ledger::erase_contacts`].
pub(super) async fn erase_contacts(
    conn: &mut Conn,
    missing_for: SignedDuration,
    behind: Option<(LookerId, ContactId)>,
    limit: usize,
    now: Timestamp,
) -> LedgerResult<Erased> {
    let span = i64::try_from(missing_for.as_millis()).unwrap_or(i64::MAX);
    let wait = MissingFor {
        span,
        since: to_millis(now).saturating_sub(span),
    };
    let behind = behind.map_or((i64::MIN, i64::MIN), |(looker, contact)| {
        (looker.0, contact.0.cast_signed())
    });
    let found = missing_contacts(conn, wait, behind, limit).await?;
    let last = found.last().filter(|_| found.len() == limit);
    let mut erased = Erased {
        contacts: Vec::new(),
        behind: last.map(|(looker, _, id)| (LookerId(*looker), to_contact(*id))),
    };
    for (_, portal, id) in found {
        let lineage = lineage_of(conn, portal, id).await?;
        if all_missing(conn, portal, &lineage, wait).await? && settle_for_erasure(conn, portal, &lineage, now).await? {
            forget_contacts(conn, portal, &lineage).await?;
            let named = |id| (PortalId(portal.cast_unsigned()), to_contact(id));
            erased.contacts.extend(lineage.into_iter().map(named));
        }
    }
    Ok(erased)
}

/// All ids with the same canonical contact as this one; only itself, if it has none.
async fn lineage_of(conn: &mut Conn, portal: i64, contact: i64) -> LedgerResult<Vec<i64>> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "WITH own AS MATERIALIZED (SELECT canonical FROM canonical_contacts WHERE portal = $1 AND contact = $2)
         SELECT $2 UNION SELECT canonical FROM own
         UNION SELECT c.contact FROM own CROSS JOIN canonical_contacts c
         WHERE c.portal = $1 AND c.canonical = own.canonical AND c.contact <> c.canonical",
    )
    .bind(portal)
    .bind(contact)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Whether all of these contacts are gone. None of them is while any account sees one of them, or nobody has looked for
/// it: another account's token may only see less. A sighting of long ago by an account that no longer looks does not
/// count.
async fn all_missing(conn: &mut Conn, portal: i64, ids: &[i64], wait: MissingFor) -> LedgerResult<bool> {
    let statement = concat!(
        "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS id FROM json_each($2))
         SELECT count(*) FROM j WHERE EXISTS (
             SELECT 1 FROM look_rounds r JOIN looks l ON l.looker = r.id AND l.contact = j.id
             WHERE r.portal = $1 AND ",
        missed!(),
        ") AND NOT EXISTS (
             SELECT 1 FROM look_rounds r JOIN looks l ON l.looker = r.id AND l.contact = j.id
             WHERE r.portal = $1 AND l.seen_at >= $4)"
    );
    let missing: i64 = sqlx::query_scalar(statement)
        .bind(portal)
        .bind(json_list(ids)?)
        .bind(wait.span)
        .bind(wait.since)
        .fetch_one(conn)
        .await?;
    Ok(usize::try_from(missing) == Ok(ids.len()))
}

/// Turns the rows of these contacts into totals. Rows that wait will never find their contact, also where nobody asks
/// for it any more (the event is gone, or has no action yet). False while Google has one of the rows, whose outcome
/// comes first, and while one is open and young enough to be sent: the uploader, which reads its contact, decides about
/// that one.
async fn settle_for_erasure(conn: &mut Conn, portal: i64, ids: &[i64], now: Timestamp) -> LedgerResult<bool> {
    let rows: Vec<(i64, String, i64)> = sqlx::query_as(
        "WITH j AS MATERIALIZED (SELECT CAST(value->>0 AS BIGINT) AS id FROM json_each($2))
         SELECT c.id, c.state, c.occurred_at FROM j CROSS JOIN streams s CROSS JOIN conversions c
         WHERE s.portal = $1 AND c.stream = s.id AND c.sort_key = j.id AND c.contact = j.id
         UNION ALL
         SELECT c.id, c.state, c.occurred_at FROM j CROSS JOIN conversions c CROSS JOIN streams s
         WHERE c.contact = j.id AND c.contact <> c.sort_key AND s.id = c.stream AND s.portal = $1",
    )
    .bind(portal)
    .bind(json_list(ids)?)
    .fetch_all(&mut *conn)
    .await?;
    let open = rows.iter().filter(|(_, state, _)| state != state::SETTLED);
    let young = to_millis(now).saturating_sub(i64::try_from(LONGEST_WINDOW.as_millis()).unwrap_or(i64::MAX));
    if open
        .clone()
        .any(|(_, state, occurred)| state != state::WAITING || *occurred > young)
    {
        return Ok(false);
    }
    let gone = |(id, ..): &(i64, String, i64)| RowUpdate {
        row: RowId(*id),
        outcome: Outcome::Skipped,
        reason: reason::CONTACT_DELETED.into(),
        detail: String::new(),
        due: now,
        failed_try: false,
        isolation_group: 0,
    };
    let updates: Vec<RowUpdate> = open.map(gone).collect();
    updates::apply_updates(conn, &updates, None, now).await?;
    let all: Vec<i64> = rows.into_iter().map(|(id, ..)| id).collect();
    if !all.is_empty() {
        archive_rows(conn, &all).await?;
    }
    Ok(true)
}

async fn forget_contacts(conn: &mut Conn, portal: i64, ids: &[i64]) -> LedgerResult<()> {
    let statements = [
        concat!(
            "DELETE FROM canonical_contacts WHERE portal = $1 AND contact IN ",
            numbers!("$2")
        ),
        concat!(
            "DELETE FROM looks WHERE looker IN (SELECT id FROM look_rounds WHERE portal = $1) AND contact IN ",
            numbers!("$2")
        ),
    ];
    for statement in statements {
        sqlx::query(statement)
            .bind(portal)
            .bind(json_list(ids)?)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}
