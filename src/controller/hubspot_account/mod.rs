//! The controller of `HubSpotAccount`: credentials, the portal behind them, its stages and properties, and what stands in
//! their way.

mod read;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Action, Error, Object, Reconciler};
use crate::api::reasons::condition;
use crate::api::{HubSpotAccount as Manifest, MAX_INTERVAL};
use crate::controller::shared::account;
use crate::controller::shared::account::{Basics, broken, finish, keep_finalizer, readiness};
use crate::controller::shared::apply::remove_finalizer;
use crate::controller::shared::context::Context;
use crate::controller::shared::{log, references, rereads, secrets};
use crate::domain::account_state::{self, Observed};
use crate::domain::account_trouble::later;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::domain::transitions::Announcement;
use crate::ports::SecretData;
use crate::ports::crm::Crm;
use crate::registry::{HubSpotAccount, Readiness};
use read::{Picture, Wanted};

/// Reason of the Kubernetes Event that says that `spec.interval` is below the floor.
const INTERVAL_RAISED: &str = "IntervalRaised";

/// Controller of HubSpot accounts.
#[derive(Debug, Clone, Copy)]
pub struct HubSpotReconciler;

/// What is remembered about a HubSpot account. No `Debug`: the client holds a token.
#[derive(Default)]
pub struct HubSpotMemory {
    basics: Basics,
    client: Option<Arc<dyn Crm>>,
    /// The client has shown that it opens the right portal: only then anybody else gets it.
    verified: bool,
    picture: Option<Arc<Picture>>,
    /// When a pass began that reads because somebody asked, until they are told that it is over.
    asked: Option<Instant>,
}

impl Reconciler for HubSpotReconciler {
    type Object = Manifest;

    async fn reconcile(object: Arc<Manifest>, ctx: Arc<Context>) -> Result<Action, Error> {
        let mut memory = ctx.hubspot_memories.take(object.as_ref());
        let result = pass(&ctx, &object, &mut memory).await;
        drop(memory);
        let key = object.key();
        if ctx.caches.hubspot.get(&key).is_none() {
            // It went while we worked: what this pass has left behind must go too.
            Self::gone(&key, &ctx);
        }
        result
    }

    fn gone(key: &ObjectKey, ctx: &Context) {
        ctx.hubspot_memories.forget(key);
        ctx.rereads.forget_account(&rereads::Account::HubSpot(key.clone()));
        ctx.registry.remove_hubspot(key);
        ctx.wake_events_of_hubspot(key);
    }
}

async fn pass(ctx: &Context, object: &Manifest, memory: &mut HubSpotMemory) -> Result<Action, Error> {
    let key = object.key();
    let users = references::of_hubspot(ctx, &key);
    if object.deleting() && users.is_empty() {
        HubSpotReconciler::gone(&key, ctx);
        remove_finalizer(ctx, object).await?;
        return Ok(Action::await_change());
    }
    keep_finalizer(ctx, object, !users.is_empty()).await?;
    let acted = memory.basics.acted(object, ctx.clock.now());
    if !object.spec.suspend {
        check(ctx, object, memory, acted).await?;
    }
    let interval = Interval::of(object, ctx.settings.min_interval);
    let what = what(object, memory);
    let observed = Observed {
        what: &what,
        previous: object.conditions(),
        generation: object.metadata.generation,
        now: ctx.clock.now(),
        suspended: object.spec.suspend,
        deleting: object.deleting(),
        users: &users,
        known: memory.picture.is_some(),
        trouble: &memory.basics.trouble,
        threshold: ctx.settings.failure_threshold,
        remark: interval.remark.as_deref(),
    };
    let mut conditions = account_state::plan(&observed);
    let shown = readiness(conditions.get(condition::READY), object.spec.suspend);
    let broke = ctx.registry.hubspot_broken(&key);
    if let Some(broke) = &broke {
        account_state::broken(&mut conditions, &broken::message(broke));
    }
    account_state::deletion(&mut conditions, &observed);
    let conditions = conditions.finish();
    hand_over(ctx, object, memory, interval.effective, shown);
    let account = rereads::Account::HubSpot(key.clone());
    if let Some(begun) = memory.asked.take() {
        ctx.rereads.answered(&ctx.registry, &account, begun);
    }
    let status = status::build(ctx, object, memory, &users, &conditions);
    finish(ctx, object, &status, &conditions, &interval.announce(object)).await?;
    if object.spec.suspend {
        return Ok(Action::await_change());
    }
    let now = ctx.clock.now();
    let due = memory.due(ctx, &key);
    let asked = ctx.rereads.due_in(&account).map(|left| later(now, left));
    Ok(memory
        .basics
        .requeue(now, &ctx.settings, due.into_iter().chain(asked).min()))
}

/// What the account's events need beside contacts.
fn wanted(ctx: &Context, key: &ObjectKey) -> Wanted {
    Wanted {
        forms: references::names_a_form(ctx, key),
        deals: references::deals_of_hubspot(ctx, key),
        in_doubt: false,
    }
}

fn what(object: &Manifest, memory: &HubSpotMemory) -> String {
    match memory
        .picture
        .as_ref()
        .map(|picture| picture.portal.id)
        .map(|id| id.to_string())
    {
        Some(id) => format!("HubSpot portal {id}"),
        None => match object.spec.portal_id.or_else(|| object.status.as_ref()?.portal_id) {
            Some(id) => format!("HubSpot portal {id}"),
            None => "The HubSpot portal".to_owned(),
        },
    }
}

/// `spec.interval`, held above the floor and below a day.
struct Interval {
    effective: Duration,
    remark: Option<String>,
}

impl Interval {
    fn of(object: &Manifest, floor: Duration) -> Self {
        let declared = object.spec.interval;
        // The schema refuses more than a day; this is for objects older than the rule.
        let ceiling = MAX_INTERVAL.get().max(floor);
        let effective = declared.get().clamp(floor, ceiling);
        let (differs, why) = match declared.get() {
            shorter if shorter < floor => ("shorter", " (--min-interval)"),
            longer if longer > ceiling => ("longer", ""),
            _ => {
                return Self {
                    effective,
                    remark: None,
                };
            }
        };
        let used = crate::api::Duration::from(effective);
        let remark =
            format!("spec.interval {declared} is {differs} than this operator allows, so it uses {used}{why}.");
        Self {
            effective,
            remark: Some(remark),
        }
    }

    /// Said once for each manifest.
    fn announce(&self, object: &Manifest) -> Vec<Announcement> {
        let seen = object.status.as_ref().and_then(|s| s.observed_generation);
        let remark = self.remark.iter().filter(|_| seen != object.metadata.generation);
        remark
            .map(|remark| Announcement {
                warning: true,
                reason: INTERVAL_RAISED.to_owned(),
                message: remark.clone(),
            })
            .collect()
    }
}

/// Reads the Secret, and of HubSpot what is due. What goes wrong upstream is noted in the memory.
async fn check(
    ctx: &Context,
    object: &Manifest,
    memory: &mut HubSpotMemory,
    acted: account::Acted,
) -> Result<(), Error> {
    let key = object.key();
    let asked = acted.wants_another_read(ctx, &rereads::Account::HubSpot(key.clone()));
    memory.asked = asked.then(Instant::now);
    let name = &object.spec.credentials_secret_ref.name;
    memory.basics.uses(Some(name));
    let secret = match secrets::read(ctx, &key.namespace, name).await? {
        Ok(secret) => secret,
        Err(fault) if memory.basics.may_pass(&fault, Instant::now()) => {
            return Err(Error::Refused { what: "read Secret" });
        }
        Err(fault) => {
            memory.forget_client();
            memory.basics.secret_failed(fault, ctx.clock.now());
            return Ok(());
        }
    };
    let other_secret = memory.basics.secret_changed(&secret.version);
    if other_secret || acted.manifest {
        log::account_changed(object);
    }
    let now = ctx.clock.now();
    let probe = ctx.settings.stalled_probe_interval;
    let reported = ctx.registry.take_hubspot_fault(&key);
    let acted_now = acted.any() || other_secret;
    let mut urgent = acted_now;
    if acted_now {
        memory.basics.trouble.acted();
    } else if let Some(error) = reported {
        urgent = memory.basics.reported(&error, now, probe);
    }
    memory
        .basics
        .trouble
        .turn(now, probe, ctx.registry.feed(&key).last_poll);
    let allowed = acted_now || memory.basics.may_check_asked(asked, now, &ctx.settings);
    let wanted = Wanted {
        in_doubt: ctx.registry.take_scope_refused(&key),
        ..wanted(ctx, &key)
    };
    urgent |= wanted.in_doubt;
    let due = asked || memory.due(ctx, &key).is_none_or(|at| at <= now);
    let wrong = memory.basics.trouble.since().is_some();
    if other_secret || acted.manifest || (allowed && memory.basics.token_refused()) {
        memory.forget_client();
    }
    if !allowed || !(due || urgent || wrong || !memory.verified) {
        return Ok(());
    }
    let Some(client) = memory.connect(ctx, object, &secret.data, now).await else {
        return Ok(());
    };
    let pins = read::Pins::of(object, memory.picture.as_deref());
    memory.basics.checked = Some(now);
    match read::read(client.as_ref(), &pins, &wanted, &memory.basics, now).await {
        Ok(picture) => {
            memory.verified = true;
            memory.picture = Some(Arc::new(picture));
            memory.basics.succeeded();
        }
        Err(fault) => {
            tracing::warn!(account = %key, reason = fault.reason, "a HubSpot account could not be read: {}", brief(&fault.message));
            memory.basics.failed(fault, ctx.clock.now());
        }
    }
    Ok(())
}

impl HubSpotMemory {
    /// When the portal is to be read again; `None` where it never was.
    fn due(&self, ctx: &Context, key: &ObjectKey) -> Option<Timestamp> {
        let stalled = ctx.rereads.is_needed(&rereads::Account::HubSpot(key.clone()));
        let picture = self.picture.as_ref()?;
        Some(picture.due(&wanted(ctx, key), stalled, &ctx.settings))
    }

    fn forget_client(&mut self) {
        self.client = None;
        self.verified = false;
    }

    /// The client, made if there is none. `None` where the Secret does not allow it: that is noted.
    async fn connect(
        &mut self,
        ctx: &Context,
        object: &Manifest,
        secret: &SecretData,
        now: Timestamp,
    ) -> Option<Arc<dyn Crm>> {
        if self.client.is_none() {
            match ctx.crm.connect(secret).await {
                Ok(client) => {
                    self.basics.connected = Some(now);
                    self.client = Some(client);
                }
                Err(why) => {
                    let name = &object.spec.credentials_secret_ref.name;
                    let fault = secrets::invalid(&object.key().namespace, name, secret, &why);
                    self.basics.failed(fault, now);
                }
            }
        }
        self.client.clone()
    }
}

/// Tells the sync loops and the events.
fn hand_over(ctx: &Context, object: &Manifest, memory: &HubSpotMemory, interval: Duration, shown: Readiness) {
    let key = object.key();
    let before = ctx.registry.hubspot_shown(&key);
    let broke = ctx.registry.hubspot_broken(&key);
    let told = broken::told_apart(&memory.basics.trouble, &shown, broke.as_ref());
    let trying = told.is_some();
    ctx.registry.set_hubspot_trial(&key, told);
    let picture = memory.picture.as_deref();
    let changed = ctx.registry.set_hubspot(HubSpotAccount {
        key: key.clone(),
        crm: memory.client.clone().filter(|_| memory.verified),
        readiness: if trying { Readiness::Ready } else { shown },
        portal: picture.map(|p| p.portal.clone()),
        stages: picture.map(|p| Arc::clone(&p.stages)).unwrap_or_default(),
        properties: picture.map(|p| Arc::clone(&p.properties)).unwrap_or_default(),
        forms: picture.map(|p| p.forms.clone()).unwrap_or_default(),
        deals: picture.map(|p| p.deals.clone()).unwrap_or_default(),
        interval,
        default_region: object.spec.default_region.clone(),
    });
    if changed || before != ctx.registry.hubspot_shown(&key) {
        ctx.wake_events_of_hubspot(&key);
    }
}

/// The account's part of the memory, for [`account::Memories`].
pub type HubSpotMemories = account::Memories<HubSpotMemory>;
