//! What the database says, in words that tell an operator what to do.

use sqlx::migrate::MigrateError;

use crate::ports::ledger::LedgerError;

/// An error of our own making.
pub(super) fn failed(message: impl Into<String>) -> LedgerError {
    LedgerError {
        message: message.into(),
    }
}

/// A stored value that can't be read: only damage or a foreign hand explains it.
pub(super) fn damaged(what: &str) -> LedgerError {
    failed(format!(
        "the database holds {what} that can't be read: it is damaged or was edited by hand"
    ))
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        let message = match &error {
            sqlx::Error::Database(e) => explain(e.code().as_deref(), e.message()),
            sqlx::Error::Migrate(e) => return migration(e),
            sqlx::Error::PoolTimedOut => "all connections were busy for too long".to_owned(),
            other => other.to_string(),
        };
        Self { message }
    }
}

/// A schema that can't be brought up to date.
pub(super) fn migration(error: &MigrateError) -> LedgerError {
    match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) | MigrateError::VersionMismatch(_) => failed(
            "the database was made by another version of the operator: run that one, or move the file away; a new \
             ledger is rebuilt from HubSpot",
        ),
        MigrateError::Execute(sqlx::Error::Database(e))
        | MigrateError::ExecuteMigration(sqlx::Error::Database(e), _) => {
            failed(explain(e.code().as_deref(), e.message()))
        }
        other => failed(format!("bringing the schema up to date failed: {other}")),
    }
}

/// `code` is the extended result code; its low byte is the primary one.
fn explain(code: Option<&str>, message: &str) -> String {
    let primary = code.and_then(|c| c.parse::<u32>().ok()).map(|c| c & 0xff);
    let hint = match primary {
        Some(5 | 6) => "another process holds the database: only one operator may use it",
        Some(8) => "the database can't be written: make the file and its directory writable for this process",
        Some(10) => "reading or writing the disk failed: check the volume",
        Some(11 | 26) => {
            "the file is damaged or no SQLite database: restore it or move it away; a new ledger is rebuilt from HubSpot"
        }
        Some(13) => "the disk is full: make room on the volume",
        Some(14) => "the file can't be opened: its directory must exist and be writable for this process",
        _ => return message.to_owned(),
    };
    format!("{hint} ({message})")
}
