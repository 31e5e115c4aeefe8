//! Notes about actions left behind in Google.

use sqlx::SqliteConnection;

use crate::domain::ids::{ActionId, CustomerId};
use crate::ledger::columns::{ms, time};
use crate::ports::ledger::{LedgerResult, OrphanNote};

#[derive(sqlx::FromRow)]
struct Stored {
    action: i64,
    name: String,
    kind: String,
    former_event: String,
    created_at: Option<i64>,
    noted_at: i64,
}

/// Notes an action left behind; a later note about the same action takes the place of the earlier one.
pub(super) async fn note(conn: &mut SqliteConnection, note: &OrphanNote) -> LedgerResult<()> {
    sqlx::query(
        "INSERT INTO orphans (customer, action, name, kind, former_event, created_at, noted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (customer, action) DO UPDATE SET
             name = excluded.name, kind = excluded.kind, former_event = excluded.former_event,
             created_at = excluded.created_at, noted_at = excluded.noted_at",
    )
    .bind(note.customer.as_str())
    .bind(note.action.0.cast_signed())
    .bind(&note.name)
    .bind(&note.kind)
    .bind(&note.former_event)
    .bind(note.created_at.map(ms))
    .bind(ms(note.at))
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn of(conn: &mut SqliteConnection, customer: &CustomerId) -> LedgerResult<Vec<OrphanNote>> {
    let found: Vec<Stored> = sqlx::query_as(
        "SELECT action, name, kind, former_event, created_at, noted_at FROM orphans WHERE customer = ?1
         ORDER BY noted_at, action",
    )
    .bind(customer.as_str())
    .fetch_all(conn)
    .await?;
    let note = |s: Stored| {
        Ok(OrphanNote {
            customer: customer.clone(),
            action: ActionId(s.action.cast_unsigned()),
            name: s.name,
            kind: s.kind,
            former_event: s.former_event,
            created_at: s.created_at.map(time).transpose()?,
            at: time(s.noted_at)?,
        })
    };
    found.into_iter().map(note).collect()
}

pub(super) async fn forget(conn: &mut SqliteConnection, customer: &CustomerId, action: ActionId) -> LedgerResult<()> {
    sqlx::query("DELETE FROM orphans WHERE customer = ?1 AND action = ?2")
        .bind(customer.as_str())
        .bind(action.0.cast_signed())
        .execute(conn)
        .await?;
    Ok(())
}
