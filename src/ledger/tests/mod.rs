#![allow(clippy::unwrap_used, clippy::expect_used)]

mod batches;
mod copy;
mod erase;
mod erase_accounts;
mod files;
mod fold;
mod homes;
mod known_entries;
mod long_waits;
mod model;
mod notes;
mod older;
mod property;
mod queries;
mod request_ids;
mod room;
mod server;
mod session_locks;
mod shifted;
mod speed;
mod stored;
mod streams;
mod tries;
mod versions;
mod view;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use sqlx::Connection;

use super::SqlLedger;
use crate::api::AdNetwork;
use crate::domain::ids::{
    ActionId, AdAccountKey, ContactId, CustomerId, ObjectKey, OccurrenceKey, PortalId, TransactionId,
};
use crate::domain::outcome::{Outcome, reason};
use crate::ports::ledger::{
    ActionKey, BatchRow, Ledger, NewRow, Row, RowCounts, RowId, RowUpdate, Sender, StreamId, StreamRequest,
};

/// A directory of its own, gone afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ledger-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("ledger.db")
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Names a PostgreSQL server whose user may create schemas. The tests that say nothing of a file run there instead of
/// in SQLite, each in a schema of its own.
const SERVER: &str = "ADCONVERSION_TEST_POSTGRES";

/// A ledger of its own, empty.
async fn fresh() -> SqlLedger {
    let Ok(server) = std::env::var(SERVER) else {
        return SqlLedger::open("sqlite::memory:").await.unwrap();
    };
    SqlLedger::open(&schema(&server).await).await.unwrap()
}

/// The URL of a new schema at the server.
async fn schema(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("ledger_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(server).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    let mark = if server.contains('?') { '&' } else { '?' };
    format!("{server}{mark}options=-csearch_path%3D{name}")
}

/// The time `minute`s after an arbitrary zero.
fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + minute * 60).unwrap()
}

fn sender() -> Sender {
    sender_of("main")
}

fn sender_of(name: &str) -> Sender {
    Sender {
        network: AdNetwork::Google,
        account: ObjectKey::new("ads", name),
    }
}

fn action(id: u64) -> ActionKey {
    let owner: CustomerId = "1234567890".parse().unwrap();
    owner.action_key(ActionId(id))
}

fn request(action: Option<ActionKey>) -> StreamRequest {
    StreamRequest {
        event: ObjectKey::new("ads", "customers"),
        event_uid: "uid-1".into(),
        portal: PortalId(62515),
        trigger: "customer".into(),
        action,
    }
}

fn transaction(n: u8) -> TransactionId {
    TransactionId([n; 20])
}

fn key(n: u8) -> OccurrenceKey {
    OccurrenceKey {
        sort_key: i64::from(n) / 4,
        transaction: transaction(n),
    }
}

fn pending(n: u8) -> NewRow {
    NewRow {
        keys: vec![key(n)],
        contact: ContactId(u64::from(n)),
        submission: None,
        occurred_at: at(0),
        first_seen: at(1),
        outcome: Outcome::Pending,
        reason: reason::NOT_DUE.into(),
        due: at(2),
        while_suspended: false,
        shown: None,
    }
}

fn update(row: RowId, outcome: Outcome, reason: &'static str) -> RowUpdate {
    RowUpdate {
        row,
        outcome,
        reason: reason.into(),
        detail: String::new(),
        due: at(60),
        failed_try: false,
        isolation_group: 0,
    }
}

fn plain(row: RowId) -> (BatchRow, usize) {
    (BatchRow { row, value: None }, 0)
}

fn worth(row: RowId, amount: &str) -> (BatchRow, usize) {
    (
        BatchRow {
            row,
            value: Some((amount.parse().unwrap(), "EUR".into())),
        },
        0,
    )
}

/// An action's stream with these pending rows.
async fn with_rows(ledger: &SqlLedger, numbers: &[u8]) -> (StreamId, Vec<RowId>) {
    let stream = ledger.stream_for(&request(Some(action(7)))).await.unwrap();
    let rows: Vec<_> = numbers.iter().map(|n| pending(*n)).collect();
    assert_eq!(ledger.record_occurrences(stream, &rows).await.unwrap(), numbers.len());
    let due = due(ledger, stream, 2).await;
    (stream, due.iter().map(|r| r.id).collect())
}

async fn due(ledger: &SqlLedger, stream: StreamId, minute: i64) -> Vec<Row> {
    ledger.due_rows(stream, at(0), at(minute), 1_000).await.unwrap()
}

async fn tally(ledger: &SqlLedger, stream: StreamId) -> RowCounts {
    ledger.count_rows(stream, at(0), at(2)).await.unwrap()
}

/// Outcome, reason and count of each class.
async fn counts(ledger: &SqlLedger, stream: StreamId) -> Vec<(Outcome, String, u64)> {
    tally(ledger, stream)
        .await
        .classes
        .into_iter()
        .map(|c| (c.outcome, c.reason, c.count))
        .collect()
}
