//! Opening the database: connections, checks, schema, identity.

use std::fs::Permissions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqliteConnection, SqlitePool};

use super::error::{failed, migration};
use crate::domain::brief::brief;
use crate::domain::outcome::reason;
use crate::ledger::columns::{json, ms};
use crate::ports::ledger::{LedgerId, LedgerResult};

/// Files up to this size are checked page by page when opened, some hundred milliseconds at most; in larger ones damage
/// shows when a damaged page is read.
const CHECKED_UP_TO: u64 = 256 * 1024 * 1024;

/// How long a connection waits for a lock, and a caller for a connection.
const LOCK_WAIT: Duration = Duration::from_secs(10);
const CONNECTION_WAIT: Duration = Duration::from_secs(30);

/// Counting reads while the feed and the uploaders look up rows.
const READERS: u32 = 4;

/// Submissions have keys in no order, and rows fall due in none: with the default cache (2 MB) writes to a million rows wait
/// for the disk. In KiB, negative as `SQLite` wants it; memory is taken only as the file grows. Together with those of the
/// readers at most 40 MB.
const WRITER_CACHE: &str = "-24576";
const READER_CACHE: &str = "-4096";

/// Rows a connection's thread reads ahead: with few, reader and caller wait for each other every time.
const READ_AHEAD: usize = 1000;

/// Pages (of 4 KiB) the write-ahead log may hold before it is folded into the file. One batch changes some thousands.
const LOG_PAGES: &str = "8000";

/// Rights of the ledger's files.
const ONLY_OWNER: u32 = 0o600;
/// Longest wait for an answer's sake that is believed at the start, with some time for a clock that was set back.
const ASKED: SignedDuration = SignedDuration::from_hours(2);
/// The same of waits that follow from flags.
const OWN: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What every `SQLite` file begins with.
const HEADER: &[u8; 16] = b"SQLite format 3\0";

/// One connection that writes, since `SQLite` has one writer at a time, and some that read beside it.
pub(crate) struct Pools {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

/// What a URL says.
pub(crate) struct Target {
    options: SqliteConnectOptions,
    /// `None`: in memory.
    pub(crate) file: Option<PathBuf>,
}

/// Reads the URL; the directory of its file must exist.
pub(crate) fn target(url: &str) -> LedgerResult<Target> {
    let in_memory = url == "sqlite::memory:";
    if !in_memory && !url.starts_with("sqlite://") {
        let scheme = url.split(':').next().unwrap_or_default();
        return Err(failed(format!(
            "unsupported database {scheme:?}: give sqlite:///path/to/file"
        )));
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|e| failed(format!("not a URL of a database: {e}")))?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_WAIT)
        .row_buffer_size(READ_AHEAD)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", LOG_PAGES)
        // What was deleted is overwritten: an erased id is in no free page either.
        .pragma("secure_delete", "on");
    let file = (!in_memory).then(|| options.get_filename().to_path_buf());
    if let Some(file) = &file {
        let parent = file.parent().filter(|d| !d.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        if !directory.is_dir() {
            return Err(failed(format!("the directory {} does not exist", directory.display())));
        }
    }
    Ok(Target { options, file })
}

pub(crate) async fn open(target: Target) -> LedgerResult<Pools> {
    let Target { options, file } = target;
    let size = file.as_deref().map_or(Ok(0), inspect)?;
    if let Some(file) = &file {
        private(file)?;
    }
    let writer = pool(1).connect_with(options.clone()).await?;
    if size > 0 && size <= CHECKED_UP_TO {
        quick_check(&writer).await?;
    }
    sqlx::migrate!("migrations/sqlite")
        .run(&writer)
        .await
        .map_err(|e| migration(&e))?;
    identify(&writer).await?;
    pull_back(&writer, Timestamp::now()).await?;
    // Every connection to a database in memory would have one of its own.
    let readers = if file.is_none() {
        writer.clone()
    } else {
        pool(READERS)
            .connect_with(options.pragma("cache_size", READER_CACHE).pragma("query_only", "on"))
            .await?
    };
    Ok(Pools { writer, readers })
}

/// Connections stay: closing the only one would drop a database in memory. But one whose transaction could not be ended is
/// of no more use: on a full disk `SQLite` rolls back by itself, so that the rollback that follows fails, and the
/// connection counts as inside a transaction for ever.
fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .min_connections(1)
        .acquire_timeout(CONNECTION_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                // Behind a rollback that was begun when the transaction was dropped.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

/// For this user alone, whatever the process's umask: it tells which contacts became customers. `SQLite` gives the files
/// beside it the rights of the ledger itself.
fn private(file: &Path) -> LedgerResult<()> {
    let failure = |e: std::io::Error| failed(format!("{} can't be opened for writing: {e}", file.display()));
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
                    // Some volumes have no rights of their own, and a file may be another user's.
                    tracing::warn!(path = %path.display(), error = brief(&error), "other users of this host may read the ledger");
                }
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Says clearly what `SQLite` would only call "unable to open". Returns the size, 0 when there is no file yet.
fn inspect(file: &Path) -> LedgerResult<u64> {
    use std::io::{ErrorKind, Read};
    let unreadable = |e: std::io::Error| failed(format!("{} can't be read: {e}", file.display()));
    let mut opened = match std::fs::File::open(file) {
        Ok(opened) => opened,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(unreadable(e)),
    };
    let size = opened.metadata().map_err(unreadable)?.len();
    let mut header = [0; HEADER.len()];
    if size > 0 && (opened.read_exact(&mut header).is_err() || &header != HEADER) {
        return Err(failed(format!(
            "{} is damaged or no SQLite database: restore it or move it away; a new ledger is rebuilt from HubSpot",
            file.display()
        )));
    }
    Ok(size)
}

async fn quick_check(writer: &SqlitePool) -> LedgerResult<()> {
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(writer).await?;
    if found == "ok" {
        return Ok(());
    }
    Err(failed(
        "the file is damaged: restore it or move it away; a new ledger is rebuilt from HubSpot",
    ))
}

/// Gives a new database its identity. Writes at every start, so that a file that can't be written is found at once.
async fn identify(writer: &SqlitePool) -> LedgerResult<()> {
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ('ledger_id', lower(hex(randomblob(16)))) ON CONFLICT DO NOTHING",
    )
    .execute(writer)
    .await?;
    sqlx::query(
        "INSERT INTO meta (name, value) VALUES ('starts', '1')
         ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT)",
    )
    .execute(writer)
    .await?;
    Ok(())
}

/// Waits in the ledger that nobody can have meant are over. A wait that a service asked for is an hour at most, all others
/// follow from flags; a ledger written before that was so, or under a clock that was wrong, may hold rows and requests that
/// would not be looked at for years.
pub(crate) async fn pull_back(writer: &SqlitePool, now: Timestamp) -> LedgerResult<()> {
    let far = |wait: SignedDuration| now.saturating_add(wait).map_or(i64::MAX, ms);
    let asked = [
        reason::QUOTA_EXHAUSTED,
        reason::UPSTREAM_UNAVAILABLE,
        reason::ACCOUNT_NOT_READY,
    ];
    let rows = sqlx::query(
        "UPDATE rows SET due = ?1 WHERE due > ?3
         OR (due > ?2 AND class IN (SELECT id FROM classes WHERE reason IN (SELECT value FROM json_each(?4))))",
    )
    .bind(ms(now))
    .bind(far(ASKED))
    .bind(far(OWN))
    .bind(json(&asked)?)
    .execute(writer)
    .await?;
    let polls = sqlx::query("UPDATE batches SET poll_at = ?1 WHERE poll_at > ?2")
        .bind(ms(now))
        .bind(far(OWN))
        .execute(writer)
        .await?;
    let (rows, polls) = (rows.rows_affected(), polls.rows_affected());
    if rows + polls > 0 {
        tracing::warn!(rows, requests = polls, "waits in the ledger that are too long are over");
    }
    Ok(())
}

/// Writes, and changes nothing.
pub(crate) async fn touch(conn: &mut SqliteConnection) -> LedgerResult<()> {
    sqlx::query("UPDATE meta SET value = value WHERE name = 'ledger_id'")
        .execute(conn)
        .await?;
    Ok(())
}

/// See [`crate::ports::ledger::Ledger::id`].
pub(crate) async fn id(conn: &mut SqliteConnection) -> LedgerResult<LedgerId> {
    let id = sqlx::query_scalar("SELECT value FROM meta WHERE name = 'ledger_id'")
        .fetch_one(conn)
        .await?;
    Ok(LedgerId(id))
}
