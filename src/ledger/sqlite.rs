//! A ledger in a file: what is checked before it is opened, and its connections.

use std::fs::Permissions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::any::AnyConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::connect::{Pools, READERS};
use super::connections::Connections;
use super::error::own_error;
use super::lock::{FileLock, OpenError};
use crate::domain::brief::brief;
use crate::ports::ledger::LedgerResult;

/// Files up to this size are checked page by page when opened, some hundred milliseconds at most; in larger ones damage
/// shows when a damaged page is read.
const CHECKED_UP_TO: u64 = 256 * 1024 * 1024;

/// Settings of the writing connection and of a reading one. Keys of submissions come in no order, and neither do due
/// times: with the default cache (2 MB) writes to a million rows wait for the disk. Cache sizes are in KiB, negative as
/// SQLite wants them; memory is taken only as the file grows, at most 16 MiB for all connections. The write-ahead log
/// may hold 8,000 pages of 4 KiB before it is folded into the file: one batch changes some thousands. Deleted content
/// is overwritten, so that an erased id is in no free page either.
const WRITES: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000;
    PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA cache_size = -8192; PRAGMA wal_autocheckpoint = 8000";
const READS: &str = "PRAGMA busy_timeout = 10000; PRAGMA cache_size = -2048; PRAGMA query_only = ON";

/// Permissions of the ledger's files.
const ONLY_OWNER: u32 = 0o600;

/// What every SQLite file begins with.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// Opens the file of this URL, whose directory must exist, and takes its lock. A database in memory has no lock.
pub(crate) async fn open(url: &str) -> Result<(Pools, Option<FileLock>), OpenError> {
    let in_memory = url == "sqlite::memory:";
    if !in_memory && !url.starts_with("sqlite://") {
        return Err(own_error("give sqlite:///path/to/file").into());
    }
    let unreadable = |e: sqlx::Error| own_error(format!("not a URL of a database: {e}"));
    let file = SqliteConnectOptions::from_str(url).map_err(unreadable)?;
    let file = (!in_memory).then(|| file.get_filename().to_path_buf());
    let Some(file) = file else {
        let options = AnyConnectOptions::from_str(url).map_err(unreadable)?;
        let writer = Connections::open(options, 1, WRITES).await?;
        // Every connection to a database in memory would open a database of its own.
        let readers = writer.clone();
        return Ok((Pools { writer, readers }, None));
    };
    let parent = file.parent().filter(|d| !d.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    if !directory.is_dir() {
        return Err(own_error(format!("the directory {} does not exist", directory.display())).into());
    }
    let lock = FileLock::take(&file)?;
    let size = inspect_file(&file)?;
    make_private(&file)?;
    let options = AnyConnectOptions::from_str(url).map_err(unreadable)?;
    probe_file(&options, size > 0 && size <= CHECKED_UP_TO).await?;
    let writer = Connections::open(options.clone(), 1, WRITES).await?;
    let readers = Connections::open(options, READERS, READS).await?;
    Ok((Pools { writer, readers }, Some(lock)))
}

/// Fails where the file of this URL is not there.
pub(crate) fn refuse_missing(url: &str) -> LedgerResult<()> {
    let options =
        SqliteConnectOptions::from_str(url).map_err(|e| own_error(format!("not a URL of a database: {e}")))?;
    let file = options.get_filename();
    if std::fs::metadata(file).is_ok_and(|found| found.len() > 0) {
        return Ok(());
    }
    Err(own_error(format!("{} holds no ledger", file.display())))
}

/// Makes the file readable for this user alone, whatever the process's umask: it says which contacts became customers.
/// SQLite gives the files beside it the permissions of the ledger itself.
fn make_private(file: &Path) -> LedgerResult<()> {
    let failure = |e: std::io::Error| own_error(format!("{} can't be opened for writing: {e}", file.display()));
    let mut new = std::fs::OpenOptions::new();
    new.create(true)
        .append(true)
        .mode(ONLY_OWNER)
        .open(file)
        .map_err(failure)?;
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let path = PathBuf::from(name);
        match std::fs::metadata(&path) {
            Ok(found) if found.permissions().mode() & 0o777 != ONLY_OWNER => {
                if let Err(error) = std::fs::set_permissions(&path, Permissions::from_mode(ONLY_OWNER)) {
                    // Some volumes have no permissions, and a file may belong to another user.
                    tracing::warn!(path = %path.display(), error = brief(&error), "other users of this host may read the ledger");
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Reports in plain words what SQLite would only call "unable to open". Returns the size, 0 when there is no file yet.
fn inspect_file(file: &Path) -> LedgerResult<u64> {
    use std::io::{ErrorKind, Read};
    let unreadable = |e: std::io::Error| own_error(format!("{} can't be read: {e}", file.display()));
    let mut opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(unreadable(e)),
    };
    let size = opened.metadata().map_err(unreadable)?.len();
    let mut header = [0; HEADER.len()];
    if size > 0 && (opened.read_exact(&mut header).is_err() || &header != HEADER) {
        return Err(own_error(format!(
            "{} is damaged, or it is not an SQLite database: restore it or move it away; a new ledger is rebuilt from HubSpot",
            file.display()
        )));
    }
    Ok(size)
}

/// Finds out what is wrong with a file, before it is opened for good.
async fn probe_file(options: &AnyConnectOptions, check: bool) -> LedgerResult<()> {
    let mut connection = options.connect().await?;
    sqlx::raw_sql(WRITES).execute(&mut connection).await?;
    if check {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&mut connection)
            .await?;
        if found != "ok" {
            return Err(own_error(
                "the file is damaged: restore it or move it away; a new ledger is rebuilt from HubSpot",
            ));
        }
    }
    connection.close().await?;
    Ok(())
}
