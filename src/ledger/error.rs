//! Turns errors of the database into messages that tell an operator what to do.

use std::io;

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

use crate::ports::ledger::LedgerError;

/// An error of the ledger itself, not of the database.
pub(super) fn own_error(message: impl Into<String>) -> LedgerError {
    LedgerError {
        message: message.into(),
    }
}

/// A stored value that can't be read: only damage or an edit by hand explains it.
pub(super) fn damaged_value(what: &str) -> LedgerError {
    own_error(format!(
        "the database holds {what} that can't be read: it is damaged or was edited by hand"
    ))
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        let message = match &error {
            sqlx::Error::Database(e) => explain(&**e),
            sqlx::Error::Migrate(e) => return migration_error(e),
            sqlx::Error::PoolTimedOut => "no connection was free, or none could be made, for too long".to_owned(),
            sqlx::Error::Io(e) => explain_io(e),
            sqlx::Error::Tls(e) => without_tls(e),
            sqlx::Error::Protocol(what) => speaks_otherwise(what),
            other => other.to_string(),
        };
        Self { message }
    }
}

fn without_tls(error: impl std::fmt::Display) -> String {
    format!("no TLS with the database: {error}: check the host, sslmode and sslrootcert in --ledger-url")
}

fn speaks_otherwise(what: &str) -> String {
    let what = what.split(" (sqlx").next().unwrap_or_default();
    format!(
        "what answers there does not speak as PostgreSQL does: a load balancer without a healthy primary, or another service. Check \
         the address in --ledger-url ({what})"
    )
}

fn explain_io(error: &io::Error) -> String {
    match error.kind() {
        // This is how the TLS library reports a certificate that it does not trust.
        io::ErrorKind::InvalidData => without_tls(error),
        io::ErrorKind::NotFound => {
            format!("a file that --ledger-url names (sslrootcert), or the server's socket, is not there: {error}")
        }
        _ => format!("the database can't be reached: {error}"),
    }
}

/// A schema that can't be brought up to date.
pub(super) fn migration_error(error: &MigrateError) -> LedgerError {
    match error {
        MigrateError::Execute(sqlx::Error::Database(e)) => own_error(explain(&**e)),
        MigrateError::ExecuteMigration(sqlx::Error::Database(e), _) => own_error(format!(
            "the ledger could not be brought to the schema of this version, nothing was changed: {}",
            explain(&**e)
        )),
        other => own_error(format!(
            "the ledger could not be brought to the schema of this version, nothing was changed: {other}"
        )),
    }
}

fn explain(error: &dyn DatabaseError) -> String {
    let (code, message) = (error.code().unwrap_or_default(), error.message());
    let hint = if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        of_postgres(&code)
    } else {
        of_sqlite(&code)
    };
    hint.map_or_else(|| message.to_owned(), |hint| format!("{hint} ({message})"))
}

/// `code` is the extended result code; its low byte is the primary one (<https://sqlite.org/rescode.html>).
fn of_sqlite(code: &str) -> Option<&'static str> {
    Some(match code.parse::<u32>().ok()? & 0xff {
        5 | 6 => "another process holds the database: only one operator may use it",
        8 => "the database can't be written: make the file and its directory writable for this process",
        10 => "reading or writing the disk failed: check the volume",
        11 | 26 => {
            "the file is damaged, or it is not an SQLite database: restore it or move it away; a new ledger is rebuilt from HubSpot"
        }
        13 => "the disk is full: make room on the volume",
        14 => "the file can't be opened: its directory must exist and be writable for this process",
        _ => return None,
    })
}

/// By `SQLSTATE` (<https://www.postgresql.org/docs/current/errcodes-appendix.html>). Messages of constraints would show
/// values of rows only in their details, which are left out.
fn of_postgres(code: &str) -> Option<&'static str> {
    Some(match code {
        "08P01" | "26000" => {
            "the server is not PostgreSQL, or a pooler that shares sessions: give --ledger-url the address of PostgreSQL \
             itself, or of a pooler in session mode"
        }
        "25006" => {
            "the database is read-only: it is a standby, or whoever runs it lets nobody write now (often because its disk is \
             nearly full). Give --ledger-url the address of the primary"
        }
        "28000" | "28P01" => "the database refuses the user or the password: check --ledger-url and pg_hba.conf",
        "3D000" => "the database does not exist: create it, or name another one in --ledger-url",
        "42501" => "the user may not do this: grant it CREATE and USAGE on the schema",
        "53100" => "the disk of the database is full: make room on it",
        "22P05" | "22021" => "a text holds a character that PostgreSQL can't keep (NUL)",
        "53300" => "the database takes no more connections: raise max_connections, this operator needs five",
        "55P03" | "57014" | "40001" | "40P01" => {
            "the database was busy for too long; nothing was changed, and the operator tries again"
        }
        "57P01" | "57P02" | "57P03" => "the database is being started or stopped; the operator tries again",
        _ => return None,
    })
}
