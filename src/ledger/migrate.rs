//! Bringing the schema of a ledger up to date.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, SqlSafeStr};

use super::database::{Conn, Database, Disk};
use super::error::{migration_error, own_error};
use crate::ports::ledger::LedgerResult;

/// A change of the schema: number, name, text.
pub(crate) type Change = (i64, &'static str, &'static str);

/// Changes of the schema, in order. Those that were released never change: a ledger remembers what it was made by.
pub(crate) const MIGRATIONS: &[Change] = &[
    (1, "ledger", include_str!("../../migrations/0001_ledger.sql")),
    (2, "request ids", include_str!("../../migrations/0002_request_ids.sql")),
];

/// Where `sqlx` notes what was done.
const NOTES: &str = "_sqlx_migrations";

/// Makes all changes that the ledger does not have yet, in one transaction: where one fails, the ledger is as it was, and
/// the version before works with it. By the writer alone, under its lock. `must_exist`: no ledger is made where there is none.
pub(crate) async fn migrate_schema(
    database: Database,
    conn: &mut Conn,
    changes: &[Change],
    must_exist: bool,
) -> LedgerResult<()> {
    let migrator = migrator(database, changes);
    let mut transaction = conn.begin_with(database.begin_write(Disk::Wait, true)).await?;
    database.lift_time_limits(&mut transaction).await?;
    let before = known_version(&mut transaction, &migrator).await?;
    if must_exist && before.is_none() {
        return Err(own_error("the database holds no ledger"));
    }
    migrator.run(&mut *transaction).await.map_err(|e| migration_error(&e))?;
    transaction.commit().await?;
    let now = changes.last().map_or(0, |(version, ..)| *version);
    if before.is_some_and(|before| before < now) {
        tracing::info!(
            from = before,
            to = now,
            "the ledger was brought to the schema of this version"
        );
    }
    Ok(())
}

/// The changes in this database's words.
fn migrator(database: Database, changes: &[Change]) -> Migrator {
    let change = |&(version, name, text): &Change| {
        let sql = AssertSqlSafe(database.fill_in(version, text)).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(changes.iter().map(change).collect());
    // Whoever migrates holds the writer's lock already.
    migrator.set_locking(false);
    migrator
}

/// The number of the latest change that the ledger has; `None` where there is no ledger yet.
async fn known_version(conn: &mut Conn, migrator: &Migrator) -> LedgerResult<Option<i64>> {
    let refused = |e: MigrateError| migration_error(&e);
    conn.ensure_migrations_table(NOTES).await.map_err(refused)?;
    let made = conn.list_applied_migrations(NOTES).await.map_err(refused)?;
    for known in migrator.iter() {
        if made
            .iter()
            .any(|m| m.version == known.version && m.checksum != known.checksum)
        {
            return Err(own_error(
                "the ledger was made by a build that was never released, and can't be brought up to date: give \
                 --ledger-url a new ledger, or move the old one away. A new one is rebuilt from HubSpot, up to 90 days back, \
                 and Google counts nothing twice",
            ));
        }
    }
    let latest = made.iter().map(|m| m.version).max();
    match latest {
        Some(latest) if !migrator.version_exists(latest) => {
            let known = migrator.iter().map(|m| m.version).max().unwrap_or_default();
            Err(own_error(format!(
                "the ledger was made by a newer version of the operator (its schema is number {latest}, this version knows \
                 {known}): run that version again, or restore the back-up from before the upgrade. Nothing was changed. \
                 Where neither can be had, give --ledger-url a new ledger, which is rebuilt from HubSpot"
            )))
        }
        latest => Ok(latest),
    }
}
