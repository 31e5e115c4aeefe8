//! The controller of `GoogleAdsAccount`: credentials, one snapshot of the account's configuration for all its events, and
//! what stands in their way.

mod read;
mod status;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::{Action, Error, Object, Reconciler};
use crate::api::reasons::{condition, reason};
use crate::api::{GoogleAdsAccount, Uploads};
use crate::controller::shared::account;
use crate::controller::shared::account::{Basics, broken, finish, keep_finalizer, readiness};
use crate::controller::shared::apply::remove_finalizer;
use crate::controller::shared::context::Context;
use crate::controller::shared::{log, references, rereads, secrets};
use crate::domain::account_state::{self, Observed};
use crate::domain::account_trouble::{Fault, FaultKind, later};
use crate::domain::ids::{CustomerId, ObjectKey};
use crate::ports::ads::{Attribution, Customer, Goal};
use crate::ports::{GoogleClients, GoogleCredentials, SecretData};
use crate::registry::{GoogleAccount, GoogleSnapshot, Readiness};

pub use read::{RefreshError, refresh_google_actions};

/// Controller of Google accounts.
#[derive(Debug, Clone, Copy)]
pub struct GoogleReconciler;

/// What is remembered about a Google account. No `Debug`: the clients hold tokens.
#[derive(Default)]
pub struct GoogleMemory {
    basics: Basics,
    clients: Option<GoogleClients>,
    customer: Option<(Customer, Timestamp)>,
    goals: Option<(Arc<Vec<Goal>>, Timestamp)>,
    attribution: Option<(Arc<Vec<Attribution>>, Timestamp)>,
    attribution_asked: Option<Timestamp>,
    stretch: read::Stretch,
    /// When a pass began that reads because somebody asked, until they are told that it is over.
    asked: Option<Instant>,
}

impl Reconciler for GoogleReconciler {
    type Object = GoogleAdsAccount;

    async fn reconcile(object: Arc<GoogleAdsAccount>, ctx: Arc<Context>) -> Result<Action, Error> {
        let mut memory = ctx.google_memories.take(object.as_ref());
        let result = pass(&ctx, &object, &mut memory).await;
        drop(memory);
        let key = object.key();
        if ctx.caches.google.get(&key).is_none() {
            // It went while we worked: what this pass has left behind must go too.
            Self::gone(&key, &ctx);
        }
        result
    }

    fn gone(key: &ObjectKey, ctx: &Context) {
        ctx.google_memories.forget(key);
        ctx.rereads.forget_account(&rereads::Account::Google(key.clone()));
        ctx.registry.remove_google(key);
        ctx.wake_events_of_google(key);
    }
}

async fn pass(ctx: &Context, object: &GoogleAdsAccount, memory: &mut GoogleMemory) -> Result<Action, Error> {
    let key = object.key();
    let users = references::of_google(ctx, &key);
    if object.deleting() && users.is_empty() {
        GoogleReconciler::gone(&key, ctx);
        remove_finalizer(ctx, object).await?;
        return Ok(Action::await_change());
    }
    keep_finalizer(ctx, object, !users.is_empty()).await?;
    let acted = memory.basics.acted(object, ctx.clock.now());
    let identity = identity(object);
    if let (false, Ok((customer, login))) = (object.spec.suspend, &identity) {
        check(ctx, object, memory, (customer, login.as_ref()), acted).await?;
    } else if let Err(fault) = &identity {
        memory.basics.trouble.failed(fault.clone(), ctx.clock.now());
    }
    let now = ctx.clock.now();
    let snapshot = ctx.registry.google(&key).and_then(|account| account.snapshot);
    let snapshot = memory.snapshot(snapshot.as_deref());
    let what = what(object, memory);
    let observed = Observed {
        what: &what,
        previous: object.conditions(),
        generation: object.metadata.generation,
        now,
        suspended: object.spec.suspend,
        deleting: object.deleting(),
        users: &users,
        known: snapshot.is_some(),
        trouble: &memory.basics.trouble,
        threshold: ctx.settings.failure_threshold,
        remark: None,
    };
    let mut conditions = account_state::plan(&observed);
    let shown = readiness(conditions.get(condition::READY), object.spec.suspend);
    let broke = ctx.registry.google_broken(&key);
    if let Some(broke) = &broke {
        account_state::broken(&mut conditions, &broken::message(broke));
    }
    account_state::deletion(&mut conditions, &observed);
    if let Some((customer, _)) = &memory.customer {
        let enablement = customer.enablement.as_deref();
        account_state::google(&mut conditions, customer.accepted_customer_data_terms, enablement);
    }
    let conditions = conditions.finish();
    if let Ok((customer, login)) = identity {
        hand_over(
            ctx,
            memory,
            &key,
            (customer, login, object.spec.uploads),
            snapshot.clone(),
            shown,
        );
    }
    let account = rereads::Account::Google(key.clone());
    if let Some(begun) = memory.asked.take() {
        ctx.rereads.answered(&ctx.registry, &account, begun);
    }
    let (status, told) = status::build(ctx, object, memory, snapshot.as_deref(), &users, &conditions).await;
    finish(ctx, object, &status, &conditions, &told).await?;
    if object.spec.suspend {
        return Ok(Action::await_change());
    }
    let now = ctx.clock.now();
    let due = read::next_due(ctx, &key, memory, snapshot.as_deref());
    let asked = ctx.rereads.due_in(&account).map(|left| later(now, left));
    Ok(memory
        .basics
        .requeue(now, &ctx.settings, due.into_iter().chain(asked).min()))
}

/// The schema refuses malformed ids; this is for objects older than the schema.
fn identity(object: &GoogleAdsAccount) -> Result<(CustomerId, Option<CustomerId>), Fault> {
    let parse = |text: &str| {
        text.parse::<CustomerId>()
            .map_err(|error| Fault::new(FaultKind::Denied, reason::INVALID_SPEC, format!("{error}.")))
    };
    let login = object.spec.login_customer_id.as_deref().map(parse).transpose()?;
    Ok((parse(&object.spec.customer_id)?, login))
}

fn what(object: &GoogleAdsAccount, memory: &GoogleMemory) -> String {
    let id = &object.spec.customer_id;
    match memory
        .customer
        .as_ref()
        .and_then(|(customer, _)| customer.descriptive_name.as_deref())
    {
        Some(name) => format!("Google Ads account {id} ({name})"),
        None => format!("Google Ads account {id}"),
    }
}

/// Reads the Secret, and of Google what is due. What goes wrong upstream is noted in the memory.
async fn check(
    ctx: &Context,
    object: &GoogleAdsAccount,
    memory: &mut GoogleMemory,
    (customer, login): (&CustomerId, Option<&CustomerId>),
    acted: account::Acted,
) -> Result<(), Error> {
    let key = object.key();
    let asked = acted.wants_another_read(ctx, &rereads::Account::Google(key.clone()));
    memory.asked = asked.then(Instant::now);
    let mut data: Option<SecretData> = None;
    let mut other_clients = acted.manifest;
    let secret = object.spec.credentials_secret_ref.as_ref().map(|r| r.name.as_str());
    memory.basics.uses(secret);
    if let Some(reference) = &object.spec.credentials_secret_ref {
        match secrets::read(ctx, &key.namespace, &reference.name).await? {
            Ok(secret) => {
                other_clients |= memory.basics.secret_changed(&secret.version);
                data = Some(secret.data);
            }
            Err(fault) if memory.basics.may_pass(&fault, Instant::now()) => {
                return Err(Error::Refused { what: "read Secret" });
            }
            Err(fault) => {
                memory.clients = None;
                memory.basics.secret_failed(fault, ctx.clock.now());
                return Ok(());
            }
        }
    }
    let now = ctx.clock.now();
    let probe = ctx.settings.stalled_probe_interval;
    let reported = ctx.registry.take_google_fault(&key);
    let acted = acted.request || other_clients;
    let mut urgent = acted;
    if acted {
        memory.basics.trouble.acted();
    } else if let Some(error) = reported {
        urgent = memory.basics.reported(&error, now, probe);
    }
    memory.basics.trouble.turn(now, probe, last_upload(ctx, &key));
    let refused = ctx.registry.take_google_refused(&key);
    if !acted && !memory.basics.may_check_asked(asked, now, &ctx.settings) {
        return Ok(());
    }
    if other_clients || memory.basics.token_refused() {
        memory.clients = None;
    }
    let clients = match memory.clients.clone() {
        Some(clients) => clients,
        None => match ctx
            .google
            .connect(credentials(data.as_ref(), &key), login.cloned())
            .await
        {
            Ok(clients) => {
                memory.basics.connected = Some(now);
                if other_clients {
                    log::account_changed(object);
                }
                memory.clients.insert(clients).clone()
            }
            Err(why) => {
                let fault = match secret {
                    Some(name) => secrets::invalid(&key.namespace, name, &data.unwrap_or_default(), &why),
                    None => Fault::new(FaultKind::Credentials, reason::SECRET_INVALID, format!("{why}.")),
                };
                memory.basics.failed(fault, now);
                return Ok(());
            }
        },
    };
    let all = acted || asked || refused;
    read::read(ctx, &key, customer, &clients, memory, all, urgent).await;
    Ok(())
}

fn credentials<'a>(secret: Option<&'a SecretData>, account: &'a ObjectKey) -> GoogleCredentials<'a> {
    match secret {
        Some(secret) => GoogleCredentials::Secret(secret),
        None => GoogleCredentials::Ambient {
            namespace: &account.namespace,
        },
    }
}

/// When an upload of this account last went through: the proof that what was refused works again.
fn last_upload(ctx: &Context, key: &ObjectKey) -> Option<Timestamp> {
    let events = ctx.registry.events_of_google(key);
    events
        .iter()
        .filter_map(|event| ctx.registry.report(&event.key).upload.last_success)
        .max()
}

impl GoogleMemory {
    /// The snapshot as it is now: actions from the registry, where event controllers refresh them too, the rest from here.
    fn snapshot(&self, registered: Option<&GoogleSnapshot>) -> Option<Arc<GoogleSnapshot>> {
        let ((customer, _), (goals, _), registered) = (self.customer.as_ref()?, self.goals.as_ref()?, registered?);
        if customer.conversion_customer != registered.customer.conversion_customer {
            return None;
        }
        let (actions, read_at) = (Arc::clone(&registered.actions), registered.read_at);
        Some(Arc::new(GoogleSnapshot {
            customer: customer.clone(),
            actions,
            goals: Arc::clone(goals),
            attribution: self.attribution.clone(),
            read_at,
        }))
    }
}

/// Tells the sync loops and the events.
fn hand_over(
    ctx: &Context,
    memory: &GoogleMemory,
    key: &ObjectKey,
    (customer, login, uploads): (CustomerId, Option<CustomerId>, Uploads),
    snapshot: Option<Arc<GoogleSnapshot>>,
    shown: Readiness,
) {
    let before = ctx.registry.google_shown(key);
    let broke = ctx.registry.google_broken(key);
    let told = broken::told_apart(&memory.basics.trouble, &shown, broke.as_ref());
    let trying = told.is_some();
    ctx.registry.set_google_trial(key, told);
    let changed = ctx.registry.set_google(GoogleAccount {
        key: key.clone(),
        customer,
        login,
        uploads,
        clients: memory.clients.clone(),
        readiness: if trying { Readiness::Ready } else { shown },
        snapshot,
    });
    if changed || before != ctx.registry.google_shown(key) {
        ctx.wake_events_of_google(key);
    }
}

/// The account's part of the memory, for [`account::Memories`].
pub type GoogleMemories = account::Memories<GoogleMemory>;
