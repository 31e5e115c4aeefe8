//! The lock of either database, as the ledger uses it.

use std::path::PathBuf;

use super::database::Conn;
use super::lock::FileLock;
use super::session_lock::SessionLock;
use crate::ports::ledger::LedgerResult;

/// What keeps every other process from writing.
pub(crate) enum WriterLock {
    /// In memory: nobody else can.
    None,
    File(FileLock),
    Session(SessionLock),
}

impl WriterLock {
    /// At the beginning of a write.
    pub(crate) async fn confirm(&self, conn: &mut Conn) -> LedgerResult<()> {
        match self {
            Self::None | Self::File(_) => Ok(()),
            Self::Session(lock) => lock.confirm(conn).await,
        }
    }

    /// Right before something is changed outside: by a session that reads.
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

    /// Fails once this process has lost it.
    pub(crate) fn check(&self) -> LedgerResult<()> {
        match self {
            Self::None => Ok(()),
            Self::File(lock) => lock.check(),
            Self::Session(lock) => lock.check(),
        }
    }

    /// The file of the ledger, if it is one.
    pub(crate) fn ledger_file(&self) -> Option<PathBuf> {
        match self {
            Self::File(lock) => Some(lock.ledger_file()),
            Self::None | Self::Session(_) => None,
        }
    }

    /// As the last step of the opening: whoever wrote before writes no more.
    pub(crate) async fn raise_epoch(&self, conn: &mut Conn) -> LedgerResult<()> {
        match self {
            Self::None | Self::File(_) => Ok(()),
            Self::Session(lock) => lock.raise_epoch(conn).await,
        }
    }

    /// Lets the next process have it, once all connections are closed.
    pub(crate) fn release(&self) {
        if let Self::File(lock) = self {
            lock.release();
        }
    }
}
