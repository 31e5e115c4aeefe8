//! The controller of `HubSpotAccount`: credentials, the portal behind
//! them, its stages and properties, and what stands in their way.

mod interval;
mod lists;
mod memory;
pub mod once;
mod read;
mod status;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::interval::Interval;
use self::memory::HubSpotMemory;
use self::read::{PortalSnapshot, WantedLists};
use crate::api::HubSpotAccount as Manifest;
use crate::api::reasons::reason;
use crate::controller::shared::account::controller::AccountController;
use crate::controller::shared::account::kind::{AccountKind, AccountSummary, CommonStatus, StatusUpdate};
use crate::controller::shared::account::user_change::UserChange;
use crate::controller::shared::context::{Cache, Caches, Context};
use crate::controller::shared::error::Error;
use crate::controller::shared::log;
use crate::controller::shared::object::Object;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::ports::crm::Crm;
use crate::registry::{Account, HubSpotAccount, Readiness};

/// The controller of HubSpot accounts.
pub type HubSpotController = AccountController<HubSpotKind>;

/// Accounts of HubSpot.
pub struct HubSpotKind;

impl AccountKind for HubSpotKind {
    type Object = Manifest;
    type Memory = HubSpotMemory;
    type View = Interval;

    fn as_account(key: ObjectKey) -> Account {
        Account::HubSpot(key)
    }

    fn cache_of(caches: &Caches) -> &Cache<Manifest> {
        &caches.hubspot
    }

    fn is_suspended(object: &Manifest) -> bool {
        object.spec.suspend
    }

    async fn check_account(
        ctx: &Context,
        object: &Manifest,
        memory: &mut HubSpotMemory,
        change: UserChange,
    ) -> Result<(), Error> {
        if object.spec.suspend {
            return Ok(());
        }
        read_account(ctx, object, memory, change).await
    }

    fn build_view(ctx: &Context, object: &Manifest, _: &HubSpotMemory) -> Interval {
        Interval::from_spec(object, ctx.settings.min_interval)
    }

    fn summarize(object: &Manifest, memory: &HubSpotMemory, interval: &Interval) -> AccountSummary {
        AccountSummary {
            what: described_as(object, memory),
            // With a client that has opened nothing yet nothing is read, whatever is known.
            known: memory.snapshot.is_some() && memory.verified,
            remark: remark_on(memory, interval),
        }
    }

    fn register_account(
        ctx: &Context,
        object: &Manifest,
        memory: &HubSpotMemory,
        interval: &Interval,
        readiness: Readiness,
    ) -> bool {
        let snapshot = memory.snapshot.as_deref();
        let account = to_registered(object, snapshot, interval.effective);
        ctx.registry.set_hubspot(HubSpotAccount {
            crm: memory.client.clone().filter(|_| memory.verified),
            readiness,
            ..account
        })
    }

    async fn build_status(
        ctx: &Context,
        object: &Manifest,
        memory: &HubSpotMemory,
        interval: &Interval,
        common: &CommonStatus<'_>,
    ) -> StatusUpdate<Self> {
        (
            status::compose_status(ctx, object, memory, common),
            interval.announce_raised(object),
        )
    }

    fn next_read(ctx: &Context, key: &ObjectKey, memory: &HubSpotMemory, _: &Interval) -> Option<Timestamp> {
        memory.next_read(ctx, key)
    }
}

/// The account as loops and events see it, without a client and not ready.
fn to_registered(object: &Manifest, snapshot: Option<&PortalSnapshot>, interval: Duration) -> HubSpotAccount {
    HubSpotAccount {
        key: object.key(),
        crm: None,
        readiness: Readiness::NotReady {
            reason: reason::PROGRESSING.to_owned(),
            message: "The account is being read.".to_owned(),
        },
        portal: snapshot.map(|s| s.portal.clone()),
        stages: snapshot.map(|s| Arc::clone(&s.stages)).unwrap_or_default(),
        properties: snapshot.map(|s| Arc::clone(&s.properties)).unwrap_or_default(),
        forms: snapshot.map(|s| s.forms.clone()).unwrap_or_default(),
        deals: snapshot.map(|s| s.deals.clone()).unwrap_or_default(),
        interval,
        default_region: object.spec.default_region.clone(),
    }
}

/// What people should know of the manifest, and of what could not be read.
fn remark_on(memory: &HubSpotMemory, interval: &Interval) -> Option<String> {
    let unread = memory.snapshot.as_ref().and_then(|snapshot| snapshot.unread.as_deref());
    let unread = unread.map(|what| {
        format!("HubSpot could not be asked again for {what}. What was read before still counts, and it is retried.")
    });
    let remarks: Vec<String> = interval.remark.clone().into_iter().chain(unread).collect();
    (!remarks.is_empty()).then(|| remarks.join(" "))
}

fn described_as(object: &Manifest, memory: &HubSpotMemory) -> String {
    match memory
        .snapshot
        .as_ref()
        .map(|snapshot| snapshot.portal.id)
        .map(|id| id.to_string())
    {
        Some(id) => format!("HubSpot portal {id}"),
        None => match object.spec.portal_id.or_else(|| object.status.as_ref()?.portal_id) {
            Some(id) => format!("HubSpot portal {id}"),
            None => "The HubSpot portal".to_owned(),
        },
    }
}

/// Reads the Secret, and of HubSpot what is due. What goes wrong upstream is noted in the memory.
async fn read_account(
    ctx: &Context,
    object: &Manifest,
    memory: &mut HubSpotMemory,
    change: UserChange,
) -> Result<(), Error> {
    let key = object.key();
    let account = Account::HubSpot(key.clone());
    let asked = memory.state.is_read_asked(ctx, change, &account);
    let name = &object.spec.credentials_secret_ref.name;
    memory.state.use_secret(Some(name));
    let Some(secret) = memory.state.read_secret(ctx, &key.namespace, name).await? else {
        memory.forget_client();
        return Ok(());
    };
    let other_secret = memory.state.secret_changed(&secret.version);
    if other_secret || change.manifest {
        log::account_changed(object);
    }
    let now = ctx.clock.now();
    let acted_now = change.is_any() || other_secret;
    if other_secret || change.manifest {
        memory.state.credentials_replaced(now);
    }
    let polled = ctx.registry.feed_report(&key).last_poll;
    let mut urgent = memory.state.begin_pass(ctx, &account, acted_now, polled);
    let allowed = acted_now || memory.state.may_check_asked(asked, now, &ctx.settings);
    let wanted = WantedLists {
        in_doubt: ctx.registry.take_scope_refused(&key),
        ..read::wanted_by_events(ctx, &key)
    };
    urgent |= wanted.in_doubt;
    let due = asked || memory.next_read(ctx, &key).is_none_or(|at| at <= now);
    let wrong = memory.state.health.failing_since().is_some();
    if other_secret || change.manifest || (allowed && memory.state.token_refused()) {
        memory.forget_client();
    }
    if !allowed || !(due || urgent || wrong || !memory.verified) {
        return Ok(());
    }
    let Some(client) = memory.connect_client(ctx, object, &secret.data, now).await else {
        return Ok(());
    };
    check_portal(ctx, object, memory, (client.as_ref(), &wanted), now).await
}

/// Reads the portal, and notes in the memory what it is or what went wrong.
async fn check_portal(
    ctx: &Context,
    object: &Manifest,
    memory: &mut HubSpotMemory,
    (client, wanted): (&dyn Crm, &WantedLists),
    now: Timestamp,
) -> Result<(), Error> {
    if memory.state.doubts_token() {
        client.drop_token().await;
    }
    let expected = read::KnownPortal {
        pin: read::remembered_pin(ctx, object, memory.snapshot.as_deref()).await?,
        currency: read::known_currency(object, memory.snapshot.as_deref()),
        lists: read::known_lists(object, memory.snapshot.as_deref()),
        heard: &mut memory.heard,
    };
    memory.state.checked = Some(now);
    match read::read_portal(client, expected, wanted, &memory.state, now).await {
        Ok(snapshot) => {
            memory.verified = true;
            memory.snapshot = Some(Arc::new(snapshot));
            memory.state.check_succeeded();
        }
        Err(fault) => {
            // Loops that read with this client would read another portal.
            memory.verified &= fault.reason != reason::PORTAL_MISMATCH;
            tracing::warn!(account = %object.key(), reason = fault.reason, "a HubSpot account could not be read: {}", brief(&fault.message));
            memory.state.check_failed(fault, ctx.clock.now());
        }
    }
    Ok(())
}
