//! The whole path with everything outside the process replaced by memory. The ledger is the real one, on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ledger::SqliteLedger;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::ports::ledger::Ledger;
use adconversion_operator::sync::registry::Registry;
use adconversion_operator::sync::supervisor;
use tokio_util::sync::CancellationToken;

use super::memory::{Now, Sink, set_up, settings, tally};

const LIMIT: Duration = Duration::from_mins(5);

/// Peak resident memory of this process, in MB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok())
        .unwrap_or_default()
        / 1000.0
}

/// Measures `count` contacts from the first search to the last row uploaded, on one core.
pub fn run(count: usize) {
    let directory = std::env::temp_dir().join(format!("adconversion-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let before = peak();
    let took = runtime.block_on(async {
        let url = format!("sqlite://{}", directory.join("ledger.db").display());
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&url).await.expect("a ledger"));
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
        let took = loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            // Counting a whole track takes its time: not before there is something to find.
            let all_sent = sink.rows.load(Ordering::Relaxed) >= count;
            if all_sent && let Some(tally) = tally(&registry, ledger.as_ref()).await {
                let done: u64 = tally
                    .classes
                    .iter()
                    .filter(|c| c.outcome == Outcome::Uploaded)
                    .map(|c| c.count)
                    .sum();
                if done == count as u64 {
                    break begun.elapsed();
                }
            }
            assert!(begun.elapsed() < LIMIT, "not done after {LIMIT:?}");
        };
        stop.cancel();
        loops.await.expect("the loops end");
        took
    });
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
    super::print("whole path, ledger on disk, into memory", count, took);
    println!(
        "{:<52} {:>12.0} MB (before: {before:.0} MB)",
        "peak resident memory",
        peak()
    );
}
