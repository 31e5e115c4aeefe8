//! One process at a time: a lock on a file beside the ledger, held for as long as the ledger is open.
//!
//! The lock is the operating system's. It ends with the process that holds it, also when that is killed, so that no
//! stale one is ever in the way; the file is empty and stays. The ledger's own file is not locked: `SQLite` has locks
//! of its own on it, and on some network file systems the two kinds are one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::own_error;
use crate::ports::ledger::{LedgerError, LedgerResult};

/// Why a ledger was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the ledger open and holds this lock file.
    #[error(
        "another operator works with this ledger: it holds {0}. This one waits, and takes over as soon as the other ends: \
         stop the other one, or give this one a ledger of its own (--ledger-url)"
    )]
    InUse(String),
    /// The lock file can't be opened.
    #[error(transparent)]
    Failed(#[from] LedgerError),
}

/// The lock; it is released when this value is dropped.
pub(super) struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// The ledger that this lock protects.
    pub(super) fn ledger_file(&self) -> PathBuf {
        self.path.with_extension("")
    }

    /// Takes the lock of a ledger, or fails at once.
    pub(super) fn take(ledger: &Path) -> Result<Self, OpenError> {
        let path = beside(ledger);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            // Network file systems give an exclusive lock only to those who may write.
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| {
                own_error(format!(
                    "the lock file {} can't be opened ({e}): make it and its directory writable for this process",
                    path.display()
                ))
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!("the lock on {} (do not remove that file)", path.display());
                return Err(OpenError::InUse(what));
            }
            Err(TryLockError::Error(error)) => return Err(refused(&path, &error).into()),
        }
        let lock = Self { file, path };
        // It may have been removed between the opening and the locking.
        lock.check()?;
        Ok(lock)
    }

    /// Fails unless the lock file is still the one that was locked: if somebody removes it while it is held, the next
    /// process makes, and holds, another one.
    pub(super) fn check(&self) -> LedgerResult<()> {
        let identity = |m: fs::Metadata| (m.dev(), m.ino());
        let held = self.file.metadata().map(identity);
        let named = fs::metadata(&self.path).map(identity);
        match (held, named) {
            (Ok(held), Ok(named)) if held == named => Ok(()),
            (Ok(_), Ok(_)) => Err(self.lost("was replaced")),
            (_, Err(e)) if e.kind() == io::ErrorKind::NotFound => Err(self.lost("was removed")),
            (Err(e), _) | (_, Err(e)) => Err(self.lost(&format!("can't be read ({e})"))),
        }
    }

    fn lost(&self, how: &str) -> LedgerError {
        own_error(format!(
            "the lock file {} {how} while this process held it, so that another operator may work with the ledger too. \
             Nothing more is sent; leave the lock file alone and start the operator again",
            self.path.display()
        ))
    }

    /// Releases the lock. If that fails, the end of the process releases it.
    pub(super) fn release(&self) {
        let _ = self.file.unlock();
    }
}

/// `ledger.db.lock` beside `ledger.db`, wherever links to that lead.
fn beside(ledger: &Path) -> PathBuf {
    let mut path = ledger
        .canonicalize()
        .unwrap_or_else(|_| ledger.to_path_buf())
        .into_os_string();
    path.push(".lock");
    path.into()
}

/// For example a network file system that is mounted without a lock service.
fn refused(path: &Path, error: &io::Error) -> LedgerError {
    own_error(format!(
        "{} can't be locked, so that nothing keeps a second operator from this ledger ({error}): keep the ledger on a file \
         system with locks, such as a block volume (access mode ReadWriteOnce), or mount this one with its lock service",
        path.display()
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The errors of network file systems without locks.
    #[test]
    fn a_file_system_without_locks_is_named_with_the_way_out() {
        for code in [37, 95, 38] {
            let error = io::Error::from_raw_os_error(code);
            let message = refused(Path::new("/nfs/ledger.db.lock"), &error).to_string();
            for part in ["/nfs/ledger.db.lock", "block volume", &code.to_string()] {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}
