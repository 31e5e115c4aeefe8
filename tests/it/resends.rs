//! A refused request is cut down and what is left sent again: by what holds at that moment, not when it was first sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adconversion_operator::domain::batch::Complaint;
use adconversion_operator::domain::codes::{Class, Code};
use adconversion_operator::domain::counts::ClassCount;
use adconversion_operator::domain::eligibility::ConsentRule;
use adconversion_operator::domain::ids::ObjectKey;
use adconversion_operator::domain::outcome::{Outcome, reason};
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ports::ledger::Ledger;
use adconversion_operator::ports::sink::{ConversionSink, DestinationStatus, IngestError, RouteInfo, UploadRequest};
use adconversion_operator::ports::{Cause, UpstreamError};
use adconversion_operator::registry::{Event, Registry};
use adconversion_operator::sync::context::{SyncContext, SyncSettings};
use adconversion_operator::sync::supervisor;
use async_trait::async_trait;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::support::clock::Ahead;
use crate::support::memory::{Memory, Sink, event, google, set_up, settings, tally};
use crate::support::wait::until;

const CONTACTS: usize = 20;
const LIMIT: Duration = Duration::from_mins(1);

/// What happens while the first request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    /// Everybody takes consent back, and the request takes longer than reads stay fresh.
    ConsentTakenBack,
    Suspended,
}

/// Refuses the first request because of its first row.
struct Refusing {
    meanwhile: Meanwhile,
    refused: AtomicBool,
    others: Sink,
    clock: Arc<Ahead>,
    granted: Arc<AtomicBool>,
    registry: Registry,
}

impl Refusing {
    fn happens(&self) {
        match self.meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::ConsentTakenBack => {
                self.granted.store(false, Ordering::Relaxed);
                self.clock.set(SignedDuration::from_mins(2));
            }
            Meanwhile::Suspended => self.registry.set_event(Event {
                suspended: true,
                ..event(&self.registry)
            }),
        }
    }
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
        if !self.refused.swap(true, Ordering::Relaxed) {
            assert_eq!(request.rows.len(), CONTACTS, "all rows in one request");
            self.happens();
            let mut error = UpstreamError::new("memory", Cause::Refused, "refused");
            error.code = Some("INVALID_ARGUMENT".into());
            return Err(IngestError {
                error,
                code: None,
                complaints: vec![Complaint {
                    row: Some(0),
                    destination: None,
                    code: Some(Code::new("TOO_BAD", "TOO_BAD", Class::Rejected)),
                }],
            });
        }
        self.others.ingest(request).await
    }

    async fn request_status(&self, request: &str) -> Result<Vec<DestinationStatus>, UpstreamError> {
        self.others.request_status(request).await
    }
}

fn prepare(registry: &Registry, granted: Arc<AtomicBool>, sink: Arc<Refusing>) {
    set_up(registry, 0, Arc::new(Sink::default()));
    let mut google = registry.google_account(&google()).expect("the account");
    if let Some(clients) = &mut google.clients {
        clients.sink = sink;
    }
    registry.set_google(google);
    let mut hubspot = registry
        .hubspot_account(&ObjectKey::new("b", "hubspot"))
        .expect("the account");
    let mut portal = Memory::new(CONTACTS as u64);
    portal.granted = Some(granted);
    hubspot.crm = Some(Arc::new(portal));
    registry.set_hubspot(hubspot);
    let mut event = event(registry);
    event.rules.consent = Some(ConsentRule {
        property: "consent".into(),
        granted: vec!["yes".into()],
    });
    registry.set_event(event);
}

/// Rows of each class once `done`.
async fn classes(registry: &Registry, ledger: &dyn Ledger, done: impl Fn(&[ClassCount]) -> bool) -> Vec<ClassCount> {
    let counted = async || {
        let classes = tally(registry, ledger).await.map(|tally| tally.classes);
        let classes = classes.unwrap_or_default();
        if done(&classes) { Ok(classes) } else { Err(classes) }
    };
    until("the rows of each class", LIMIT, counted).await
}

fn count(classes: &[ClassCount], outcome: Outcome, reason: Option<&str>) -> u64 {
    let alike = |c: &&ClassCount| c.outcome == outcome && reason.is_none_or(|reason| c.reason == reason);
    classes.iter().filter(alike).map(|c| c.count).sum()
}

#[rstest::rstest]
#[case(Meanwhile::Nothing)]
#[case(Meanwhile::ConsentTakenBack)]
#[case(Meanwhile::Suspended)]
#[tokio::test]
async fn what_is_left_of_a_refused_request_goes_only_if_it_still_may(#[case] meanwhile: Meanwhile) {
    let ledger: Arc<dyn Ledger> = Arc::new(SqlLedger::open("sqlite::memory:").await.expect("a ledger"));
    let (registry, _wakes) = Registry::new();
    let (clock, granted) = (Arc::new(Ahead::default()), Arc::new(AtomicBool::new(true)));
    let sink = Arc::new(Refusing {
        meanwhile,
        refused: AtomicBool::new(false),
        others: Sink::default(),
        clock: clock.clone(),
        granted: granted.clone(),
        registry: registry.clone(),
    });
    prepare(&registry, granted, sink.clone());
    let settings = SyncSettings {
        upload_interval: SignedDuration::from_secs(1),
        ..settings()
    };
    let context = Arc::new(SyncContext::new(registry.clone(), ledger.clone(), clock, settings));
    let stop = CancellationToken::new();
    let loops = tokio::spawn(supervisor::run(context, stop.clone()));
    // One refusal rejects nobody by itself: the row that it names goes again too, if it may.
    let all = CONTACTS as u64;
    let classes = classes(&registry, ledger.as_ref(), |classes| {
        let decided = match meanwhile {
            Meanwhile::Nothing => count(classes, Outcome::Uploaded, None),
            Meanwhile::ConsentTakenBack => count(classes, Outcome::Skipped, Some(reason::NO_CONSENT)),
            Meanwhile::Suspended => count(classes, Outcome::Pending, None),
        };
        let under_way = count(classes, Outcome::Pending, Some(reason::IN_FLIGHT));
        sink.refused.load(Ordering::Relaxed) && under_way == 0 && decided == all
    })
    .await;
    stop.cancel();
    loops.await.expect("the loops end");
    let taken = if meanwhile == Meanwhile::Nothing { CONTACTS } else { 0 };
    assert_eq!(sink.others.rows.load(Ordering::Relaxed), taken, "{classes:?}");
}
