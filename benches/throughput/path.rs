//! The whole path with everything outside the process replaced by memory. The ledger is the real one, on disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use adconversion_operator::api::AdNetwork;
use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ports::ledger::{Ledger, Sender};
use adconversion_operator::registry::Registry;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use sqlx::Connection;
use tokio_util::sync::CancellationToken;

use super::memory::{Now, Sink, google, set_up, settings, tally};

/// Names a PostgreSQL server whose user may create schemas: the ledgers are there, not in files.
const SERVER: &str = "ADCONVERSION_TEST_POSTGRES";
const LIMIT: Duration = Duration::from_mins(5);

/// Peak resident memory of this process, in MB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok())
        .unwrap_or_default()
        / 1000.0
}

/// Measures `count` contacts from the first search to the last result noted, on one core, some times over.
pub fn run(count: usize) {
    let before = peak();
    let took = (0..super::ROUNDS).map(|round| once(count, round)).min();
    super::print(
        "whole path, ledger on disk, into memory",
        count,
        took.unwrap_or_default(),
    );
    println!(
        "{:<52} {:>12.0} MB (before: {before:.0} MB)",
        "peak resident memory",
        peak()
    );
}

fn once(count: usize, round: usize) -> Duration {
    let name = format!("adconversion-bench-{}-{round}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let took = runtime.block_on(measure(count, &directory));
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
    took
}

async fn measure(count: usize, directory: &Path) -> Duration {
    let url = match std::env::var(SERVER) {
        Ok(server) => new_schema(&server).await,
        Err(_) => format!("sqlite://{}", directory.join("ledger.db").display()),
    };
    let ledger: Arc<dyn Ledger> = Arc::new(SqlLedger::open(&url).await.expect("a ledger"));
    let (registry, _wakes) = Registry::new();
    let sink = Arc::new(Sink::default());
    set_up(&registry, count as u64, sink.clone());
    let mut settings = settings();
    // Longer than the upload interval, as by default: what the feed read is read again before it is sent.
    settings.waits.settle = settings.upload_interval;
    let context = Arc::new(SyncContext::new(
        registry.clone(),
        ledger.clone(),
        Arc::new(Now),
        settings,
    ));
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let loops = tokio::spawn(supervisor::run(context, stop.clone()));
    let sender = Sender {
        network: AdNetwork::Google,
        account: google(),
    };
    let took = loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let all_told = sink.rows.load(Ordering::Relaxed) >= count && sink.all_told();
        if all_told && ledger.next_poll(&sender).await.expect("open requests").is_none() {
            break begun.elapsed();
        }
        assert!(begun.elapsed() < LIMIT, "not done after {LIMIT:?}");
    };
    stop.cancel();
    loops.await.expect("the loops end");
    let counts = tally(&registry, ledger.as_ref()).await.expect("counts").classes;
    let counts: Vec<_> = counts.iter().map(|c| (c.outcome, c.count)).collect();
    assert_eq!(counts, [(Outcome::Uploaded, count as u64)], "all of them, once each");
    took
}

/// The URL of a new schema at the server.
async fn new_schema(server: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("path_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut connection = sqlx::PgConnection::connect(server).await.expect("a connection");
    let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"));
    sqlx::raw_sql(create).execute(&mut connection).await.expect("a schema");
    format!("{server}?options=-csearch_path%3D{name}")
}
