//! What the controllers of both account kinds share: memory between passes, the meaning of upstream errors, and the end
//! of a pass.

mod acted;
pub mod broken;
mod fault;
mod state_store;

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::apply::{add_finalizer, has_finalizer, remove_finalizer, status};
use super::context::{Context, Settings, spread};
use super::secrets::SecretVersion;
use crate::api::Condition;
use crate::api::reasons::{condition, event, reason};
use crate::controller::shared::recorder::Severity;
use crate::controller::{Action, Error, Object};
use crate::domain::account_trouble::{Fault, FaultKind, Trouble, later};
use crate::domain::conditions::find;
use crate::domain::transitions::{Announcement, announcements};
use crate::ports::UpstreamError;
use crate::registry::Readiness;
use fault::Used;

pub use acted::Acted;
pub use fault::fault;
pub use state_store::Memories;

/// A refused token reported this soon after the clients were made belongs to the clients before.
const OLD_CLIENTS: SignedDuration = SignedDuration::from_secs(60);

/// How long Kubernetes must refuse a Secret to be believed: an API server that has just started refuses for a moment what
/// it will allow.
const REFUSED: Duration = Duration::from_secs(15);

/// An answer this young is not asked for again because of a reconcile request.
const FRESH: SignedDuration = SignedDuration::from_secs(2);

/// Where the credentials come from.
#[derive(Debug, Default, PartialEq, Eq)]
enum Source {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// The operator's own.
    Own,
    /// The Secret of this name.
    Secret(String),
}

/// The part of the memory that both kinds have.
#[derive(Debug, Default)]
pub struct Basics {
    generation: Option<i64>,
    request: Option<String>,
    secret: Option<SecretVersion>,
    source: Source,
    /// The credentials in use have worked.
    proven: Option<bool>,
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
        let asked = self.request != request;
        let acted = Acted {
            manifest: self.generation != generation,
            request: asked && !fresh,
            hasty: asked && fresh,
        };
        self.generation = generation;
        self.request = request;
        // The process before may have seen these credentials work.
        self.proven.get_or_insert_with(|| have_worked(object.conditions()));
        acted
    }

    /// From now on the credentials are those of this Secret; `None`: the operator's own.
    pub fn uses(&mut self, secret: Option<&str>) {
        let source = secret.map_or(Source::Own, |name| Source::Secret(name.to_owned()));
        if self.source != Source::Unknown && self.source != source {
            self.secret = None;
            self.proven = Some(false);
        }
        self.source = source;
    }

    /// What an error of the account's own check means.
    pub fn fault(&self, error: &UpstreamError) -> Fault {
        fault(error, self.used(self.proven == Some(true)))
    }

    fn used(&self, proven: bool) -> Used<'_> {
        Used {
            secret: match &self.source {
                Source::Secret(name) => Some(name),
                Source::Unknown | Source::Own => None,
            },
            proven,
        }
    }

    /// The account's own check went through.
    pub fn succeeded(&mut self) {
        self.proven = Some(true);
        self.trouble.succeeded();
    }

    /// The account's own check failed.
    pub fn failed(&mut self, fault: Fault, now: Timestamp) {
        // Who is denied something, or asks too often, is known.
        if matches!(fault.kind, FaultKind::Denied | FaultKind::Limited)
            && fault.reason != reason::UNSUPPORTED_API_VERSION
        {
            self.proven = Some(true);
        }
        self.trouble.failed(fault, now);
    }

    /// True where the token was refused. Clients may remember that for good: new ones are made before another try.
    pub fn token_refused(&self) -> bool {
        self.trouble
            .fault()
            .is_some_and(|fault| fault.kind == FaultKind::Credentials)
    }

    /// True where the Secret is another version than in the last pass.
    pub fn secret_changed(&mut self, version: &SecretVersion) -> bool {
        self.refused = None;
        let changed = self.secret.as_ref() != Some(version);
        if changed && self.secret.is_some() {
            self.proven = Some(false);
        }
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

    /// The Secret cannot be used: new clients are made once it can.
    pub fn secret_failed(&mut self, fault: Fault, now: Timestamp) {
        self.secret = None;
        if fault.kind == FaultKind::Credentials {
            self.proven = Some(false);
        }
        self.trouble.failed(fault, now);
    }

    /// The sync loops were refused. True where that is a reason to check at once.
    pub fn reported(&mut self, error: &UpstreamError, now: Timestamp, hold: Duration) -> bool {
        // They worked with clients that the account's own check had found good.
        let fault = fault(error, self.used(true));
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

    /// As [`Self::may_check`]; where somebody `asked`, only a quota keeps it from being asked.
    pub fn may_check_asked(&self, asked: bool, now: Timestamp, settings: &Settings) -> bool {
        self.may_check(now, settings) || asked && self.trouble.limit().is_none()
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

/// True where the conditions say that credentials have worked at some time.
fn have_worked(conditions: &[Condition]) -> bool {
    find(conditions, condition::CREDENTIALS_VALID).is_some_and(|c| {
        c.status == "True" || [reason::TOKEN_REVOKED, reason::TOKEN_EXPIRED].contains(&c.reason.as_str())
    })
}

/// What the sync loops and events are told, from what Ready says.
pub fn readiness(ready: Option<&Condition>, suspended: bool) -> Readiness {
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

/// Writes the status where it changed, and publishes Kubernetes Events about what changed in it.
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
        let note = format!("{} was reconciled as requested at {request}.", object.key().name);
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
    use crate::ports::Cause;

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
            "a mistake of the user's is reported at once"
        );
        assert!(
            basics.may_pass(&refused, begin + Duration::from_secs(16)),
            "begins again"
        );
    }

    fn version(number: &str) -> SecretVersion {
        SecretVersion::new("uid", number)
    }

    fn refused_by(basics: &Basics) -> String {
        basics
            .fault(&UpstreamError::new("HubSpot", Cause::CredentialsRejected, "no"))
            .reason
    }

    #[test]
    fn a_token_is_revoked_only_after_it_has_worked() {
        let mut basics = Basics::default();
        basics.uses(Some("hubspot"));
        basics.secret_changed(&version("1"));
        assert_eq!(refused_by(&basics), "SecretInvalid");
        basics.succeeded();
        assert_eq!(refused_by(&basics), "TokenRevoked");
        basics.secret_changed(&version("2"));
        assert_eq!(refused_by(&basics), "SecretInvalid", "another token");
        let denied = Fault::new(FaultKind::Denied, "MissingScope", "no");
        basics.failed(denied, Timestamp::UNIX_EPOCH);
        assert_eq!(refused_by(&basics), "TokenRevoked", "the service knew it");
        basics.uses(Some("other"));
        assert_eq!(refused_by(&basics), "SecretInvalid");
    }

    #[test]
    fn the_process_before_may_have_seen_the_token_work() {
        let said = |status: &str, reason: &str| {
            let condition = Condition {
                type_: condition::CREDENTIALS_VALID.into(),
                status: status.into(),
                reason: reason.into(),
                message: String::new(),
                observed_generation: None,
                last_transition_time: crate::api::Time(Timestamp::UNIX_EPOCH),
            };
            have_worked(&[condition])
        };
        assert!(said("True", "TokenRefreshed") && said("False", "TokenRevoked"));
        assert!(!said("False", "SecretInvalid") && !said("Unknown", "Progressing") && !have_worked(&[]));
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
