//! Looks for contacts that HubSpot has deleted: what counts as deleted, and what does not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use adconversion_operator::domain::contact::{Contact, MERGED_IDS};
use adconversion_operator::domain::ids::{ContactId, DealId, ObjectKey, PortalId};
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ports::crm::{
    AddressBatch, ContactBatch, ContactPage, ContactRead, ContactSearch, Crm, DealBatch, DealLinks, Form, PageCount,
    Portal, Quota, Stage, SubmissionPage, TokenInfo,
};
use adconversion_operator::ports::ledger::Ledger;
use adconversion_operator::ports::{Cause, UpstreamError};
use adconversion_operator::registry::{DealAccess, Forms, HubSpotAccount, Readiness, Registry};
use adconversion_operator::sync::context::SyncContext;
use adconversion_operator::sync::supervisor;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::support::memory::{Now, settings};
use crate::support::wait::until;

const PORTAL: PortalId = PortalId(62515);
const LIMIT: Duration = Duration::from_secs(30);

/// What a portal shows; all of it may change while it is looked at.
#[derive(Clone)]
struct Shows {
    portal: PortalId,
    living: BTreeSet<u64>,
    /// Ids of which another record has taken the place.
    merged: BTreeMap<u64, u64>,
    unreadable: BTreeSet<u64>,
    fails: bool,
    left: Option<Quota>,
}

struct World {
    shows: Mutex<Shows>,
    reads: AtomicUsize,
}

impl World {
    fn new(living: impl IntoIterator<Item = u64>) -> Arc<Self> {
        let shows = Shows {
            portal: PORTAL,
            living: living.into_iter().collect(),
            merged: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            fails: false,
            left: None,
        };
        Arc::new(Self {
            shows: Mutex::new(shows),
            reads: AtomicUsize::new(0),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Shows)) {
        change(&mut self.shows.lock());
    }

    fn now(&self) -> Shows {
        self.shows.lock().clone()
    }

    fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

fn contact(id: u64, asked: u64, merged: &[u64]) -> Contact {
    let merged: Vec<String> = merged.iter().map(u64::to_string).collect();
    let merged = merged.join(";");
    let properties = [(MERGED_IDS, merged.as_str())];
    Contact {
        requested_id: ContactId(asked),
        id: ContactId(id),
        updated_at: Some(Timestamp::UNIX_EPOCH),
        as_of: None,
        properties: properties.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        history: Vec::new(),
        flaw: None,
    }
}

fn failure() -> UpstreamError {
    UpstreamError::new("HubSpot", Cause::Unavailable, "as the test wants it")
}

#[async_trait]
impl Crm for World {
    async fn drop_token(&self) {}
    fn daily_quota(&self) -> Option<Quota> {
        self.now().left
    }
    async fn read_portal(&self) -> Result<Portal, UpstreamError> {
        Ok(portal(self.now().portal))
    }
    async fn search_contacts(&self, search: &ContactSearch) -> Result<ContactPage, UpstreamError> {
        assert_eq!(search.after, ContactId(0));
        let contacts = self
            .now()
            .living
            .iter()
            .take(200)
            .map(|id| contact(*id, *id, &[]))
            .collect();
        Ok(ContactPage {
            contacts,
            nameless: 0,
            next: None,
            count: PageCount::default(),
            answered: None,
        })
    }
    async fn read_contacts(&self, read: &ContactRead) -> Result<ContactBatch, UpstreamError> {
        assert!(read.ids.len() <= 100 && read.with_history.is_empty());
        self.reads.fetch_add(1, Ordering::SeqCst);
        let shows = self.now();
        if shows.fails {
            return Err(failure());
        }
        let mut batch = ContactBatch::default();
        for asked in read.ids.iter().map(|id| id.0) {
            let id = shows.merged.get(&asked).copied().unwrap_or(asked);
            let others: Vec<u64> = shows
                .merged
                .iter()
                .filter(|(_, to)| **to == id)
                .map(|(from, _)| *from)
                .collect();
            if shows.unreadable.contains(&asked) {
                batch
                    .unreadable
                    .insert(ContactId(asked), "a field of it has the wrong type".into());
            } else if shows.living.contains(&id) {
                batch.contacts.push(contact(id, asked, &others));
            }
        }
        Ok(batch)
    }
    async fn token_info(&self) -> Result<TokenInfo, UpstreamError> {
        Err(failure())
    }
    async fn read_stages(&self) -> Result<Vec<Stage>, UpstreamError> {
        Err(failure())
    }
    async fn property_names(&self) -> Result<Vec<String>, UpstreamError> {
        Err(failure())
    }
    async fn deals_of(&self, _: &[ContactId]) -> Result<DealLinks, UpstreamError> {
        Err(failure())
    }
    async fn read_deals(&self, _: &[DealId]) -> Result<DealBatch, UpstreamError> {
        Err(failure())
    }
    async fn list_forms(&self) -> Result<Vec<Form>, UpstreamError> {
        Err(failure())
    }
    async fn list_submissions(&self, _: &str, _: Option<&str>) -> Result<SubmissionPage, UpstreamError> {
        Err(failure())
    }
    async fn read_by_email(&self, _: &[String], _: &[String]) -> Result<AddressBatch, UpstreamError> {
        Err(failure())
    }
}

fn portal(id: PortalId) -> Portal {
    Portal {
        id,
        time_zone: "UTC".into(),
        company_currency: "EUR".into(),
        ui_domain: "app.hubspot.com".into(),
    }
}

/// The loops over one HubSpot account and a ledger that names some contacts.
struct Lab {
    ledger: Arc<dyn Ledger>,
    registry: Registry,
    world: Arc<World>,
    stop: CancellationToken,
    loops: tokio::task::JoinHandle<()>,
    since: Timestamp,
}

impl Lab {
    async fn start(world: Arc<World>, named: impl IntoIterator<Item = u64>, interval: SignedDuration) -> Self {
        let ledger: Arc<dyn Ledger> = Arc::new(SqlLedger::open("sqlite::memory:").await.expect("a ledger"));
        let lineages: Vec<_> = named.into_iter().map(|id| vec![ContactId(id)]).collect();
        ledger
            .canonical_contacts(PORTAL, &lineages)
            .await
            .expect("canonical contacts");
        let (registry, _wakes) = Registry::new();
        let settings = adconversion_operator::sync::context::SyncSettings {
            deletion_check_interval: interval,
            backoff_max: SignedDuration::from_millis(300),
            failure_threshold: SignedDuration::from_mins(15),
            ..settings()
        };
        let context = SyncContext::new(registry.clone(), ledger.clone(), Arc::new(Now), settings);
        let stop = CancellationToken::new();
        let loops = tokio::spawn(supervisor::run(Arc::new(context), stop.clone()));
        let lab = Self {
            ledger,
            registry,
            world,
            stop,
            loops,
            since: Timestamp::UNIX_EPOCH,
        };
        lab.account(Readiness::Ready);
        lab
    }

    fn account(&self, readiness: Readiness) {
        self.registry.set_hubspot(HubSpotAccount {
            key: ObjectKey::new("b", "hubspot"),
            crm: Some(self.world.clone()),
            readiness,
            portal: Some(portal(PORTAL)),
            forms: Forms::Unread,
            deals: DealAccess::Unasked,
            stages: Arc::default(),
            properties: Arc::default(),
            interval: Duration::from_millis(5),
            default_region: None,
        });
    }

    /// Waits until so many more calls were made; what counts in the end is what the later half of them found.
    async fn looked(&mut self, calls: usize) {
        self.called(calls / 2).await;
        self.since = Timestamp::now();
        self.called(calls - calls / 2).await;
    }

    async fn called(&self, calls: usize) {
        let from = self.world.reads();
        let called = async || {
            let made = self.world.reads() - from;
            if made >= calls { Ok(()) } else { Err(made) }
        };
        until(&format!("{calls} calls"), LIMIT, called).await;
    }

    /// Ends the loops; the contacts that two looks at least have missed, and none has found of late.
    async fn missing(self) -> Vec<u64> {
        self.stop.cancel();
        self.loops.await.expect("the loops end");
        let erased = self
            .ledger
            .erase_contacts(SignedDuration::ZERO, None, 1000, self.since)
            .await;
        let mut ids: Vec<_> = erased
            .expect("erased")
            .contacts
            .into_iter()
            .map(|(_, id)| id.0)
            .collect();
        ids.sort_unstable();
        ids
    }
}

const SOON: SignedDuration = SignedDuration::from_millis(20);

#[tokio::test]
async fn only_who_is_neither_shown_nor_merged_nor_unreadable_is_missing() {
    let world = World::new((1..=250).filter(|id| ![7, 77, 151, 152, 205].contains(id)));
    world.change(|shows| {
        shows.merged.insert(151, 150);
        shows.unreadable.insert(152);
    });
    let mut lab = Lab::start(world, 1..=250, SOON).await;
    lab.looked(12).await;
    assert_eq!(lab.missing().await, [7, 77, 205]);
}

#[tokio::test]
async fn a_portal_that_shows_nobody_any_more_is_not_believed() {
    let world = World::new(1..=30);
    let mut lab = Lab::start(world.clone(), 1..=30, SOON).await;
    lab.looked(3).await;
    world.change(|shows| shows.living.clear());
    lab.looked(12).await;
    // Nor where the token may see others only.
    world.change(|shows| shows.living = [900].into());
    lab.looked(12).await;
    assert_eq!(lab.missing().await, [0; 0]);
}

#[tokio::test]
async fn others_that_were_seen_before_prove_nothing_unless_they_are_shown_again() {
    let world = World::new(1..=140);
    let mut lab = Lab::start(world.clone(), 1..=140, SOON).await;
    lab.looked(6).await;
    world.change(|shows| shows.living.clear());
    lab.looked(20).await;
    assert_eq!(lab.missing().await, [0; 0]);
}

#[tokio::test]
async fn a_whole_portion_may_be_gone_where_others_are_there() {
    let world = World::new(1..=140);
    let mut lab = Lab::start(world.clone(), 1..=140, SOON).await;
    lab.looked(6).await;
    world.change(|shows| shows.living.retain(|id| *id > 100));
    lab.looked(20).await;
    assert_eq!(lab.missing().await, (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn where_all_are_gone_a_stranger_shows_that_the_portal_answers() {
    let mut lab = Lab::start(World::new([900]), [1, 2], SOON).await;
    lab.looked(8).await;
    assert_eq!(lab.missing().await, [1, 2]);
    // Also where they were there before.
    let world = World::new([1, 2, 900]);
    let mut lab = Lab::start(world.clone(), [1, 2], SOON).await;
    lab.looked(4).await;
    world.change(|shows| shows.living = [900].into());
    lab.looked(12).await;
    assert_eq!(lab.missing().await, [1, 2]);
}

#[tokio::test]
async fn an_empty_portal_says_nothing() {
    let mut lab = Lab::start(World::new([]), [1, 2], SOON).await;
    lab.looked(4).await;
    assert_eq!(lab.missing().await, [0; 0]);
}

#[tokio::test]
async fn a_token_of_another_portal_says_nothing() {
    let world = World::new([2]);
    world.change(|shows| shows.portal = PortalId(1));
    let mut lab = Lab::start(world, [1, 2], SOON).await;
    lab.looked(6).await;
    assert_eq!(lab.missing().await, [0; 0]);
}

#[tokio::test]
async fn a_call_that_fails_says_nothing_and_is_not_repeated_soon() {
    let world = World::new([2]);
    world.change(|shows| shows.fails = true);
    let mut lab = Lab::start(world.clone(), [1, 2], SOON).await;
    lab.looked(1).await;
    let failed = Instant::now();
    lab.looked(1).await;
    assert!(
        failed.elapsed() > Duration::from_millis(200),
        "not on every poll: {:?}",
        failed.elapsed()
    );
    assert_eq!(lab.missing().await, [0; 0]);
}

#[tokio::test]
async fn no_call_while_the_quota_is_short_or_the_account_suspended_or_before_its_time() {
    let world = World::new([1]);
    world.change(|shows| shows.left = Some(Quota { left: 500, of: 1000 }));
    let mut short = Lab::start(world.clone(), [1, 2], SOON).await;
    let mut suspended = Lab::start(World::new([1]), [1, 2], SOON).await;
    suspended.account(Readiness::Suspended);
    let before = suspended.world.reads();
    let early = Lab::start(World::new([1]), [1, 2], SignedDuration::from_hours(168)).await;
    // Meanwhile another has looked often.
    let mut other = Lab::start(World::new([1]), [1, 2], SOON).await;
    other.looked(10).await;
    assert_eq!(world.reads() + early.world.reads(), 0);
    // A pass that had begun may have ended.
    assert!(suspended.world.reads() <= before + 1);
    world.change(|shows| shows.left = Some(Quota { left: 501, of: 1000 }));
    short.looked(4).await;
    suspended.account(Readiness::Ready);
    suspended.looked(4).await;
    assert_eq!(short.missing().await, [2]);
    assert_eq!(suspended.missing().await, [2]);
    assert_eq!(early.missing().await, [0; 0]);
    assert_eq!(other.missing().await, [2]);
}
