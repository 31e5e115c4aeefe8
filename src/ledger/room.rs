//! How much room the ledger's volume has, and how much of the ledger each namespace takes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::database::Conn;
use super::error::own_error;
use crate::domain::ledger_room::reserve_of;
use crate::ports::ledger::LedgerResult;

/// The size that the write-ahead log grows to and then keeps (`wal_autocheckpoint` pages).
const LOG: u64 = 8_000 * 4_096;

/// How long a volume may take to answer. One that hangs must hold up nobody: the next write will show it.
const ANSWERS_IN: Duration = Duration::from_secs(2);
/// One thread at most waits for a volume that hangs.
static ASKED: Semaphore = Semaphore::const_new(1);

/// The answer of the file system, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume {
    size: u64,
    free: u64,
    /// The ledger's file, and its write-ahead log.
    file: u64,
    log: u64,
}

/// Asks the file system about the volume of this file. `None` if it cannot be asked, or does not answer.
pub(super) async fn ask_volume(file: &Path) -> Option<Volume> {
    let file = file.to_path_buf();
    answer_in_time(&ASKED, ANSWERS_IN, move || look_at(&file)).await?
}

/// Runs `ask` on a thread of its own. `None` if it takes longer than `limit`, or an earlier one still runs.
async fn answer_in_time<T: Send + 'static>(
    asked: &'static Semaphore,
    limit: Duration,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let answer = async {
        let turn = asked.acquire().await.ok()?;
        let asking = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            ask()
        });
        asking.await.ok()
    };
    tokio::time::timeout(limit, answer).await.ok()?
}

fn look_at(file: &Path) -> Option<Volume> {
    let volume = rustix::fs::statvfs(file.parent()?).ok()?;
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    Some(Volume {
        size: volume.f_blocks.saturating_mul(volume.f_frsize),
        free: volume.f_bavail.saturating_mul(volume.f_frsize),
        file: length(file),
        log: length(Path::new(&log)),
    })
}

/// True if this volume has less than its reserve left, in the file system and in the ledger's file itself.
pub(super) async fn is_low(conn: &mut Conn, volume: &Volume) -> LedgerResult<bool> {
    let (all, unused): (i64, i64) = sqlx::query_as(
        "SELECT page_count * page_size, freelist_count * page_size
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    )
    .fetch_one(conn)
    .await?;
    let bytes = |count: i64| u64::try_from(count).unwrap_or(0);
    // Pages that are only in the log still have to be folded into the file.
    let to_fold = bytes(all).saturating_sub(volume.file);
    let log_grows = LOG.saturating_sub(volume.log);
    let left = volume
        .free
        .saturating_add(bytes(unused))
        .saturating_sub(to_fold.saturating_add(log_grows));
    Ok(left < reserve_of(volume.size))
}

/// How many rows of the ledger each namespace has: of its events, deleted ones too, and of their contacts.
pub(super) async fn rows_by_namespace(conn: &mut Conn) -> LedgerResult<BTreeMap<String, u64>> {
    let streams: Vec<(String, i64, i64)> =
        sqlx::query_as("SELECT event, portal, COALESCE(bound_to, id) FROM streams WHERE event IS NOT NULL")
            .fetch_all(&mut *conn)
            .await?;
    let counts: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT stream, count(*) FROM conversions GROUP BY stream
         UNION ALL SELECT stream, count(*) FROM archived_keys GROUP BY stream",
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut rows: HashMap<i64, u64> = HashMap::new();
    for (stream, count) in counts {
        *rows.entry(stream).or_default() += to_count(count)?;
    }
    let mut owned: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    let mut users: HashMap<i64, BTreeSet<String>> = HashMap::new();
    for (event, portal, stream) in streams {
        let namespace = namespace_of(&event);
        owned.entry(namespace.clone()).or_default().insert(stream);
        users.entry(portal).or_default().insert(namespace);
    }
    let sum = |streams: BTreeSet<i64>| streams.iter().filter_map(|stream| rows.get(stream)).sum();
    let mut held: BTreeMap<String, u64> = owned
        .into_iter()
        .map(|(namespace, streams)| (namespace, sum(streams)))
        .collect();
    for (namespace, count) in notes_of_contacts(conn, &users).await? {
        if let Some(held) = held.get_mut(&namespace) {
            *held = held.saturating_add(count);
        }
    }
    Ok(held)
}

/// Adds the rows about contacts: the ids of their lineages, which are divided equally among all namespaces of a portal
/// (`users`), and when they were last seen. An answer names many ids of one contact, so that these may be more than the
/// conversions.
async fn notes_of_contacts(
    conn: &mut Conn,
    users: &HashMap<i64, BTreeSet<String>>,
) -> LedgerResult<Vec<(String, u64)>> {
    let lineages: Vec<(i64, i64)> = sqlx::query_as("SELECT portal, count(*) FROM canonical_contacts GROUP BY portal")
        .fetch_all(&mut *conn)
        .await?;
    let looks: Vec<(String, i64)> = sqlx::query_as(
        "SELECT r.account, count(*) FROM looks l JOIN look_rounds r ON r.id = l.looker GROUP BY r.account",
    )
    .fetch_all(conn)
    .await?;
    let mut notes = Vec::new();
    for (portal, count) in lineages {
        let Some(users) = users.get(&portal) else {
            continue;
        };
        let part = to_count(count)? / u64::try_from(users.len().max(1)).unwrap_or(1);
        notes.extend(users.iter().map(|user| (user.clone(), part)));
    }
    for (account, count) in looks {
        notes.push((namespace_of(&account), to_count(count)?));
    }
    Ok(notes)
}

/// The namespace in an object's name as the ledger has it (`namespace/name`).
fn namespace_of(object: &str) -> String {
    object.split('/').next().unwrap_or_default().to_owned()
}

fn to_count(count: i64) -> LedgerResult<u64> {
    u64::try_from(count).map_err(|_| own_error("a negative count"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_volume_that_hangs_holds_nothing_and_one_thread_at_most() {
        static TURN: Semaphore = Semaphore::const_new(1);
        let short = Duration::from_millis(50);
        let (answers, hangs) = channel::<u8>();
        assert_eq!(answer_in_time(&TURN, short, || 1).await, Some(1));
        let began = std::time::Instant::now();
        let waits = move || hangs.recv().unwrap();
        assert_eq!(answer_in_time(&TURN, short, waits).await, None);
        let untried = || -> u8 { unreachable!("the earlier one still waits") };
        assert_eq!(answer_in_time(&TURN, short, untried).await, None);
        assert!(began.elapsed() < Duration::from_secs(5));
        answers.send(2).unwrap();
        let long = Duration::from_secs(10);
        assert_eq!(answer_in_time(&TURN, long, || 3).await, Some(3), "it answers again");
    }
}
