//! A page of contacts can't be read: those before it count all the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use adconversion_operator::domain::ids::{ContactId, ObjectKey};
use adconversion_operator::ledger::SqliteLedger;
use adconversion_operator::ports::ledger::Ledger;
use adconversion_operator::registry::Registry;
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use tokio_util::sync::CancellationToken;

use crate::support::memory::{Memory, Now, Sink, set_up, settings, tally};

/// Two full pages and a third.
const CONTACTS: u64 = 500;
/// The third can't be read.
const READABLE: u64 = 400;
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn contacts_read_before_a_page_that_fails_are_sent() {
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open("sqlite::memory:").await.expect("a ledger"));
    let (registry, _wakes) = Registry::new();
    let sink = Arc::new(Sink::remembering());
    set_up(&registry, CONTACTS, sink.clone());
    let mut portal = Memory::new(CONTACTS);
    portal.broken = Some(ContactId(READABLE));
    let mut account = registry.hubspot(&ObjectKey::new("b", "hubspot")).expect("the account");
    account.crm = Some(Arc::new(portal));
    registry.set_hubspot(account);
    let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));

    let begun = Instant::now();
    while (sink.rows.load(Ordering::Relaxed) as u64) < READABLE {
        let counts = tally(&registry, ledger.as_ref()).await;
        assert!(begun.elapsed() < LIMIT, "{counts:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    loops.await.expect("the loops end");
    assert_eq!(sink.taken().len() as u64, READABLE);
}
