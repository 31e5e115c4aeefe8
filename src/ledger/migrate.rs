//! Bringing the schema of a ledger up to date.

use std::future::Future;
use std::time::{Duration, Instant};

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Any, AssertSqlSafe, Connection, SqlSafeStr, Transaction};

use super::database::{Conn, Database, Disk};
use super::error::{migration_error, own_error};
use super::limits::within;
use crate::ports::ledger::LedgerResult;

/// A change of the schema: number, name, text.
pub(crate) type SchemaChange = (i64, &'static str, &'static str);

/// Changes of the schema, in order. Released ones never change: a ledger remembers which ones it was made by.
pub(crate) const MIGRATIONS: &[SchemaChange] = &[
    (1, "ledger", include_str!("../../migrations/0001_ledger.sql")),
    (2, "request ids", include_str!("../../migrations/0002_request_ids.sql")),
    (3, "full scans", include_str!("../../migrations/0003_full_scans.sql")),
];

/// The table in which `sqlx` notes which changes were made.
const NOTES: &str = "_sqlx_migrations";

/// Whether a ledger may be made, and by which changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SchemaSource {
    pub(crate) changes: &'static [SchemaChange],
    /// No ledger is made where there is none.
    pub(crate) must_exist: bool,
}

/// Longest wait for changes, which may have to go through all rows.
const CHANGE_LIMIT: Duration = Duration::from_hours(1);
/// How often a log line says that the changes still run.
const PROGRESS: Duration = Duration::from_secs(10);

/// Makes all changes that the ledger does not have yet, in one transaction: if one fails, the ledger is as it was, and
/// the version before works with it. Called by the writer only, under its lock. `limit`: longest wait where nothing has
/// to change.
pub(crate) async fn migrate_schema(
    database: Database,
    conn: &mut Conn,
    made: SchemaSource,
    limit: Duration,
) -> LedgerResult<()> {
    let migrator = migrator(database, made.changes);
    let (transaction, before) = within(limit, begin(database, conn, &migrator)).await?;
    if made.must_exist && before.is_none() {
        return Err(own_error("the database holds no ledger"));
    }
    let now = made.changes.last().map_or(0, |(version, ..)| *version);
    let run = make_changes(&migrator, transaction);
    if before == Some(now) {
        return within(limit, run).await;
    }
    within(CHANGE_LIMIT, logging_progress(run)).await?;
    if before.is_some_and(|before| before < now) {
        tracing::info!(
            from = before,
            to = now,
            "the ledger was brought to the schema of this version"
        );
    }
    Ok(())
}

/// Begins them; also the number of the latest change that the ledger has.
async fn begin<'a>(
    database: Database,
    conn: &'a mut Conn,
    migrator: &Migrator,
) -> LedgerResult<(Transaction<'a, Any>, Option<i64>)> {
    let mut transaction = conn.begin_with(database.begin_write(Disk::Wait, true)).await?;
    database.lift_time_limits(&mut transaction).await?;
    let before = known_version(&mut transaction, migrator).await?;
    Ok((transaction, before))
}

async fn make_changes(migrator: &Migrator, mut transaction: Transaction<'_, Any>) -> LedgerResult<()> {
    migrator.run(&mut *transaction).await.map_err(|e| migration_error(&e))?;
    Ok(transaction.commit().await?)
}

async fn logging_progress<T>(changes: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let mut changes = std::pin::pin!(changes);
    loop {
        if let Ok(made) = tokio::time::timeout(PROGRESS, &mut changes).await {
            return made;
        }
        tracing::info!(
            seconds = begun.elapsed().as_secs(),
            "the ledger is being brought to the schema of this version, nothing is read or sent meanwhile"
        );
    }
}

/// The changes in this database's dialect.
fn migrator(database: Database, changes: &[SchemaChange]) -> Migrator {
    let change = |&(version, name, text): &SchemaChange| {
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
