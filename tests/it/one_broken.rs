//! One account whose answers break the operator: nobody else feels it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use adconversion_operator::domain::ids::{ActionId, ObjectKey, PortalId};
use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ports::ledger::Ledger;
use adconversion_operator::ports::pulse::Watchdog;
use adconversion_operator::registry::{Account, Loop, Registry, Wake};
use adconversion_operator::sync::context::{SyncContext, SyncSettings};
use adconversion_operator::sync::supervisor;
use adconversion_operator::upstream::google::MAX_ROWS;
use jiff::SignedDuration;
use parking_lot::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::memory::{Memory, Now, Sink, event, google, set_up, settings, tally};
use crate::support::wait;

const CONTACTS: usize = 20;
const LIMIT: Duration = Duration::from_mins(1);

/// Which loops broke and which ended.
#[derive(Default)]
struct Seen {
    broke: Mutex<BTreeMap<&'static str, usize>>,
    ended: Mutex<Vec<String>>,
}

impl Seen {
    fn of(&self, kind: &str) -> usize {
        self.broke.lock().get(kind).copied().unwrap_or_default()
    }
}

impl Watchdog for Seen {
    fn sign_of_life(&self, _: &str, _: Duration) {}
    fn loop_ended(&self, name: &str) {
        self.ended.lock().push(name.to_owned());
    }
    fn loop_broke(&self, kind: &'static str) {
        *self.broke.lock().entry(kind).or_default() += 1;
    }
}

/// Running loops of the account `b`, which works, and of `a`, whose portal and sink are given.
struct Running {
    registry: Registry,
    wakes: UnboundedReceiver<Wake>,
    ledger: Arc<dyn Ledger>,
    seen: Arc<Seen>,
    works: Arc<Sink>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("a", name)
}

impl Running {
    async fn start(portal: Memory, sink: &Arc<Sink>, settings: SyncSettings) -> Self {
        let ledger: Arc<dyn Ledger> = Arc::new(SqlLedger::open("sqlite::memory:").await.expect("a ledger"));
        let (registry, wakes) = Registry::new();
        let works = Arc::new(Sink::remembering());
        set_up(&registry, CONTACTS as u64, works.clone());
        let mut account = registry.google_account(&google()).expect("the account");
        account.key = key("google");
        account.customer = "9876543210".parse().expect("a customer id");
        if let Some(clients) = &mut account.clients {
            clients.sink = sink.clone();
        }
        let mut other = registry
            .hubspot_account(&ObjectKey::new("b", "hubspot"))
            .expect("the account");
        other.key = key("hubspot");
        other.crm = Some(Arc::new(portal));
        if let Some(portal) = &mut other.portal {
            portal.id = PortalId(2);
        }
        let mut event = event(&registry);
        (event.key, event.google, event.hubspot) = (key("event"), key("google"), key("hubspot"));
        if let Some(action) = &mut event.action {
            action.key = account.customer.action_key(ActionId(8));
        }
        registry.set_google(account);
        registry.set_hubspot(other);
        registry.set_event(event);
        let seen = Arc::new(Seen::default());
        let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings);
        let context = context.with_watchdog(seen.clone(), Duration::from_mins(1));
        let stop = CancellationToken::new();
        let task = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
        Self {
            registry,
            wakes,
            ledger,
            seen,
            works,
            stop,
            task,
        }
    }

    /// So many of the event of `a` have this outcome.
    async fn count(&self, outcome: Outcome) -> u64 {
        let Some(stream) = self.registry.event_report(&key("event")).stream else {
            return 0;
        };
        let since = jiff::Timestamp::UNIX_EPOCH;
        let tally = self
            .ledger
            .count_rows(stream, since, jiff::Timestamp::now())
            .await
            .expect("counts");
        let classes = tally.classes.iter().filter(|c| c.outcome == outcome);
        classes.map(|c| c.count).sum()
    }

    async fn end(self) -> Arc<Seen> {
        let ended = self.seen.ended.lock().clone();
        assert!(
            !ended.iter().any(|name| name.contains(" b/")),
            "of the other account: {ended:?}"
        );
        self.stop.cancel();
        self.task.await.expect("the loops end");
        self.seen
    }
}

/// Waits until `done`.
async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    wait::until(what, LIMIT, async || wait::is_so(done().await)).await;
}

#[tokio::test]
async fn an_uploader_that_breaks_is_started_again_alone_and_sends_the_same() {
    let sink = Arc::new(Sink::remembering());
    sink.breaks.store(2, Ordering::Relaxed);
    let mut running = Running::start(Memory::new(CONTACTS as u64), &sink, settings()).await;
    let account = key("google");
    until("it breaks", async || {
        running
            .registry
            .broken_loop(&Account::Google(account.clone()))
            .is_some()
    })
    .await;
    assert_eq!(
        running
            .registry
            .broken_loop(&Account::Google(account.clone()))
            .map(|b| b.which),
        Some(Loop::Uploader)
    );
    until("all of both are uploaded", async || {
        let other = tally(&running.registry, running.ledger.as_ref()).await;
        let done = other
            .iter()
            .flat_map(|t| &t.classes)
            .filter(|c| c.outcome == Outcome::Uploaded);
        done.map(|c| c.count).sum::<u64>() == CONTACTS as u64
            && running.count(Outcome::Uploaded).await == CONTACTS as u64
    })
    .await;
    assert_eq!(
        sink.rows.load(Ordering::Relaxed),
        3 * CONTACTS,
        "two requests whose answers broke it, and one more"
    );
    assert_eq!(sink.taken().len(), CONTACTS, "the same ids each time");
    assert_eq!(running.works.rows.load(Ordering::Relaxed), CONTACTS);
    // Once it has run for the longest pause (a second) nobody calls it broken.
    until("it lasts", async || {
        running
            .registry
            .broken_loop(&Account::Google(account.clone()))
            .is_none()
    })
    .await;
    let mut told = 0;
    while let Ok(wake) = running.wakes.try_recv() {
        told += usize::from(wake == Wake::Google(account.clone()));
    }
    assert!(
        told >= 3,
        "its controller is woken when it breaks and when it lasts: {told}"
    );
    let seen = running.end().await;
    assert_eq!((seen.of("uploader"), seen.of("poller"), seen.of("feed")), (2, 0, 0));
}

#[tokio::test]
async fn a_feed_that_always_breaks_is_started_ever_less_often() {
    let mut portal = Memory::new(CONTACTS as u64);
    portal.panics = true;
    let settings = SyncSettings {
        backoff_max: SignedDuration::from_mins(1),
        ..settings()
    };
    let begun = Instant::now();
    let running = Running::start(portal, &Arc::default(), settings).await;
    until("it breaks twice", async || running.seen.of("feed") >= 2).await;
    until("the other account goes on", async || {
        running.works.rows.load(Ordering::Relaxed) == CONTACTS
    })
    .await;
    assert_eq!(
        running
            .registry
            .broken_loop(&Account::HubSpot(key("hubspot")))
            .map(|b| b.which),
        Some(Loop::Feed)
    );
    until("it breaks a third time", async || running.seen.of("feed") >= 3).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(3),
        "pauses of one and two seconds"
    );
    // An account that goes takes its word along.
    running.registry.remove_account(&Account::HubSpot(key("hubspot")));
    until("it is forgotten", async || {
        running
            .registry
            .broken_loop(&Account::HubSpot(key("hubspot")))
            .is_none()
    })
    .await;
    running.end().await;
}

#[tokio::test]
async fn requests_without_a_status_keep_no_other_from_being_asked_about() {
    let count = 3 * MAX_ROWS;
    let sink = Arc::new(Sink::default());
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    *sink.untold.lock() = named(&["r0"]);
    *sink.odd.lock() = named(&["r1"]);
    let running = Running::start(Memory::new(count as u64), &sink, settings()).await;
    until("the others are uploaded", async || {
        let sent = sink.rows.load(Ordering::Relaxed) == count;
        sent && running.count(Outcome::Uploaded).await == count as u64 - sink.size_of(&["r0", "r1"])
    })
    .await;
    until("its event says so", async || {
        running.registry.event_report(&key("event")).poll.error.is_some()
    })
    .await;
    let error = running
        .registry
        .event_report(&key("event"))
        .poll
        .error
        .expect("an error");
    assert!(error.message.contains("stay Processing"), "{}", error.message);
    sink.untold.lock().clear();
    sink.odd.lock().clear();
    until("all are uploaded", async || {
        running.count(Outcome::Uploaded).await == count as u64
    })
    .await;
    until("its event says so", async || {
        running
            .registry
            .event_report(&key("event"))
            .poll
            .failing_since
            .is_none()
    })
    .await;
    let seen = running.end().await;
    assert_eq!(
        seen.of("poller"),
        0,
        "an answer that breaks the code is no end of the loop"
    );
}
