//! Ledgers of versions before and after this one.

use std::fs;
use std::path::PathBuf;

use super::homes::{Home, Rows, fill};
use super::*;
use crate::ledger::OpenError;
use crate::ledger::migrate::{MIGRATIONS, SchemaChange};
use crate::ledger::open::Opening;
use crate::ports::ledger::LedgerError;

/// Set, the ledger of the newest version is made anew: see the README there.
const UPDATE: &str = "UPDATE_LEDGERS";

/// A version that knows one change more.
const LATER: &[SchemaChange] = &[
    MIGRATIONS[0],
    MIGRATIONS[1],
    MIGRATIONS[2],
    (
        9001,
        "later",
        "ALTER TABLE orphans ADD COLUMN colour TEXT; UPDATE orphans SET colour = 'red';
         CREATE TABLE colours (id {id}, colour TEXT NOT NULL){table}; INSERT INTO colours (colour) VALUES ('blue');",
    ),
];
/// One whose last change fails, after another that works.
const BROKEN: &[SchemaChange] = &[
    LATER[0],
    LATER[1],
    LATER[2],
    LATER[3],
    (
        9002,
        "broken",
        "UPDATE conversions SET reason = 'lost'; INSERT INTO colours (id, colour) VALUES (1, 'blue');",
    ),
];

async fn open_as(url: &str, changes: &'static [SchemaChange]) -> Result<SqlLedger, OpenError> {
    let opening = Opening {
        changes,
        ..Opening::USUAL
    };
    SqlLedger::start(url, opening).await
}

fn kept(version: i64, end: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/ledger/tests/versions");
    directory.join(format!("{version}.{end}"))
}

/// The rows of a kept ledger after today's version has opened it; no line of the id, which is made at random.
fn text(rows: &Rows) -> String {
    let line = |(table, lines): (&String, &Vec<String>)| {
        let lines: Vec<_> = lines.iter().map(|line| format!("{table}: {line}\n")).collect();
        lines.concat()
    };
    rows.iter().map(line).collect()
}

/// What the kept ledger of this version is in, here.
async fn restore(version: i64) -> Home {
    let Some(home) = Home::schema().await else {
        let home = Home::file();
        let file = home.url.trim_start_matches("sqlite://");
        fs::copy(kept(version, "db"), file).unwrap();
        return home;
    };
    let (_, name) = home.url.rsplit_once("%3D").unwrap();
    let dump = fs::read_to_string(kept(version, "sql")).unwrap();
    let dump = dump.replace(&format!("ledger_version_{version}"), name);
    let mut connection = sqlx::AnyConnection::connect(&home.url).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(dump))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    home
}

/// Makes the newest one: in a file, and in a schema whose dump is to be kept.
async fn update(version: i64) {
    let home = if let Ok(server) = std::env::var(SERVER) {
        let name = format!("ledger_version_{version}");
        let mut connection = sqlx::AnyConnection::connect(&server).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        format!("{server}?options=-csearch_path%3D{name}")
    } else {
        let file = kept(version, "db");
        let _ = fs::remove_file(&file);
        format!("sqlite://{}", file.display())
    };
    let ledger = SqlLedger::open(&home).await.unwrap();
    fill(&ledger).await;
    let id = "UPDATE meta SET value = '0123456789abcdef0123456789abcdef' WHERE name = 'ledger_id'";
    sqlx::query(id)
        .execute(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    ledger.close().await;
}

#[tokio::test]
async fn a_ledger_of_each_version_is_opened_with_every_row() {
    sqlx::any::install_default_drivers();
    let newest = MIGRATIONS.last().unwrap().0;
    let writes = std::env::var_os(UPDATE).is_some();
    if writes {
        update(newest).await;
    }
    for (version, ..) in MIGRATIONS {
        if writes && Home::schema().await.is_some() {
            continue; // its dump is taken after this
        }
        let home = restore(*version).await;
        let ledger = SqlLedger::open(&home.url).await.unwrap();
        let track = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
        let counted = counts(&ledger, track).await;
        let open = ledger.open_requests(&sender(), at(100), 10).await.unwrap();
        ledger.close().await;
        let rows = text(&home.rows().await);
        if writes {
            fs::write(kept(*version, "rows"), &rows).unwrap();
        }
        assert_eq!(rows, fs::read_to_string(kept(*version, "rows")).unwrap(), "{version}");
        let of = |outcome| -> u64 { counted.iter().filter(|c| c.0 == outcome).map(|c| c.2).sum() };
        let outcomes = [
            Outcome::Uploaded,
            Outcome::Processing,
            Outcome::Pending,
            Outcome::Skipped,
            Outcome::Rejected,
        ];
        assert_eq!(outcomes.map(of), [2, 3, 12, 2, 1], "{counted:?}");
        assert_eq!(open[0].rows.len(), 2);
    }
}

#[tokio::test]
async fn a_ledger_of_the_version_before_is_brought_up_to_date() {
    let home = Home::usual().await;
    let ledger = open_as(&home.url, MIGRATIONS).await.unwrap();
    fill(&ledger).await;
    let id = ledger.ledger_id().await.unwrap();
    ledger.close().await;
    let before = home.rows().await;
    let ledger = open_as(&home.url, LATER).await.unwrap();
    assert_eq!(ledger.ledger_id().await.unwrap(), id, "it is no new one");
    ledger.close().await;
    let mut after = home.rows().await;
    assert_eq!(after.remove("colours").unwrap(), ["colour=blue id=1"]);
    let orphans = after.get_mut("orphans").unwrap();
    for line in orphans.iter_mut() {
        assert!(line.contains("colour=red "), "{line}");
        *line = line.replace("colour=red ", "");
    }
    assert_eq!(after, before, "all else is as it was");
    // A second time there is nothing to do.
    open_as(&home.url, LATER).await.unwrap().close().await;
    let refused = refused(&home.url, MIGRATIONS).await;
    for part in ["newer version", "9001", "back-up", "--ledger-url"] {
        assert!(refused.contains(part), "{refused}");
    }
    open_as(&home.url, LATER).await.unwrap().close().await;
}

async fn refused(url: &str, changes: &'static [SchemaChange]) -> String {
    match open_as(url, changes).await {
        Err(OpenError::Failed(LedgerError { message })) => message,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

#[tokio::test]
async fn a_change_that_fails_leaves_the_ledger_to_the_version_before() {
    let home = Home::usual().await;
    let ledger = open_as(&home.url, MIGRATIONS).await.unwrap();
    fill(&ledger).await;
    ledger.close().await;
    let before = home.rows().await;
    let message = refused(&home.url, BROKEN).await;
    assert!(message.contains("nothing was changed"), "{message}");
    assert_eq!(home.rows().await, before, "not even the change that worked");
    let ledger = open_as(&home.url, MIGRATIONS).await.unwrap();
    let track = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    assert_eq!(ledger.record_occurrences(track, &[pending(99)]).await.unwrap(), 1);
    ledger.close().await;
}

/// Builds of before the first release had other schemas under the same number.
#[tokio::test]
async fn a_ledger_that_no_released_version_made_is_refused_with_the_way_out() {
    let home = Home::usual().await;
    let ledger = open_as(&home.url, MIGRATIONS).await.unwrap();
    fill(&ledger).await;
    let other = if home.is_file() { "x'00'" } else { "'\\x00'" };
    let edit = sqlx::AssertSqlSafe(format!("UPDATE _sqlx_migrations SET checksum = {other}"));
    sqlx::query(edit)
        .execute(&mut **ledger.opened.pools.writer.acquire().await.unwrap())
        .await
        .unwrap();
    ledger.close().await;
    let before = home.rows().await;
    let message = refused(&home.url, LATER).await;
    for part in ["never released", "--ledger-url", "rebuilt from HubSpot"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(home.rows().await, before);
}
