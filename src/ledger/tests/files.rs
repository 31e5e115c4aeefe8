use super::*;
use crate::ledger::OpenError;
use crate::ports::ledger::BatchResult;

async fn refusal(url: &str) -> String {
    match SqlLedger::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(e) => e.to_string(),
    }
}

#[tokio::test]
async fn the_identity_is_that_of_the_file() {
    let scratch = Scratch::new();
    let first = SqlLedger::open(&scratch.url()).await.unwrap();
    let id = first.ledger_id().await.unwrap();
    assert!(
        id.0.len() == 32 && id.0.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id:?}"
    );
    first.close().await;
    let again = SqlLedger::open(&scratch.url()).await.unwrap();
    assert_eq!(again.ledger_id().await.unwrap(), id);
    assert_ne!(fresh().await.ledger_id().await.unwrap(), id);
}

#[tokio::test]
async fn nobody_else_on_the_host_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let beside = |end: &str| scratch.file().with_file_name(format!("ledger.db{end}"));
    let rights = |end: &str| std::fs::metadata(beside(end)).unwrap().permissions().mode() & 0o777;
    let first = SqlLedger::open(&scratch.url()).await.unwrap();
    first.stream_for(&request(None)).await.unwrap();
    assert_eq!(["", "-wal", "-shm", ".lock"].map(rights), [0o600; 4]);
    first.close().await;
    // One made by a version before.
    std::fs::set_permissions(beside(""), std::fs::Permissions::from_mode(0o644)).unwrap();
    let again = SqlLedger::open(&scratch.url()).await.unwrap();
    again.stream_for(&request(None)).await.unwrap();
    assert_eq!(["", "-wal", "-shm"].map(rights), [0o600; 3]);
}

/// What the second one says while the first has the file.
async fn in_use(url: &str) -> String {
    match SqlLedger::open(url).await {
        Err(error @ OpenError::InUse(_)) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{url} was opened twice"),
    }
}

#[tokio::test]
async fn one_at_a_time_has_the_file_whatever_its_path() {
    let scratch = Scratch::new();
    let first = SqlLedger::open(&scratch.url()).await.unwrap();
    let link = scratch.0.join("link.db");
    std::os::unix::fs::symlink(scratch.file(), &link).unwrap();
    for url in [scratch.url(), format!("sqlite://{}", link.display())] {
        let message = in_use(&url).await;
        let lock = scratch.file().with_file_name("ledger.db.lock");
        assert_eq!(std::fs::metadata(&lock).unwrap().len(), 0, "nothing is in it");
        assert!(message.contains(&lock.display().to_string()), "{message}");
        assert!(message.contains("--ledger-url"), "{message}");
    }
    // The first goes on as if nothing had been.
    first.stream_for(&request(None)).await.unwrap();
    first.close().await;
    let second = SqlLedger::open(&scratch.url()).await.unwrap();
    in_use(&scratch.url()).await;
    // As where the process is killed: nobody closes it.
    drop(second);
    SqlLedger::open(&scratch.url()).await.unwrap();
}

#[tokio::test]
async fn who_lost_the_lock_file_writes_no_more() {
    for replaced in [false, true] {
        let scratch = Scratch::new();
        let lock = scratch.file().with_file_name("ledger.db.lock");
        let first = SqlLedger::open(&scratch.url()).await.unwrap();
        let (stream, rows) = with_rows(&first, &[1]).await;
        std::fs::remove_file(&lock).unwrap();
        let second = if replaced {
            Some(SqlLedger::open(&scratch.url()).await.unwrap())
        } else {
            None
        };
        let refused = first
            .begin_batch(&sender(), &[action(7)], &[plain(rows[0])], at(3))
            .await;
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(&lock.display().to_string()), "{message}");
        assert!(first.still_ours().is_err());
        if let Some(second) = second {
            second
                .begin_batch(&sender(), &[action(7)], &[plain(rows[0])], at(3))
                .await
                .unwrap();
            tally(&second, stream).await;
        }
    }
}

#[tokio::test]
async fn a_url_that_is_none_of_ours_is_refused_without_showing_its_password() {
    for (url, says) in [
        ("mysql://user:secret@db/ledger", "unsupported database \"mysql\""),
        ("user:secret@db", "not a URL of a database"),
        ("host=127.0.0.1 password=secret", "not a URL of a database"),
        ("password=secret://db", "not a URL of a database"),
    ] {
        let message = refusal(url).await;
        assert!(message.contains(says) && !message.contains("secret"), "{message}");
    }
    for url in [
        "postgres://user:secret@127.0.0.1:notaport/ledger",
        "postgres://user:secret@[::1/ledger",
    ] {
        let message = refusal(url).await;
        assert!(
            message.contains("postgres://") && !message.contains("secret"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let message = refusal("sqlite:///nowhere/at/all/ledger.db").await;
    assert!(message.contains("/nowhere/at/all does not exist"), "{message}");
}

/// `/proc` takes no files, not even root's.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_directory_that_takes_no_files_is_explained() {
    let message = refusal("sqlite:///proc/ledger.db").await;
    assert!(message.contains("writable"), "{message}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_explained() {
    let scratch = Scratch::new();
    for content in [vec![b'x'; 8192], b"SQLite".to_vec()] {
        std::fs::write(scratch.file(), content).unwrap();
        let message = refusal(&scratch.url()).await;
        assert!(message.contains("damaged"), "{message}");
    }
}

#[tokio::test]
async fn damage_inside_the_file_is_found_when_it_is_opened() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    let stream = ledger.stream_for(&request(None)).await.unwrap();
    let rows: Vec<_> = (0..=255).map(pending).collect();
    ledger.record_occurrences(stream, &rows).await.unwrap();
    ledger.close().await;
    let mut content = std::fs::read(scratch.file()).unwrap();
    let pages = content.len() / 4096;
    assert!(pages > 10);
    content[(pages - 4) * 4096..].fill(0xa5);
    std::fs::write(scratch.file(), content).unwrap();
    let message = refusal(&scratch.url()).await;
    assert!(message.contains("damaged"), "{message}");
}

#[tokio::test]
async fn a_database_of_another_version_is_left_alone() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    sqlx::query(
        "UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .execute(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
    .await
    .unwrap();
    ledger.close().await;
    let message = refusal(&scratch.url()).await;
    assert!(message.contains("newer version"), "{message}");
}

#[tokio::test]
async fn a_full_disk_is_reported_and_nothing_is_half_written() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    let stream = ledger.stream_for(&request(None)).await.unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    let limit = async |pages: i64| {
        let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(pragma)
            .execute(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
            .await
            .unwrap();
    };
    limit(pages).await;
    let rows: Vec<_> = (0..=255).map(pending).collect();
    let message = ledger.record_occurrences(stream, &rows).await.unwrap_err().to_string();
    assert!(message.contains("disk is full"), "{message}");
    assert!(counts(&ledger, stream).await.is_empty());
    limit(1_000_000).await;
    assert_eq!(ledger.record_occurrences(stream, &rows).await.unwrap(), 256);
}

/// How the last write was made: 2 waits for the disk, 1 does not.
async fn last_write(ledger: &SqlLedger) -> i64 {
    let mut writer = ledger.opened.pools.writer.acquire().await.unwrap();
    let mode = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut **writer);
    mode.await.unwrap()
}

#[tokio::test]
async fn writes_are_on_the_disk_before_they_are_sent_or_reported() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    let (stream, rows) = with_rows(&ledger, &[1, 2]).await;
    assert_eq!(last_write(&ledger).await, 1, "found again");
    tally(&ledger, stream).await;
    assert_eq!(last_write(&ledger).await, 2, "counts are told");
    ledger.record_occurrences(stream, &[pending(3)]).await.unwrap();
    tally(&ledger, stream).await;
    assert_eq!(last_write(&ledger).await, 2, "and each time they may have changed");
    ledger.record_occurrences(stream, &[pending(4)]).await.unwrap();
    let batch = ledger
        .begin_batch(&sender(), &[action(7)], &[plain(rows[0])], at(3))
        .await;
    assert_eq!(last_write(&ledger).await, 2, "a batch goes to Google");
    let lost = BatchResult::Unknown { updates: vec![] };
    ledger.finish_batch(batch.unwrap(), &lost, at(4)).await.unwrap();
    assert_eq!(last_write(&ledger).await, 1, "asked or sent again");
}

/// Readers see whole transactions, and do not hold up the writer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_of_one_moment_while_rows_are_written() {
    let scratch = Scratch::new();
    let ledger = std::sync::Arc::new(SqlLedger::open(&scratch.url()).await.unwrap());
    let stream = ledger.stream_for(&request(None)).await.unwrap();
    let writer = tokio::spawn({
        let ledger = ledger.clone();
        async move {
            for batch in 0..25 {
                let rows: Vec<_> = (0..10).map(|n| pending(batch * 10 + n)).collect();
                assert_eq!(ledger.record_occurrences(stream, &rows).await.unwrap(), 10);
            }
        }
    });
    let mut seen = 0;
    while seen < 250 {
        assert!(!writer.is_finished() || tally(&ledger, stream).await.classes[0].count == 250);
        let now: u64 = tally(&ledger, stream).await.classes.iter().map(|c| c.count).sum();
        assert!(now >= seen && now.is_multiple_of(10), "{now} after {seen}");
        seen = now;
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn waits_that_nobody_can_have_meant_are_over_at_the_next_start() {
    let scratch = Scratch::new();
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    let (stream, rows) = with_rows(&ledger, &[1, 2, 3, 4]).await;
    let now = Timestamp::now();
    let hours = |hours: i64| now + jiff::SignedDuration::from_hours(hours);
    let waits = [
        (reason::QUOTA_EXHAUSTED, hours(24 * 365 * 137), true),
        (reason::QUOTA_EXHAUSTED, hours(1), false),
        (reason::ACTION_TOO_NEW, hours(72), false),
        (reason::ACTION_TOO_NEW, hours(24 * 365), true),
    ];
    let updates: Vec<_> = rows
        .iter()
        .zip(&waits)
        .map(|(row, (why, due, _))| RowUpdate {
            due: *due,
            ..update(*row, Outcome::Pending, why)
        })
        .collect();
    ledger.apply_updates(&updates, now).await.unwrap();
    ledger.close().await;
    let ledger = SqlLedger::open(&scratch.url()).await.unwrap();
    let over = ledger
        .due_rows(stream, at(0), hours(0) + jiff::SignedDuration::from_mins(1), 10)
        .await
        .unwrap();
    let over: Vec<_> = over.iter().map(|row| row.id).collect();
    let expected: Vec<_> = rows
        .iter()
        .zip(&waits)
        .filter(|(_, (.., over))| *over)
        .map(|(row, _)| *row)
        .collect();
    assert_eq!(over, expected);
}
