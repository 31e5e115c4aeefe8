//! Everything outside the process replaced by memory: a portal whose contacts are made when they are read, and a sink
//! that accepts every request. For measurements, and for faults of the ledger.

#[path = "memory_google.rs"]
mod google_side;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use adconversion_operator::api::{Money, ResumePolicy, Uploads};
use adconversion_operator::domain::click_window::ClickWindow;
use adconversion_operator::domain::contact::{Contact, HistoryEntry};
use adconversion_operator::domain::eligibility::{ClickProperties, EntryWaits, EventRules, ValueRule};
use adconversion_operator::domain::ids::{ActionId, ContactId, CustomerId, DealId, ObjectKey, PortalId};
use adconversion_operator::domain::trigger::{Trigger, TriggerKind};
use adconversion_operator::ports::crm::{
    AddressBatch, ContactBatch, ContactPage, ContactRead, ContactSearch, Crm, DealBatch, DealLinks, Form, PageCount,
    Portal, Stage, SubmissionPage, TokenInfo,
};
use adconversion_operator::ports::ledger::{Ledger, RowCounts};
use adconversion_operator::ports::{CallKind, Cause, Clock, GoogleClients, UpstreamError, budget};
use adconversion_operator::registry::{
    BoundAction, DealAccess, Event, Forms, GoogleAccount, HubSpotAccount, Readiness, Registry,
};
use adconversion_operator::sync::context::SyncSettings;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use google_side::Sink;
use google_side::Unused;

/// Whose data is in what breaks: it must not show up anywhere.
pub const PERSON: &str = "ada.lovelace@example.com";

/// The real time.
pub struct Now;

impl Clock for Now {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Since when events count: always the same, so that who starts again meets the same contacts.
pub fn start() -> Timestamp {
    static START: LazyLock<Timestamp> = LazyLock::new(|| Timestamp::now() - SignedDuration::from_hours(48));
    *START
}

/// Contacts 1 to `count`, each a customer for a day.
pub struct Memory {
    count: u64,
    changed: Timestamp,
    /// What their property `consent` says, where they have one.
    pub granted: Option<Arc<AtomicBool>>,
    /// The page behind this contact can't be read.
    pub broken: Option<ContactId>,
    /// The page behind this contact is never answered.
    pub silent: Option<ContactId>,
    /// How long a page takes.
    pub pace: Duration,
    /// It claims to have been modified in the year 9999.
    pub ahead: Option<ContactId>,
    /// Every page breaks the code that reads it.
    pub panics: bool,
    /// While it is set, no read of contacts is answered.
    pub mute: Arc<AtomicBool>,
}

impl Memory {
    /// A portal of so many contacts.
    pub fn new(count: u64) -> Self {
        Self {
            count,
            changed: start() + SignedDuration::from_hours(24),
            granted: None,
            broken: None,
            silent: None,
            pace: Duration::ZERO,
            ahead: None,
            panics: false,
            mute: Arc::default(),
        }
    }

    fn contact(&self, id: u64, history: bool) -> Contact {
        let at = self.changed + SignedDuration::from_millis(i64::try_from(id).unwrap_or(0));
        let entry = |value: &str, at: Timestamp| HistoryEntry {
            value: value.to_owned(),
            at,
            by_merge: false,
        };
        let ahead = self.ahead == Some(ContactId(id));
        let time = if ahead {
            "9999-12-30T00:00:00Z".to_owned()
        } else {
            at.to_string()
        };
        let consent = self.granted.as_ref().map(|granted| granted.load(Ordering::Relaxed));
        let properties = [
            Some(("lastmodifieddate", time.as_str())),
            Some(("lifecyclestage", "customer")),
            Some(("hs_v2_date_entered_customer", time.as_str())),
            consent.map(|yes| ("consent", if yes { "yes" } else { "no" })),
        ];
        let mut contact = Contact {
            requested_id: ContactId(id),
            id: ContactId(id),
            updated_at: Some(at),
            as_of: None,
            properties: properties.into_iter().flatten().collect(),
            history: Vec::new(),
            flaw: None,
        };
        if history {
            let click = entry(&format!("click-{id}"), at - SignedDuration::from_hours(1));
            contact.history = vec![
                ("lifecyclestage".to_owned(), vec![entry("customer", at)]),
                ("hs_google_click_id".to_owned(), vec![click]),
            ];
        }
        contact
    }
}

fn unused() -> UpstreamError {
    UpstreamError::new("memory", Cause::NotFound, "not part of the measured path")
}

#[async_trait]
impl Crm for Memory {
    async fn drop_token(&self) {}
    async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        Err(unused())
    }
    async fn token_info(&self) -> Result<TokenInfo, UpstreamError> {
        Err(unused())
    }
    async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        Err(unused())
    }
    async fn property_names(&self) -> Result<Vec<String>, UpstreamError> {
        Err(unused())
    }
    async fn search_contacts(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        tokio::time::sleep(self.pace).await;
        assert!(!self.panics, "a page of {PERSON}");
        if self.silent.is_some_and(|id| search.after >= id) {
            std::future::pending::<()>().await;
        }
        if self.broken.is_some_and(|id| search.after >= id) {
            return Err(UpstreamError::new("memory", Cause::Unavailable, "a page that fails"));
        }
        let since = search.any_since.iter().map(|(_, t)| *t).min().unwrap_or(Timestamp::MIN);
        let first = (search.after.0 + 1..=self.count)
            .find(|id| self.contact(*id, false).updated_at >= Some(since))
            .unwrap_or(self.count + 1);
        let last = (first + 199).min(self.count);
        let contacts = (first..=last).map(|id| self.contact(id, false)).collect();
        Ok(ContactPage {
            contacts,
            nameless: 0,
            count: PageCount::default(),
            answered: None,
            next: (last < self.count).then_some(ContactId(last)),
        })
    }
    async fn read_contacts(&self, read: &ContactRead) -> Result<ContactBatch, UpstreamError> {
        // Limited as every client of the product is.
        let answers = async {
            while self.mute.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok::<_, UpstreamError>(())
        };
        budget::within_budget("memory", CallKind::Reads, answers).await?;
        Ok(ContactBatch {
            contacts: read.ids.iter().map(|id| self.contact(id.0, true)).collect(),
            ..ContactBatch::default()
        })
    }
    async fn deals_of(&self, _: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        Err(unused())
    }
    async fn read_deals(&self, _: &[DealId]) -> Result<DealBatch, UpstreamError> {
        Err(unused())
    }
    async fn list_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        Err(unused())
    }
    async fn list_submissions(&self, _: &str, _: Option<&str>) -> Result<SubmissionPage, UpstreamError> {
        Err(unused())
    }
    async fn read_by_email(&self, _: &[String], _: &[String]) -> Result<AddressBatch, UpstreamError> {
        Err(unused())
    }
}

/// No waits; everything is looked at again soon.
pub fn settings() -> SyncSettings {
    let zero = SignedDuration::ZERO;
    SyncSettings {
        new_action_hold: zero,
        waits: EntryWaits {
            settle: zero,
            click_grace: zero,
            too_recent: zero,
            window: zero,
        },
        upload_interval: SignedDuration::from_millis(50),
        overlap: SignedDuration::from_hours(1),
        sweep_interval: SignedDuration::from_hours(24),
        diagnostics_first_poll: zero,
        diagnostics_max_poll: SignedDuration::from_secs(1),
        backoff_max: SignedDuration::from_secs(1),
        failure_threshold: SignedDuration::from_mins(15),
        enhancement_deadline: SignedDuration::from_hours(23),
        retention: SignedDuration::from_hours(90 * 24),
        deletion_check_interval: SignedDuration::from_hours(168),
    }
}

/// The counts of the event; `None` before its first pass.
pub async fn tally(registry: &Registry, ledger: &dyn Ledger) -> Option<RowCounts> {
    tally_of(registry, ledger, &ObjectKey::new("b", "event")).await
}

/// The counts of an event; `None` before its first pass.
pub async fn tally_of(registry: &Registry, ledger: &dyn Ledger, event: &ObjectKey) -> Option<RowCounts> {
    let stream = registry.event_report(event).stream?;
    let since = start() - SignedDuration::from_hours(1);
    Some(
        ledger
            .count_rows(stream, since, Timestamp::now())
            .await
            .expect("counts"),
    )
}

/// The event as it is registered.
#[allow(dead_code)]
pub fn event(registry: &Registry) -> Event {
    Event::clone(&registry.find_event(&ObjectKey::new("b", "event")).expect("the event"))
}

/// The Google account.
pub fn google() -> ObjectKey {
    ObjectKey::new("b", "google")
}

/// The accounts, and one event over all contacts.
pub fn set_up(registry: &Registry, count: u64, sink: Arc<Sink>) {
    let (google, hubspot) = (google(), ObjectKey::new("b", "hubspot"));
    let customer: CustomerId = "1234567890".parse().expect("a customer id");
    registry.set_google(GoogleAccount {
        key: google.clone(),
        customer: customer.clone(),
        login: None,
        uploads: Uploads::default(),
        clients: Some(GoogleClients {
            ads: Arc::new(Unused),
            clicks: Arc::new(Unused),
            enhancements: Arc::new(Unused),
            sink,
        }),
        readiness: Readiness::Ready,
        snapshot: None,
    });
    registry.set_hubspot(HubSpotAccount {
        key: hubspot.clone(),
        crm: Some(Arc::new(Memory::new(count))),
        readiness: Readiness::Ready,
        portal: Some(Portal {
            id: PortalId(1),
            time_zone: "UTC".into(),
            company_currency: "EUR".into(),
            ui_domain: "app.hubspot.com".into(),
        }),
        forms: Forms::Unread,
        deals: DealAccess::Unasked,
        stages: Arc::default(),
        properties: Arc::new(vec!["hs_v2_date_entered_customer".into()]),
        interval: Duration::from_hours(1),
        default_region: None,
    });
    let money = Money {
        amount: "250".parse().expect("an amount"),
        currency: "EUR".into(),
    };
    registry.set_event(Event {
        key: ObjectKey::new("b", "event"),
        uid: "1".into(),
        hubspot,
        google,
        trigger: Trigger::Stage("customer".into()),
        start: start(),
        action: Some(BoundAction {
            key: customer.action_key(ActionId(7)),
            hold_until: None,
            click_window: Some(ClickWindow::WIDEST),
        }),
        rules: EventRules {
            value: Some(ValueRule::Fixed(money)),
            consent: None,
            share: vec![],
            clicks: ClickProperties {
                gclid: "hs_google_click_id".into(),
                gbraid: None,
                wbraid: None,
            },
            trigger_kind: TriggerKind::Stage,
        },
        suspended: false,
        resume_policy: ResumePolicy::CatchUp,
    });
}
