//! Every call to the ledger fails once, before or after it took effect: Google gets every conversion all the same, always
//! with one value, and the counts add up at every moment.

mod faulty;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use adconversion_operator::domain::ids::ObjectKey;
use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ledger::SqliteLedger;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::ports::ledger::{Ledger, Tally};
use adconversion_operator::sync::registry::Registry;
use adconversion_operator::sync::supervisor;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use self::faulty::{Faulty, When};
use crate::support::memory::{Now, Sink, set_up, settings, start};

/// Two pages of contacts.
const CONTACTS: usize = 250;
const LIMIT: Duration = Duration::from_mins(1);
/// Runs at a time: each waits for its pauses most of the time.
const AT_A_TIME: usize = 6;

/// Counts of the final outcomes, in an order of their own.
fn finals(tally: &Tally) -> [u64; 3] {
    [Outcome::Uploaded, Outcome::Skipped, Outcome::Rejected].map(|outcome| {
        tally
            .classes
            .iter()
            .filter(|c| c.outcome == outcome)
            .map(|c| c.count)
            .sum()
    })
}

fn observed(tally: &Tally) -> u64 {
    tally.classes.iter().map(|c| c.count).sum()
}

/// One run in which the `number`-th call fails; returns how many calls there were until all was done.
async fn run(fault: Option<(usize, When)>) -> usize {
    let inner: Arc<dyn Ledger> = Arc::new(SqliteLedger::open("sqlite::memory:").await.expect("a ledger"));
    let ledger = Arc::new(Faulty::new(inner.clone(), fault));
    let (registry, _wakes) = Registry::new();
    let sink = Arc::new(Sink::remembering());
    set_up(&registry, CONTACTS as u64, sink.clone());
    let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
    let begun = Instant::now();
    let mut before = [0; 4];
    loop {
        tokio::time::sleep(Duration::from_millis(25)).await;
        let Some(track) = registry.report(&ObjectKey::new("b", "event")).track else {
            assert!(begun.elapsed() < LIMIT, "{fault:?}: nothing was read");
            continue;
        };
        let since = start() - SignedDuration::from_hours(1);
        let tally = inner.tally(track, since, Timestamp::now()).await.expect("counts");
        let [uploaded, skipped, rejected] = finals(&tally);
        let now = [observed(&tally), uploaded, skipped, rejected];
        assert!(
            before.iter().zip(now).all(|(before, now)| *before <= now),
            "{fault:?}: {before:?} then {now:?}"
        );
        before = now;
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
    let calls = ledger.calls();
    stop.cancel();
    loops.await.expect("the loops end");
    judge(&sink, fault);
    calls
}

/// Every conversion, each with the one value it has; and repeats only where a call failed around the upload.
fn judge(sink: &Sink, fault: Option<(usize, When)>) {
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

fn alone(fault: Option<(usize, When)>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(fault))
}

#[test]
fn every_call_to_the_ledger_may_fail_before_or_after_it_took_effect() {
    let calls = alone(None);
    let cases: Vec<_> = (1..=calls)
        .flat_map(|n| [(n, When::Before), (n, When::After)])
        .collect();
    println!("{} cases of {calls} calls", cases.len());
    let queue = Mutex::new(cases.into_iter());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().expect("the queue").next() else {
                        return;
                    };
                    alone(Some(case));
                }
            });
        }
    });
}
