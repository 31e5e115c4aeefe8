//! One pass over an account of either kind: is it in use, what is due, what
//! follows for its conditions, the sync loops, its events and its status.

use std::sync::Arc;

use kube::Resource;

use super::broken;
use super::kind::{AccountKind, AccountMemory, CommonStatus};
use super::state_store::StateStore;
use crate::api::Condition;
use crate::api::reasons::{condition, event, reason};
use crate::controller::shared::apply::{add_finalizer, apply_status, has_finalizer, remove_finalizer};
use crate::controller::shared::context::Context;
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::{Action, Reconciler};
use crate::controller::shared::recorder::Severity;
use crate::controller::shared::references;
use crate::domain::account_state::{self, AccountObservation};
use crate::domain::conditions::{Conditions, ready_label};
use crate::domain::ids::ObjectKey;
use crate::domain::time::later;
use crate::domain::transitions::{Announcement, announcements};
use crate::registry::{Account, Readiness};

/// The controller of accounts of one kind, with what it remembers of them.
pub struct AccountController<A: AccountKind> {
    memories: StateStore<A::Memory>,
}

impl<A: AccountKind> Default for AccountController<A> {
    fn default() -> Self {
        Self {
            memories: StateStore::default(),
        }
    }
}

impl<A: AccountKind> Reconciler for AccountController<A> {
    type Object = A::Object;

    async fn reconcile(&self, object: Arc<A::Object>, ctx: Arc<Context>) -> Result<Action, Error> {
        let mut memory = self.memories.take_state(object.as_ref());
        let result = self.run_pass(&ctx, &object, &mut memory).await;
        drop(memory);
        let key = object.key();
        if A::cache_of(&ctx.caches).get(&key).is_none() {
            // It went while we worked: what this pass has left behind must go too.
            self.object_gone(&key, &ctx);
        }
        result
    }

    fn object_gone(&self, key: &ObjectKey, ctx: &Context) {
        let account = A::as_account(key.clone());
        self.memories.forget(key);
        ctx.rereads.forget_account(&account);
        if let Account::Google(key) = &account {
            ctx.google_reads.forget_account(key);
        }
        ctx.registry.remove_account(&account);
        ctx.wake_events_of(&account);
    }
}

impl<A: AccountKind> AccountController<A> {
    async fn run_pass(&self, ctx: &Context, object: &A::Object, memory: &mut A::Memory) -> Result<Action, Error> {
        let key = object.key();
        let account = A::as_account(key.clone());
        let users = references::events_using(ctx, &account);
        if object.is_deleting() && users.is_empty() {
            self.object_gone(&key, ctx);
            remove_finalizer(ctx, object).await?;
            return Ok(Action::await_change());
        }
        keep_finalizer(ctx, object, !users.is_empty()).await?;
        let change = memory.state_mut().user_change(object, ctx.clock.now());
        A::check_account(ctx, object, memory, change).await?;
        let view = A::build_view(ctx, object, memory);
        let (conditions, shown) = account_conditions::<A>(ctx, object, memory, &view, &users);
        hand_over::<A>(ctx, object, memory, &view, shown);
        if let Some(begun) = memory.state_mut().take_asked() {
            ctx.rereads.record_read(&ctx.registry, &account, begun);
        }
        let common = CommonStatus {
            users: &users,
            conditions: &conditions,
        };
        let (status, more) = A::build_status(ctx, object, memory, &view, &common).await;
        write_status(ctx, object, &status, &conditions, &more).await?;
        if A::is_suspended(object) {
            return Ok(Action::await_change());
        }
        let now = ctx.clock.now();
        let due = A::next_read(ctx, &key, memory, &view);
        let asked = ctx.rereads.due_in(&account).map(|left| later(now, left));
        let due = due.into_iter().chain(asked).min();
        Ok(memory.account_state().requeue_action(now, &ctx.settings, due))
    }
}

/// The conditions, and whether the account can be used as far as they are about itself.
fn account_conditions<A: AccountKind>(
    ctx: &Context,
    object: &A::Object,
    memory: &A::Memory,
    view: &A::View,
    users: &[String],
) -> (Vec<Condition>, Readiness) {
    let summary = A::summarize(object, memory, view);
    let observed = AccountObservation {
        what: &summary.what,
        previous: object.conditions(),
        generation: object.meta().generation,
        now: ctx.clock.now(),
        suspended: A::is_suspended(object),
        deleting: object.is_deleting(),
        users,
        known: summary.known,
        health: &memory.account_state().health,
        threshold: ctx.settings.failure_threshold,
        remark: summary.remark.as_deref(),
    };
    let mut conditions: Conditions = account_state::conditions_for(&observed);
    let shown = to_readiness(conditions.get(condition::READY), A::is_suspended(object));
    if let Some(broke) = ctx.registry.broken_loop(&A::as_account(object.key())) {
        account_state::add_broken_loop(&mut conditions, &broken::broken_message(&broke));
    }
    account_state::add_deletion(&mut conditions, &observed);
    A::add_conditions(memory, &mut conditions);
    (conditions.into_sorted(), shown)
}

/// Tells the sync loops and the events.
fn hand_over<A: AccountKind>(ctx: &Context, object: &A::Object, memory: &A::Memory, view: &A::View, shown: Readiness) {
    let account: Account = A::as_account(object.key());
    let before = ctx.registry.shown_readiness(&account);
    if !A::is_usable(view) {
        // Nobody can work with it, but its events say why.
        let changed = before.as_ref() != Some(&shown);
        ctx.registry.set_trial(&account, Some(shown));
        if changed {
            ctx.wake_events_of(&account);
        }
        return;
    }
    let broke = ctx.registry.broken_loop(&account);
    let broken = broken::readiness_to_show(&memory.account_state().health, &shown, broke.as_ref());
    let for_loops = if broken.is_some() { Readiness::Ready } else { shown };
    // What people are shown comes first: for no moment an account is Ready to them that is so for the loops only.
    ctx.registry.set_trial(&account, broken);
    let changed = A::register_account(ctx, object, memory, view, for_loops);
    if changed || before != ctx.registry.shown_readiness(&account) {
        ctx.wake_events_of(&account);
    }
}

/// Keeps the finalizer while the account is in use, and only then.
async fn keep_finalizer<K: Object>(ctx: &Context, object: &K, in_use: bool) -> Result<(), Error> {
    match (in_use, has_finalizer(object.meta())) {
        (true, false) if !object.is_deleting() => add_finalizer(ctx, object).await.map(drop),
        (false, true) => remove_finalizer(ctx, object).await,
        _ => Ok(()),
    }
}

/// What sync loops and events work by, from what Ready says.
fn to_readiness(ready: Option<&Condition>, suspended: bool) -> Readiness {
    if suspended {
        return Readiness::Suspended;
    }
    match ready {
        Some(ready) if ready.status == "True" => Readiness::Ready,
        Some(ready) => Readiness::NotReady {
            reason: ready.reason.clone(),
            message: ready.message.clone(),
        },
        None => Readiness::NotReady {
            reason: reason::PROGRESSING.to_owned(),
            message: "Not checked yet.".to_owned(),
        },
    }
}

/// Writes the status if it changed, and publishes Kubernetes Events about what changed in it.
async fn write_status<K: Object>(
    ctx: &Context,
    object: &K,
    wanted: &K::Status,
    conditions: &[Condition],
    more: &[Announcement],
) -> Result<(), Error> {
    let request = object.open_request().map(str::to_owned);
    let before = object.conditions().to_vec();
    apply_status(ctx, object, wanted).await?;
    for change in announcements(&before, conditions).iter().chain(more) {
        ctx.recorder
            .publish(object, change.into(), &change.reason, &change.message)
            .await;
    }
    if let Some(request) = request {
        let note = format!("{} was reconciled as requested at {request}.", object.key().name);
        ctx.recorder
            .publish(object, Severity::Normal, event::RECONCILE_REQUEST_HANDLED, &note)
            .await;
    }
    ctx.metrics.set_object(K::KIND, &object.key(), ready_label(conditions));
    Ok(())
}
