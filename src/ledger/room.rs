//! How much room the ledger's volume has, and who holds how much of the ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::database::Conn;
use super::error::own_error;
use crate::domain::ledger_room::reserve_of;
use crate::ports::ledger::LedgerResult;

/// What the write-ahead log grows to, and then stays at (`wal_autocheckpoint` pages).
const LOG: u64 = 8_000 * 4_096;

/// True if the volume of this file has less than its reserve left, in the file system and in the file itself. A volume that cannot be
/// asked has room: a write will tell.
pub(super) async fn is_low(conn: &mut Conn, file: &Path) -> LedgerResult<bool> {
    let Some(directory) = file.parent() else {
        return Ok(false);
    };
    let Ok(volume) = rustix::fs::statvfs(directory) else {
        return Ok(false);
    };
    let (size, free) = (
        volume.f_blocks.saturating_mul(volume.f_frsize),
        volume.f_bavail.saturating_mul(volume.f_frsize),
    );
    let (all, unused): (i64, i64) = sqlx::query_as(
        "SELECT page_count * page_size, freelist_count * page_size
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    )
    .fetch_one(conn)
    .await?;
    let bytes = |count: i64| u64::try_from(count).unwrap_or(0);
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    // What stands in the log only is still to be folded into the file.
    let to_fold = bytes(all).saturating_sub(length(file));
    let log_grows = LOG.saturating_sub(length(Path::new(&log)));
    let left = free
        .saturating_add(bytes(unused))
        .saturating_sub(to_fold.saturating_add(log_grows));
    Ok(left < reserve_of(size))
}

/// How many rows the events of each namespace have, those of deleted events too.
pub(super) async fn rows_by_namespace(conn: &mut Conn) -> LedgerResult<BTreeMap<String, u64>> {
    let streams: Vec<(String, i64)> =
        sqlx::query_as("SELECT event, COALESCE(bound_to, id) FROM streams WHERE event IS NOT NULL")
            .fetch_all(&mut *conn)
            .await?;
    let counts: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT stream, count(*) FROM conversions GROUP BY stream
         UNION ALL SELECT stream, count(*) FROM archived_keys GROUP BY stream",
    )
    .fetch_all(conn)
    .await?;
    let mut rows: HashMap<i64, u64> = HashMap::new();
    for (stream, count) in counts {
        let count = u64::try_from(count).map_err(|_| own_error("a negative count"))?;
        *rows.entry(stream).or_default() += count;
    }
    let mut owned: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for (event, stream) in streams {
        let namespace = event.split('/').next().unwrap_or_default().to_owned();
        owned.entry(namespace).or_default().insert(stream);
    }
    let sum = |streams: BTreeSet<i64>| streams.iter().filter_map(|stream| rows.get(stream)).sum();
    Ok(owned
        .into_iter()
        .map(|(namespace, streams)| (namespace, sum(streams)))
        .collect())
}
