//! The operator's own controllers, feed and uploader, run once over a picture of the cluster, a ledger in memory and a
//! Google that nothing is written to: what they come to is the plan.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use jiff::SignedDuration;

use super::clock::AheadClock;
use super::google::{GOOGLE, Notebook, ReadingConnector};
use super::loading::AccountCredentials;
use super::meter::{HUBSPOT, Meter, MeteredConnector};
use super::reads::{CredentialsId, ReadLog, UnreadItem};
use super::stand_in::StandIn;
use crate::admin::{Admin, EventStores, Source, admin_router};
use crate::api::reasons::condition;
use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::cli::command_error::CommandError;
use crate::controller::rehearsal::{self, Rehearsal as Controllers};
use crate::controller::shared::context::{Dependencies, Settings};
use crate::controller::shared::object::Object;
use crate::domain::conditions::find_condition;
use crate::domain::declared::Declared;
use crate::domain::ids::ObjectKey;
use crate::ledger::SqlLedger;
use crate::ops::health::Probes;
use crate::ops::metrics::Metrics;
use crate::ports::{Clock, CrmConnector, GoogleConnector};
use crate::registry::{Readiness, Registry};
use crate::sync::context::{SyncContext, SyncSettings};
use crate::sync::rehearsal::{self as loops, Rehearsal as Loops};

/// Longest time in which nothing changes until accounts and events have come to rest: a little more than an event waits
/// for a read. However many events there are, the time in which they get on does not count.
const REST_LIMIT: Duration = Duration::from_secs(25);
/// The same once they have come to rest before, or never will.
const NEXT_LIMIT: Duration = Duration::from_secs(5);
/// Longest time until an account that is not ready yet is so: its controller looks again after one, two and four
/// seconds, and by one look alone it does not believe which portal a token opens.
const TRY_LIMIT: Duration = Duration::from_secs(8);
/// Passes that change something, at most: an event takes a handful, so more of them go round in circles.
const MAX_PASSES: u32 = 100;
/// Between two passes over what waits for a read.
const PAUSE: Duration = Duration::from_millis(250);
/// The clock is put forward for conversions that only time holds back by so much at least: all that are due by then are looked
/// at together.
const SHORTEST_STEP: SignedDuration = SignedDuration::from_secs(1);

/// Where HubSpot and Google are, and what the time is.
pub(super) struct World {
    pub(super) google: Arc<dyn GoogleConnector>,
    pub(super) crm: Arc<dyn CrmConnector>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) controllers: Settings,
    pub(super) loops: SyncSettings,
}

/// What the operator would come to.
pub(super) struct Rehearsed {
    /// The objects as they would be.
    pub(super) picture: StandIn,
    /// The operator's admin API over what it would have recorded.
    pub(super) admin: Router,
    /// What it would change at Google.
    pub(super) notebook: Notebook,
    registry: Registry,
    reads: ReadLog,
    /// HubSpot accounts that could not be read to their end.
    unread: Vec<loops::UnreadPortal>,
}

impl Rehearsed {
    /// True if HubSpot was asked for the event's conversions.
    pub(super) fn looked_for(&self, event: &ObjectKey) -> bool {
        self.registry.find_event(event).is_some()
    }

    /// What of an event's accounts could not be read.
    pub(super) fn unread_for(&self, event: &Declared, credentials: &AccountCredentials) -> Vec<UnreadItem> {
        let (hubspot, google) = (
            credentials.hubspot.get(&event.hubspot),
            credentials.google.get(&event.google),
        );
        let asked =
            |service, by: Option<&CredentialsId>| by.map_or_else(Vec::new, |by| self.reads.unread(service, *by));
        let mut of_hubspot = asked(HUBSPOT, hubspot);
        if of_hubspot.is_empty() {
            let rest = self.unread.iter().filter(|unread| unread.account == event.hubspot);
            of_hubspot.extend(rest.map(|unread| unread_account(HUBSPOT, &unread.why, true)));
        }
        let account = self.registry.hubspot_account(&event.hubspot);
        let unopened = account.is_none_or(|account| {
            (account.crm.is_none() || account.portal.is_none()) && account.readiness != Readiness::Suspended
        });
        if of_hubspot.is_empty() && unopened {
            of_hubspot.push(unread_account(HUBSPOT, NOT_OPENED, false));
        }
        let mut all = asked(GOOGLE, google);
        let account = self.registry.google_account(&event.google);
        let unopened =
            account.is_none_or(|account| account.snapshot.is_none() && account.readiness != Readiness::Suspended);
        if all.is_empty() && unopened {
            all.push(unread_account(GOOGLE, NOT_OPENED, false));
        }
        all.extend(of_hubspot);
        all
    }
}

const NOT_OPENED: &str = "it was not read";

fn unread_account(service: &'static str, why: &str, may_pass: bool) -> UnreadItem {
    UnreadItem {
        service,
        what: "the account".to_owned(),
        message: why.to_owned(),
        may_pass,
    }
}

/// The objects of the plan, in the order in which they are reconciled.
struct ObjectKeys {
    google: Vec<ObjectKey>,
    hubspot: Vec<ObjectKey>,
    events: Vec<ObjectKey>,
}

impl ObjectKeys {
    fn of(events: &[AdConversionEvent]) -> Self {
        let declared: Vec<_> = events.iter().map(Declared::from_manifest).collect();
        let all = |key: fn(&Declared) -> &ObjectKey| {
            let keys: BTreeSet<_> = declared.iter().map(|declared| key(declared).clone()).collect();
            keys.into_iter().collect()
        };
        Self {
            google: all(|declared| &declared.google),
            hubspot: all(|declared| &declared.hubspot),
            events: all(|declared| &declared.key),
        }
    }
}

/// Runs it for these events. The picture holds them, their accounts
/// and Secrets, and whoever else may want their conversion actions.
///
/// # Errors
/// If something fails that has nothing to do with the manifests.
pub(super) async fn rehearse(
    world: World,
    picture: StandIn,
    events: &[AdConversionEvent],
    meter: Meter,
) -> Result<Rehearsed, CommandError> {
    let keys = ObjectKeys::of(events);
    let clock = Arc::new(AheadClock::new(world.clock));
    let ledger = Arc::new(SqlLedger::open("sqlite::memory:").await?);
    // Nobody is woken: everybody has a turn again and again.
    let (registry, _) = Registry::new();
    let (notebook, reads) = (Notebook::default(), ReadLog::default());
    let controllers = Controllers::new(Dependencies {
        client: picture.client(),
        registry: registry.clone(),
        ledger: ledger.clone(),
        google: Arc::new(ReadingConnector::new(world.google, notebook.clone(), reads.clone())),
        crm: Arc::new(MeteredConnector::new(world.crm, meter, reads.clone())),
        clock: clock.clone(),
        // A plan shows what would be sent, however long Google finds an action too new.
        settings: Settings {
            new_action_hold: Duration::ZERO,
            ..world.controllers
        },
        metrics: Arc::new(Metrics::new()),
        probes: Arc::new(Probes::default()),
        namespaces: Vec::new(),
        instance: None,
    });
    let admin = Admin::default();
    admin.open(Source {
        objects: EventStores::new(controllers.event_stores()),
        registry: registry.clone(),
        ledger: ledger.clone(),
        clock: clock.clone(),
        entry_waits: world.loops.waits,
        submission_waits: world.loops.submission_waits(),
    });
    let loops = SyncContext::new(registry.clone(), ledger, clock.clone(), world.loops);
    let mut run = PlanRun {
        controllers,
        loops: Loops::new(Arc::new(loops)),
        picture,
        keys,
        clock,
        patience: REST_LIMIT,
        tries: TRY_LIMIT,
    };
    let unread = run.run(&world.loops).await?;
    Ok(Rehearsed {
        picture: run.picture,
        admin: admin_router(admin),
        notebook,
        registry,
        reads,
        unread,
    })
}

struct PlanRun {
    controllers: Controllers,
    loops: Loops,
    picture: StandIn,
    keys: ObjectKeys,
    clock: Arc<AheadClock>,
    /// How long to wait until nothing changes any more.
    patience: Duration,
    /// How long to wait for accounts that are tried again.
    tries: Duration,
}

impl PlanRun {
    /// Returns the HubSpot accounts that could not be read to their end.
    async fn run(&mut self, settings: &SyncSettings) -> Result<Vec<loops::UnreadPortal>, CommandError> {
        self.come_to_rest().await?;
        let unread = self.loops.read_all().await;
        let until = self.clock.now().saturating_add(horizon(settings))?;
        // An operator looks once in an upload interval too.
        let step = settings.upload_interval.max(SHORTEST_STEP);
        // Each turn goes on by a step at least, so it ends once all are looked at that are due until then.
        loop {
            let now = self.clock.now();
            self.loops.send_due().await?;
            let Some(next) = self.loops.next_look(now, until).await? else {
                break;
            };
            self.clock.advance_to(next.saturating_add(step)?);
            // The actions are read once more too, where time has come for that.
            self.come_to_rest().await?;
        }
        self.come_to_rest().await?;
        Ok(unread)
    }

    /// Has accounts and events looked at until nothing changes any more.
    async fn come_to_rest(&mut self) -> Result<(), CommandError> {
        let (begun, mut moved_at, mut passes) = (Instant::now(), Instant::now(), 0);
        loop {
            self.show()?;
            let before = self.picture.version();
            let (google, hubspot, events) = (&self.keys.google, &self.keys.hubspot, &self.keys.events);
            let again = self.controllers.reconcile(google, hubspot, events).await?;
            let moved = self.picture.version() != before;
            let rests = !again && !moved && !self.is_account_unsure(begun.elapsed() < self.tries)?;
            if moved {
                (moved_at, passes) = (Instant::now(), passes + 1);
            }
            if rests || moved_at.elapsed() >= self.patience || passes >= MAX_PASSES {
                (self.patience, self.tries) = (NEXT_LIMIT, Duration::ZERO);
                return self.show();
            }
            if !moved {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// True while it is not known whether an account can be used: it is asked again in a moment. `tried`: one that is
    /// not ready and that its controller goes on with by itself counts as well.
    fn is_account_unsure(&self, tried: bool) -> Result<bool, CommandError> {
        let google: Vec<GoogleAdsAccount> = self.picture.all()?;
        let hubspot: Vec<HubSpotAccount> = self.picture.all()?;
        let google = google.iter().map(Object::conditions);
        let mut all = google.chain(hubspot.iter().map(Object::conditions));
        Ok(all.any(|conditions| {
            let is = |name, status| find_condition(conditions, name).is_some_and(|found| found.status == status);
            let goes_on = is(condition::READY, "False") && is(condition::RECONCILING, "True");
            is(condition::READY, "Unknown") || (tried && goes_on)
        }))
    }

    /// The caches see what was written.
    fn show(&mut self) -> Result<(), CommandError> {
        self.controllers.show(&rehearsal::ClusterObjects {
            events: self.picture.all()?,
            google: self.picture.all()?,
            hubspot: self.picture.all()?,
        });
        Ok(())
    }
}

/// How far the clock is put forward at most: conversions settle, and what is skipped for its click window takes two
/// reads of the contact and of the action. What waits longer does not wait for time alone.
fn horizon(settings: &SyncSettings) -> SignedDuration {
    let reads = settings.upload_interval.saturating_add(settings.waits.window);
    settings.waits.settle.saturating_add(reads.saturating_mul(2))
}
