//! One Google account, two portals: one of them falls silent while a request that was refused is cut down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use adconversion_operator::domain::batch::Complaint;
use adconversion_operator::domain::codes::{Class, Code};
use adconversion_operator::domain::ids::{ObjectKey, PortalId};
use adconversion_operator::domain::outcome::{Outcome, reason};
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ports::ledger::Ledger;
use adconversion_operator::ports::sink::{ConversionSink, DestinationStatus, IngestError, RouteInfo, UploadRequest};
use adconversion_operator::ports::{Cause, UpstreamError};
use adconversion_operator::registry::{Readiness, Registry};
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::support::clock::Ahead;
use crate::support::memory::{Memory, Sink, event, google, set_up, settings};
use crate::support::wait::until;

const CONTACTS: u64 = 20;
const LIMIT: Duration = Duration::from_mins(1);

/// Refuses the first request because of its first row, after so long
/// that reads are too old; meanwhile a portal has fallen silent.
struct Refusing {
    refused: AtomicBool,
    clock: Arc<Ahead>,
    mute: Arc<AtomicBool>,
    others: Sink,
}

#[async_trait]
impl ConversionSink for Refusing {
    fn route_info(&self) -> RouteInfo {
        self.others.route_info()
    }

    async fn validate(&self, request: &UploadRequest) -> Result<(), IngestError> {
        self.others.validate(request).await
    }

    async fn ingest(&self, request: &UploadRequest) -> Result<String, IngestError> {
        if self.refused.swap(true, Ordering::Relaxed) {
            return self.others.ingest(request).await;
        }
        assert_eq!(request.rows.len() as u64, 2 * CONTACTS, "all rows in one request");
        self.mute.store(true, Ordering::Relaxed);
        self.clock.set(SignedDuration::from_mins(2));
        let mut error = UpstreamError::new("memory", Cause::Refused, "refused");
        error.code = Some("INVALID_ARGUMENT".into());
        Err(IngestError {
            error,
            code: None,
            complaints: vec![Complaint {
                row: Some(0),
                destination: None,
                code: Some(Code::new("TOO_BAD", "TOO_BAD", Class::Rejected)),
            }],
        })
    }

    async fn request_status(&self, request: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        self.others.request_status(request).await
    }
}

fn other(name: &str) -> ObjectKey {
    ObjectKey::new("a", name)
}

/// The accounts and the event `b` that answer, and the portal and the event `a` that will not; Google is not ready yet.
fn prepare(registry: &Registry, sink: &Arc<Refusing>) {
    set_up(registry, CONTACTS, Arc::new(Sink::default()));
    let mut account = registry.google_account(&google()).expect("the account");
    account.readiness = Readiness::Suspended;
    if let Some(clients) = &mut account.clients {
        clients.sink = sink.clone();
    }
    registry.set_google(account);
    let mut hubspot = registry
        .hubspot_account(&ObjectKey::new("b", "hubspot"))
        .expect("the account");
    let mut memory = Memory::new(CONTACTS);
    memory.mute = sink.mute.clone();
    hubspot.key = other("hubspot");
    hubspot.crm = Some(Arc::new(memory));
    if let Some(portal) = &mut hubspot.portal {
        portal.id = PortalId(2);
    }
    registry.set_hubspot(hubspot);
    let mut event = event(registry);
    (event.key, event.hubspot) = (other("event"), other("hubspot"));
    if let Some(action) = &mut event.action {
        action.key.id = "8".into();
    }
    registry.set_event(event);
}

/// How many conversions of an event have which outcome and reason.
async fn counts(registry: &Registry, ledger: &dyn Ledger, event: &ObjectKey) -> BTreeMap<(Outcome, String), u64> {
    let Some(stream) = registry.event_report(event).stream else {
        return BTreeMap::new();
    };
    let tally = ledger.count_rows(stream, Timestamp::UNIX_EPOCH, Timestamp::now()).await;
    let mut counts = BTreeMap::new();
    for class in tally.expect("counts").classes {
        *counts.entry((class.outcome, class.reason)).or_default() += class.count;
    }
    counts
}

fn of(counts: &BTreeMap<(Outcome, String), u64>, outcome: Outcome) -> u64 {
    counts
        .iter()
        .filter(|((of, _), _)| *of == outcome)
        .map(|(_, n)| n)
        .sum()
}

/// Waits until the counts of both events, `b` first, are as wanted.
async fn until_counted(
    what: &str,
    (registry, ledger): (&Registry, &dyn Ledger),
    done: impl Fn([&BTreeMap<(Outcome, String), u64>; 2]) -> bool,
) {
    let counted = async || {
        let answering = counts(registry, ledger, &ObjectKey::new("b", "event")).await;
        let silent = counts(registry, ledger, &other("event")).await;
        if done([&answering, &silent]) {
            Ok(())
        } else {
            Err([answering, silent])
        }
    };
    until(what, LIMIT, counted).await;
}

#[tokio::test]
async fn a_portal_that_falls_silent_keeps_no_other_rows_of_a_refused_request_waiting() {
    let ledger: Arc<dyn Ledger> = Arc::new(SqlLedger::open("sqlite::memory:").await.expect("a ledger"));
    let (registry, _wakes) = Registry::new();
    let sink = Arc::new(Refusing {
        refused: AtomicBool::new(false),
        clock: Arc::default(),
        mute: Arc::default(),
        others: Sink::remembering(),
    });
    prepare(&registry, &sink);
    let context = SyncContext::new(registry.clone(), ledger.clone(), sink.clock.clone(), settings());
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
    let all = (&registry, ledger.as_ref());
    let seen = |counts: &BTreeMap<_, _>| of(counts, Outcome::Pending) == CONTACTS;
    until_counted("all are seen", all, |[b, a]| seen(b) && seen(a)).await;
    let mut account = registry.google_account(&google()).expect("the account");
    account.readiness = Readiness::Ready;
    registry.set_google(account);
    let gone = |counts: &BTreeMap<_, _>| of(counts, Outcome::Uploaded) + of(counts, Outcome::Rejected) == CONTACTS;
    let begun = Instant::now();
    until_counted("the portal that answers", all, |[b, _]| gone(b)).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let waits = (Outcome::Pending, reason::UPSTREAM_UNAVAILABLE.to_owned());
    until_counted("the silent one waits", all, |[_, a]| {
        a.get(&waits).copied().unwrap_or_default() + of(a, Outcome::Rejected) == CONTACTS
    })
    .await;
    let error = registry
        .event_report(&other("event"))
        .reads
        .error
        .expect("its event says so");
    assert!(error.message.contains("no answer in time"), "{}", error.message);
    sink.mute.store(false, Ordering::Relaxed);
    until_counted("all are gone", all, |[b, a]| gone(b) && gone(a)).await;
    stop.cancel();
    loops.await.expect("the loops end");
    let taken = sink.others.taken();
    assert_eq!(
        taken.len() as u64,
        2 * CONTACTS,
        "also the one that a single refusal named"
    );
    assert!(taken.values().all(|times| times.len() == 1), "each once: {taken:?}");
}
