//! Notes about actions left behind in an ad network.

use super::database::Conn;
use crate::domain::ids::AdAccountKey;
use crate::ledger::columns::{to_millis, to_time};
use crate::ports::ledger::{ActionKey, LedgerResult, OrphanNote};

#[derive(sqlx::FromRow)]
struct StoredOrphan {
    action: String,
    name: String,
    kind: String,
    former_event: String,
    created_at: Option<i64>,
    noted_at: i64,
}

/// Notes an action left behind; a later note about the same action replaces the earlier one.
pub(super) async fn note_orphan(conn: &mut Conn, note: &OrphanNote) -> LedgerResult<()> {
    sqlx::query(
        "INSERT INTO orphans (network, account, action, name, kind, former_event, created_at, noted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (network, account, action) DO UPDATE SET
             name = excluded.name, kind = excluded.kind, former_event = excluded.former_event,
             created_at = excluded.created_at, noted_at = excluded.noted_at",
    )
    .bind(note.action.account.network.as_str())
    .bind(&note.action.account.id)
    .bind(&note.action.id)
    .bind(&note.name)
    .bind(&note.kind)
    .bind(&note.former_event)
    .bind(note.created_at.map(to_millis))
    .bind(to_millis(note.at))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn orphan_notes(conn: &mut Conn, owner: &AdAccountKey) -> LedgerResult<Vec<OrphanNote>> {
    let found: Vec<StoredOrphan> = sqlx::query_as(
        "SELECT action, name, kind, former_event, created_at, noted_at FROM orphans
         WHERE network = $1 AND account = $2 ORDER BY noted_at",
    )
    .bind(owner.network.as_str())
    .bind(&owner.id)
    .fetch_all(conn)
    .await?;
    let note = |s: StoredOrphan| {
        Ok(OrphanNote {
            action: ActionKey {
                account: owner.clone(),
                id: s.action,
            },
            name: s.name,
            kind: s.kind,
            former_event: s.former_event,
            created_at: s.created_at.map(to_time).transpose()?,
            at: to_time(s.noted_at)?,
        })
    };
    let mut notes: Vec<OrphanNote> = found.into_iter().map(note).collect::<LedgerResult<_>>()?;
    // Databases sort texts each in its own way.
    notes.sort_by(|a, b| (a.at, &a.action.id).cmp(&(b.at, &b.action.id)));
    Ok(notes)
}

pub(super) async fn forget_orphan(conn: &mut Conn, action: &ActionKey) -> LedgerResult<()> {
    sqlx::query("DELETE FROM orphans WHERE network = $1 AND account = $2 AND action = $3")
        .bind(action.account.network.as_str())
        .bind(&action.account.id)
        .bind(&action.id)
        .execute(conn)
        .await?;
    Ok(())
}
