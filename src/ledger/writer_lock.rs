//! The writer's lock: one interface over a file lock (SQLite) and an advisory lock (PostgreSQL).

use std::path::PathBuf;

use super::database::Conn;
use super::lock::FileLock;
use super::session_lock::SessionLock;
use crate::ports::ledger::LedgerResult;

/// The lock that keeps every other process from writing.
pub(crate) enum WriterLock {
    /// A database in memory needs none: no other process can reach it.
    None,
    File(FileLock),
    Session(SessionLock),
}

impl WriterLock {
    /// Checks the lock at the beginning of a write.
    pub(crate) async fn confirm(&self, conn: &mut Conn) -> LedgerResult<()> {
        match self {
            Self::None | Self::File(_) => Ok(()),
            Self::Session(lock) => lock.confirm(conn).await,
        }
    }

    /// Checks the lock through a reading session, right before something is changed outside.
    pub(crate) async fn confirm_epoch(&self, conn: &mut Conn) -> LedgerResult<()> {
        match self {
            Self::None | Self::File(_) => Ok(()),
            Self::Session(lock) => lock.confirm_epoch(conn).await,
        }
    }

    /// Whether the database works on a write that takes long, as far as another connection can see.
    pub(crate) async fn is_at_work(&self, conn: &mut Conn) -> LedgerResult<bool> {
        match self {
            Self::None | Self::File(_) => Ok(false),
            Self::Session(lock) => lock.is_at_work(conn).await,
        }
    }

    /// Fails once this process has lost the lock.
    pub(crate) fn check(&self) -> LedgerResult<()> {
        match self {
            Self::None => Ok(()),
            Self::File(lock) => lock.check(),
            Self::Session(lock) => lock.check(),
        }
    }

    /// The ledger's file; `None` for a database without one.
    pub(crate) fn ledger_file(&self) -> Option<PathBuf> {
        match self {
            Self::File(lock) => Some(lock.ledger_file()),
            Self::None | Self::Session(_) => None,
        }
    }

    /// The last step of opening: from here on, a process that wrote before can write no more.
    pub(crate) async fn raise_epoch(&self, conn: &mut Conn) -> LedgerResult<()> {
        match self {
            Self::None | Self::File(_) => Ok(()),
            Self::Session(lock) => lock.raise_epoch(conn).await,
        }
    }

    /// Releases the lock for the next process; all connections are closed by then.
    pub(crate) fn release(&self) {
        if let Self::File(lock) = self {
            lock.release();
        }
    }
}
