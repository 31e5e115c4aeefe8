//! What the controllers of both account kinds share: memory between passes, the meaning of upstream errors, and the end
//! of a pass.

mod fault;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::apply::{add_finalizer, has_finalizer, remove_finalizer, status};
use super::context::{Context, Settings, spread};
use super::events::Severity;
use super::secrets::SecretVersion;
use super::{Action, Error, Object};
use crate::api::Condition;
use crate::api::reasons::{condition, event, reason};
use crate::domain::account_state::{Announcement, announcements};
use crate::domain::account_trouble::{Fault, FaultKind, Trouble, later};
use crate::domain::conditions::find;
use crate::domain::ids::ObjectKey;
use crate::sync::ports::UpstreamError;
use crate::sync::registry::Readiness;

pub use fault::fault;

/// A refused token reported this soon after the clients were made belongs to the clients before.
const OLD_CLIENTS: SignedDuration = SignedDuration::from_secs(60);

/// How long Kubernetes must refuse a Secret to be believed: an API server that has just started refuses for a moment what
/// it will allow.
const REFUSED: Duration = Duration::from_secs(15);

/// An answer this young is not asked for again because of a reconcile request.
const FRESH: SignedDuration = SignedDuration::from_secs(2);

/// What is remembered about accounts of one kind between two passes. Lost in a restart: it is found out anew.
#[derive(Debug)]
pub struct Memories<M>(Mutex<HashMap<ObjectKey, (String, M)>>);

impl<M> Default for Memories<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: Default> Memories<M> {
    fn with<T>(&self, f: impl FnOnce(&mut HashMap<ObjectKey, (String, M)>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the memory of an object out; a fresh one where it is another object of the same name.
    pub(super) fn take<K: Object>(&self, object: &K) -> M {
        let found = self.with(|all| all.remove(&object.key()));
        found
            .filter(|(uid, _)| *uid == object.id())
            .map(|(_, memory)| memory)
            .unwrap_or_default()
    }

    /// Puts it back after the pass.
    pub(super) fn put<K: Object>(&self, object: &K, memory: M) {
        self.with(|all| all.insert(object.key(), (object.id(), memory)));
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.with(|all| all.remove(key));
    }
}

/// What somebody did since the last pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acted {
    /// The manifest is another one.
    pub manifest: bool,
    /// Somebody asked for work now.
    pub request: bool,
}

impl Acted {
    /// Either.
    pub const fn any(self) -> bool {
        self.manifest || self.request
    }
}

/// The part of the memory that both kinds have.
#[derive(Debug, Default)]
pub struct Basics {
    generation: Option<i64>,
    request: Option<String>,
    secret: Option<SecretVersion>,
    /// Since when Kubernetes refuses the Secret.
    refused: Option<Instant>,
    /// What is wrong.
    pub trouble: Trouble,
    /// When the service was last asked.
    pub checked: Option<Timestamp>,
    /// When the clients were made.
    pub connected: Option<Timestamp>,
}

impl Basics {
    /// What somebody did since the last pass. In the first pass the manifest counts as changed.
    pub fn acted<K: Object>(&mut self, object: &K, now: Timestamp) -> Acted {
        let generation = object.meta().generation;
        let request = object.requested_at().map(str::to_owned);
        // Somebody who asks many times a second gets an answer that is at most two seconds old.
        let fresh = self.checked.is_some_and(|at| now.duration_since(at) < FRESH);
        let acted = Acted {
            manifest: self.generation != generation,
            request: self.request != request && !fresh,
        };
        self.generation = generation;
        self.request = request;
        acted
    }

    /// True where the token was refused. Clients may remember that for good: they are made anew before another try.
    pub fn token_refused(&self) -> bool {
        self.trouble
            .fault()
            .is_some_and(|fault| fault.kind == FaultKind::Credentials)
    }

    /// True where the Secret is another version than in the last pass.
    pub fn secret_changed(&mut self, version: &SecretVersion) -> bool {
        self.refused = None;
        let changed = self.secret.as_ref() != Some(version);
        self.secret = Some(version.clone());
        changed
    }

    /// True where Kubernetes refuses the Secret, and has not done so for long enough to be believed.
    pub fn may_pass(&mut self, fault: &Fault, now: Instant) -> bool {
        if fault.kind != FaultKind::Unreadable {
            self.refused = None;
            return false;
        }
        let since = *self.refused.get_or_insert(now);
        now.saturating_duration_since(since) < REFUSED
    }

    /// The Secret cannot be used: clients are made anew once it can.
    pub fn secret_failed(&mut self, fault: Fault, now: Timestamp) {
        self.secret = None;
        self.trouble.failed(fault, now);
    }

    /// The sync loops were refused. True where that is a reason to check at once.
    pub fn reported(&mut self, error: &UpstreamError, now: Timestamp, hold: Duration) -> bool {
        let fault = fault(error);
        let fresh = self.connected.is_some_and(|at| now.duration_since(at) < OLD_CLIENTS);
        if fault.kind == FaultKind::Credentials && fresh {
            return false;
        }
        self.trouble.report(fault, now, hold);
        true
    }

    /// True where the service may be asked now.
    pub fn may_check(&self, now: Timestamp, settings: &Settings) -> bool {
        self.next_check(settings).is_none_or(|at| at <= now)
    }

    fn next_check(&self, settings: &Settings) -> Option<Timestamp> {
        self.trouble
            .next_check(settings.stalled_probe_interval, settings.backoff_max)
    }

    /// When to look again: at the next check of the Secret, or earlier where something is due.
    pub fn requeue(&self, now: Timestamp, settings: &Settings, due: Option<Timestamp>) -> Action {
        let threshold = self
            .trouble
            .since()
            .map(|since| later(since, settings.failure_threshold))
            .filter(|t| *t > now);
        let turn = self.trouble.next_turn(settings.stalled_probe_interval);
        let due = self.next_check(settings).or(due);
        let next = [threshold, turn, due].into_iter().flatten().min();
        let until = next.map(|t| {
            t.duration_since(now)
                .max(SignedDuration::from_millis(50))
                .unsigned_abs()
        });
        let check = spread(settings.account_check_interval);
        Action::requeue(until.map_or(check, |until| until.min(check)))
    }
}

/// Keeps the finalizer while the account is in use, and only then.
pub async fn keep_finalizer<K: Object>(ctx: &Context, object: &K, in_use: bool) -> Result<(), Error> {
    match (in_use, has_finalizer(object)) {
        (true, false) if !object.deleting() => add_finalizer(ctx, object).await.map(drop),
        (false, true) => remove_finalizer(ctx, object).await,
        _ => Ok(()),
    }
}

/// What the sync loops and events are told, from what the status says.
pub fn readiness(conditions: &[Condition], suspended: bool) -> Readiness {
    if suspended {
        return Readiness::Suspended;
    }
    match find(conditions, condition::READY) {
        Some(ready) if ready.status == "True" => Readiness::Ready,
        Some(ready) => Readiness::NotReady {
            reason: ready.reason.clone(),
            message: ready.message.clone(),
        },
        None => Readiness::NotReady {
            reason: reason::PROGRESSING.to_owned(),
            message: "Not looked at yet.".to_owned(),
        },
    }
}

/// Writes the status where it changed, and tells people what flipped.
pub async fn finish<K: Object>(
    ctx: &Context,
    object: &K,
    wanted: &K::Status,
    conditions: &[Condition],
    more: &[Announcement],
) -> Result<(), Error> {
    let request = object.open_request().map(str::to_owned);
    let before = object.conditions().to_vec();
    status(ctx, object, wanted).await?;
    for told in announcements(&before, conditions).iter().chain(more) {
        let severity = if told.warning {
            Severity::Warning
        } else {
            Severity::Normal
        };
        ctx.events.publish(object, severity, &told.reason, &told.message).await;
    }
    if let Some(request) = request {
        let note = format!("The reconcile request {request} was acted upon.");
        ctx.events
            .publish(object, Severity::Normal, event::RECONCILE_REQUEST_HANDLED, &note)
            .await;
    }
    let ready = match find(conditions, condition::READY).map(|c| c.status.as_str()) {
        Some("True") => "True",
        Some("False") => "False",
        _ => "Unknown",
    };
    ctx.metrics.object(K::KIND, &object.key(), ready);
    Ok(())
}

/// True where something read at `last` is `interval` old, or was never read.
pub fn is_due(last: Option<Timestamp>, interval: Duration, now: Timestamp) -> bool {
    last.is_none_or(|at| later(at, interval) <= now)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sync::ports::Cause;

    #[test]
    fn a_refused_token_of_the_clients_before_is_not_believed() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let hold = Duration::from_mins(10);
        let mut basics = Basics {
            connected: Some(now),
            ..Basics::default()
        };
        let refused = UpstreamError::new("HubSpot", Cause::CredentialsRejected, "no");
        assert!(!basics.reported(&refused, now + SignedDuration::from_secs(59), hold));
        assert!(basics.trouble.fault().is_none());
        assert!(basics.reported(&refused, now + SignedDuration::from_secs(60), hold));
        assert!(basics.trouble.fault().is_some());
    }

    #[test]
    fn a_secret_that_kubernetes_refuses_is_believed_once_it_lasts() {
        let (mut basics, begin) = (Basics::default(), Instant::now());
        let refused = Fault::new(FaultKind::Unreadable, "AccessDenied", "no");
        assert!(basics.may_pass(&refused, begin));
        assert!(basics.may_pass(&refused, begin + Duration::from_secs(14)));
        assert!(!basics.may_pass(&refused, begin + Duration::from_secs(15)));
        let missing = Fault::new(FaultKind::Credentials, "SecretNotFound", "none");
        assert!(
            !basics.may_pass(&missing, begin),
            "a matter of the user's is told at once"
        );
        assert!(
            basics.may_pass(&refused, begin + Duration::from_secs(16)),
            "begins anew"
        );
    }

    #[test]
    fn due_means_never_or_long_ago() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let minute = Duration::from_mins(1);
        assert!(is_due(None, minute, now));
        assert!(is_due(Some(now - SignedDuration::from_secs(60)), minute, now));
        assert!(!is_due(Some(now - SignedDuration::from_secs(59)), minute, now));
    }
}
