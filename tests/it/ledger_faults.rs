//! Every call to the ledger fails once, or is the last one of the process, before or after it took effect: Google gets
//! every conversion all the same, always with one value, and the counts add up at every moment.

pub mod faulty;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ledger::{OpenError, SqlLedger};
use adconversion_operator::ports::ledger::{Ledger, RowCounts};
use adconversion_operator::registry::Registry;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use self::faulty::{Faulty, How};
use crate::support::memory::{Now, Sink, set_up, settings, tally};
use crate::support::wait::until;

/// More than are noted at once.
const CONTACTS: usize = 1_100;
const LIMIT: Duration = Duration::from_mins(1);
/// Runs at a time: each waits for its pauses most of the time.
const AT_A_TIME: usize = 6;

/// Counts of the final outcomes, in an order of their own.
fn finals(tally: &RowCounts) -> [u64; 3] {
    [Outcome::Uploaded, Outcome::Skipped, Outcome::Rejected].map(|outcome| {
        tally
            .classes
            .iter()
            .filter(|c| c.outcome == outcome)
            .map(|c| c.count)
            .sum()
    })
}

fn observed(tally: &RowCounts) -> u64 {
    tally.classes.iter().map(|c| c.count).sum()
}

/// Observed, uploaded, skipped and rejected rows.
type Counts = [u64; 4];

/// The ledger. What the life before had open is closed by threads that end a moment after it.
async fn opened(url: &str) -> SqlLedger {
    let open = async || match SqlLedger::open(url).await {
        Err(error @ OpenError::InUse(_)) => Err(error),
        opened => Ok(opened.expect("a ledger")),
    };
    until("the life before to let go of the ledger", LIMIT, open).await
}

/// One life of the process, until all is done or a fault ends it; returns its calls, and whether all is done. `told`
/// are the counts of the lives before: none goes down.
async fn life(url: &str, fault: Option<(usize, How)>, sink: &Arc<Sink>, told: &mut Counts) -> (usize, bool) {
    let inner: Arc<dyn Ledger> = Arc::new(opened(url).await);
    let ledger = Arc::new(Faulty::new(inner.clone(), fault));
    let (registry, _wakes) = Registry::new();
    set_up(&registry, CONTACTS as u64, sink.clone());
    let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
    let begun = Instant::now();
    loop {
        tokio::select! {
            () = ledger.ends.notified() => return (ledger.calls(), false),
            () = tokio::time::sleep(Duration::from_millis(25)) => {}
        }
        let Some(tally) = tally(&registry, inner.as_ref()).await else {
            assert!(begun.elapsed() < LIMIT, "{fault:?}: nothing was read");
            continue;
        };
        let [uploaded, skipped, rejected] = finals(&tally);
        let now = [observed(&tally), uploaded, skipped, rejected];
        assert!(
            told.iter().zip(now).all(|(told, now)| *told <= now),
            "{fault:?}: {told:?} then {now:?}"
        );
        *told = now;
        if uploaded == CONTACTS as u64 {
            assert_eq!(now, [CONTACTS as u64, CONTACTS as u64, 0, 0], "{fault:?}");
            break;
        }
        assert!(
            begun.elapsed() < LIMIT,
            "{fault:?} after {} calls: {:?}",
            ledger.calls(),
            tally.classes
        );
    }
    stop.cancel();
    tokio::select! {
        ended = loops => ended.expect("the loops end"),
        () = ledger.ends.notified() => {}
    }
    (ledger.calls(), true)
}

/// Every conversion, each with the one value it has; and repeats only where a call failed around the upload.
fn judge(sink: &Sink, fault: Option<(usize, How)>) {
    let taken = sink.taken();
    assert_eq!(taken.len(), CONTACTS, "{fault:?}");
    for (id, values) in &taken {
        assert!(
            values
                .iter()
                .all(|value| *value == Some("250".parse().expect("a number"))),
            "{fault:?}: {id} {values:?}"
        );
        assert!(
            values.len() <= 1 + usize::from(fault.is_some()),
            "{fault:?}: {id} was sent {} times",
            values.len()
        );
    }
    if fault.is_none() {
        assert_eq!(sink.rows.load(Ordering::Relaxed), CONTACTS);
    }
}

/// Everything of a process but its file is gone with this.
fn process<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(life)
}

/// One run: a second life where a fault ends the first. Returns the calls of the first.
fn run(fault: Option<(usize, How)>) -> usize {
    let name = format!("adconversion-ledger-{}-{fault:?}", std::process::id());
    let directory = std::env::temp_dir().join(name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let url = format!("sqlite://{}", directory.join("ledger.db").display());
    let sink = Arc::new(Sink::remembering());
    let mut told = Counts::default();
    let (calls, done) = process(life(&url, fault, &sink, &mut told));
    let ends = matches!(fault, Some((_, How::EndsBefore | How::EndsAfter)));
    // Calls differ a little from run to run: one near the end may not come.
    assert!(done || ends, "{fault:?}");
    if !done {
        let (_, done) = process(life(&url, None, &sink, &mut told));
        assert!(done, "{fault:?}");
    }
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
    judge(&sink, fault);
    calls
}

#[test]
fn every_call_to_the_ledger_may_fail_or_be_the_last_before_or_after_it_took_effect() {
    let calls = run(None);
    let ways = [How::FailsBefore, How::FailsAfter, How::EndsBefore, How::EndsAfter];
    let cases: Vec<_> = (1..=calls).flat_map(|n| ways.map(|how| (n, how))).collect();
    println!("{} cases of {calls} calls", cases.len());
    let queue = Mutex::new(cases.into_iter());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().next() else {
                        return;
                    };
                    run(Some(case));
                }
            });
        }
    });
}
