//! What is remembered of an account of either kind between two passes: which credentials it uses, whether the service knows
//! them, what is wrong, and when to look again.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::fault::{CredentialUse, account_fault};
use super::user_change::UserChange;
use crate::api::Condition;
use crate::api::reasons::{condition, reason};
use crate::controller::shared::context::{Context, Settings, spread_pause};
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::controller::shared::reconciler::Action;
use crate::controller::shared::secrets::{self, ReadSecret, SecretVersion};
use crate::domain::account_health::{AccountFault, AccountHealth, FaultKind};
use crate::domain::conditions::find_condition;
use crate::domain::time::later;
use crate::ports::{Cause, UpstreamError};
use crate::registry::Account;

/// A refused token reported this soon after the clients were made may be that of the clients before: the account's own check
/// tells.
const OLD_CLIENTS: SignedDuration = SignedDuration::from_secs(60);
/// Such reports ask for a check no more often than this.
const REPORTED_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// How long Kubernetes must refuse a Secret to be believed: an API server that has just started refuses for a moment what
/// it will allow.
const REFUSED: Duration = Duration::from_secs(15);

/// An answer this young is not asked for again because of a reconcile request.
const FRESH: SignedDuration = SignedDuration::from_secs(2);

/// Where the credentials come from.
#[derive(Debug, Default, PartialEq, Eq)]
enum CredentialSource {
    /// Not looked at yet.
    #[default]
    Unknown,
    /// The operator's own.
    Own,
    /// The Secret of this name.
    Secret(String),
}

/// What is remembered of an account of either kind.
#[derive(Debug, Default)]
pub struct AccountState {
    generation: Option<i64>,
    request: Option<String>,
    secret: Option<SecretVersion>,
    source: CredentialSource,
    /// The service knows the credentials in use.
    proven: Option<bool>,
    /// Since when Kubernetes refuses the Secret.
    refused: Option<Instant>,
    /// What is wrong.
    pub health: AccountHealth,
    /// When the service was last asked.
    pub checked: Option<Timestamp>,
    /// When the clients were made.
    pub connected: Option<Timestamp>,
    /// When a pass began that reads because somebody asked; kept until the waiting events are woken.
    asked: Option<Instant>,
}

impl AccountState {
    /// What somebody did since the last pass. In the first pass the manifest counts as changed.
    pub fn user_change<K: Object>(&mut self, object: &K, now: Timestamp) -> UserChange {
        let generation = object.meta().generation;
        let request = object.requested_at().map(str::to_owned);
        // Somebody who asks many times a second gets an answer that is at most two seconds old.
        let fresh = self.checked.is_some_and(|at| now.duration_since(at) < FRESH);
        let asked = self.request != request;
        let change = UserChange {
            manifest: self.generation != generation,
            request: asked && !fresh,
            hasty: asked && fresh,
        };
        self.generation = generation;
        self.request = request;
        // The process before may have seen these credentials work.
        self.proven.get_or_insert_with(|| are_known(object.conditions()));
        change
    }

    /// True if this pass reads the account because somebody asked. [`Self::take_asked`] says whose wait is over.
    pub fn is_read_asked(&mut self, ctx: &Context, change: UserChange, account: &Account) -> bool {
        let asked = change.wants_another_read(ctx, account);
        self.asked = asked.then(Instant::now);
        asked
    }

    /// When the pass began that waiting events asked for.
    pub const fn take_asked(&mut self) -> Option<Instant> {
        self.asked.take()
    }

    /// Reads the account's Secret; `None` if it cannot be used, which is noted.
    pub async fn read_secret(
        &mut self,
        ctx: &Context,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ReadSecret>, Error> {
        match secrets::read_secret(ctx, namespace, name).await? {
            Ok(secret) => Ok(Some(secret)),
            Err(fault) if self.may_pass(&fault, Instant::now()) => Err(Error::Refused { what: "read Secret" }),
            Err(fault) => {
                self.secret_failed(fault, ctx.clock.now());
                Ok(None)
            }
        }
    }

    /// Manifest or Secret is another one: see [`AccountHealth::account_replaced`].
    pub fn credentials_replaced(&mut self, now: Timestamp) {
        self.health.account_replaced(now);
    }

    /// Takes note of what the sync loops were refused, or forgets it because somebody `change`; `proof`: when they last
    /// succeeded. True if that is a reason to check the account at once.
    pub fn begin_pass(&mut self, ctx: &Context, account: &Account, changed: bool, proof: Option<Timestamp>) -> bool {
        let (now, probe) = (ctx.clock.now(), ctx.settings.stalled_probe_interval);
        let reported = ctx.registry.take_fault(account);
        let mut urgent = changed;
        if changed {
            self.health.user_changed();
        } else if let Some(error) = reported {
            urgent = self.record_sync_failure(&error, now, probe);
        }
        self.health.tick(now, probe, proof);
        urgent
    }

    /// From now on the credentials are those of this Secret; `None`: the operator's own.
    pub fn use_secret(&mut self, secret: Option<&str>) {
        let source = secret.map_or(CredentialSource::Own, |name| CredentialSource::Secret(name.to_owned()));
        if self.source != CredentialSource::Unknown && self.source != source {
            self.secret = None;
            self.forget_credentials();
        }
        self.source = source;
    }

    /// What an error of the account's own check means.
    pub fn to_fault(&self, error: &UpstreamError) -> AccountFault {
        account_fault(error, self.credential_use(self.proven == Some(true)))
    }

    fn credential_use(&self, proven: bool) -> CredentialUse<'_> {
        CredentialUse {
            secret: match &self.source {
                CredentialSource::Secret(name) => Some(name),
                CredentialSource::Unknown | CredentialSource::Own => None,
            },
            proven,
        }
    }

    /// Nothing is known of the credentials that are used from now on.
    const fn forget_credentials(&mut self) {
        self.proven = Some(false);
    }

    /// The account's own check went through.
    pub fn check_succeeded(&mut self) {
        self.proven = Some(true);
        self.health.check_succeeded();
    }

    /// The account's own check failed.
    pub fn check_failed(&mut self, fault: AccountFault, now: Timestamp) {
        // The service knows the caller whom it denies something, or who asks too often.
        if matches!(fault.kind, FaultKind::Denied | FaultKind::Limited)
            && fault.reason != reason::UNSUPPORTED_API_VERSION
        {
            self.proven = Some(true);
        }
        self.health.check_failed(fault, now);
    }

    /// True if the token was refused. Clients may remember that for good: new ones are made before another try.
    pub fn token_refused(&self) -> bool {
        self.health
            .fault_to_show()
            .is_some_and(|fault| fault.kind == FaultKind::Credentials)
    }

    /// True if the service denies what it may have denied to a wrong token: another one is asked for before the next check.
    pub fn doubts_token(&self) -> bool {
        let doubtful = [reason::ACCESS_DENIED, reason::PORTAL_MISMATCH, reason::MISSING_SCOPE];
        self.health
            .fault_to_show()
            .is_some_and(|fault| doubtful.contains(&fault.reason.as_str()))
    }

    /// True if the Secret is another version than in the last pass.
    pub fn secret_changed(&mut self, version: &SecretVersion) -> bool {
        self.refused = None;
        let changed = self.secret.as_ref() != Some(version);
        if changed && self.secret.is_some() {
            self.forget_credentials();
        }
        self.secret = Some(version.clone());
        changed
    }

    /// True if Kubernetes refuses the Secret, and has not done so for long enough to be believed.
    fn may_pass(&mut self, fault: &AccountFault, now: Instant) -> bool {
        if fault.kind != FaultKind::Unreadable {
            self.refused = None;
            return false;
        }
        let since = *self.refused.get_or_insert(now);
        now.saturating_duration_since(since) < REFUSED
    }

    /// The Secret cannot be used: new clients are made once it can.
    fn secret_failed(&mut self, fault: AccountFault, now: Timestamp) {
        self.secret = None;
        if fault.kind == FaultKind::Credentials {
            self.forget_credentials();
        }
        self.health.check_failed(fault, now);
    }

    /// The sync loops were refused. True if that is a reason to check at once.
    fn record_sync_failure(&mut self, error: &UpstreamError, now: Timestamp, hold: Duration) -> bool {
        // They worked with clients that the account's own check had found good.
        let fault = account_fault(error, self.credential_use(true));
        if !fault.kind.stalls() && error.cause != Cause::QuotaExhausted {
            self.health.record_loop_obstacle(now);
            return false;
        }
        let fresh = self.connected.is_some_and(|at| now.duration_since(at) < OLD_CLIENTS);
        if fault.kind == FaultKind::Credentials && fresh {
            return self.checked.is_none_or(|at| now.duration_since(at) >= REPORTED_AGAIN);
        }
        self.health.record_sync_failure(fault, now, hold);
        true
    }

    /// True if the service may be asked now.
    pub fn may_check(&self, now: Timestamp, settings: &Settings) -> bool {
        self.next_check(settings).is_none_or(|at| at <= now)
    }

    /// As [`Self::may_check`]; if somebody `asked`, only a quota keeps it from being asked.
    pub fn may_check_asked(&self, asked: bool, now: Timestamp, settings: &Settings) -> bool {
        self.may_check(now, settings) || asked && self.health.quota_limit().is_none()
    }

    fn next_check(&self, settings: &Settings) -> Option<Timestamp> {
        self.health
            .next_check(settings.stalled_probe_interval, settings.backoff_max)
    }

    /// When to look again: at the next check of the Secret, or earlier if something is due.
    pub fn requeue_action(&self, now: Timestamp, settings: &Settings, due: Option<Timestamp>) -> Action {
        let threshold = self
            .health
            .failing_since()
            .map(|since| later(since, settings.failure_threshold))
            .filter(|t| *t > now);
        let turn = self.health.next_tick(settings.stalled_probe_interval);
        let due = self.next_check(settings).or(due);
        let next = [threshold, turn, due].into_iter().flatten().min();
        let until = next.map(|t| {
            t.duration_since(now)
                .max(SignedDuration::from_millis(50))
                .unsigned_abs()
        });
        let check = spread_pause(settings.account_check_interval);
        Action::requeue(until.map_or(check, |until| until.min(check)))
    }
}

/// True if the conditions say that the service has known the credentials at some time.
fn are_known(conditions: &[Condition]) -> bool {
    find_condition(conditions, condition::CREDENTIALS_VALID).is_some_and(|c| {
        c.status == "True" || [reason::TOKEN_REVOKED, reason::TOKEN_EXPIRED].contains(&c.reason.as_str())
    })
}

/// True if something read at `last` is `interval` old, or was never read, or at a time that is still to come: then the clock was
/// wrong.
pub fn is_due(last: Option<Timestamp>, interval: Duration, now: Timestamp) -> bool {
    last.is_none_or(|at| at > now || later(at, interval) <= now)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_that_may_be_of_the_clients_before_is_left_to_the_check() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let after = |seconds| now + SignedDuration::from_secs(seconds);
        let hold = Duration::from_mins(10);
        let mut state = AccountState {
            connected: Some(now),
            checked: Some(after(1)),
            ..AccountState::default()
        };
        let refused = UpstreamError::new("HubSpot", Cause::CredentialsRejected, "no");
        for (second, checks) in [(2, false), (10, false), (11, true), (59, true)] {
            let checked = state.record_sync_failure(&refused, after(second), hold);
            assert_eq!((second, checked), (second, checks));
            assert!(state.health.fault_to_show().is_none());
        }
        assert!(state.record_sync_failure(&refused, after(60), hold));
        assert!(state.health.fault_to_show().is_some());
    }

    #[test]
    fn a_secret_that_kubernetes_refuses_is_believed_once_it_lasts() {
        let (mut state, begin) = (AccountState::default(), Instant::now());
        let refused = AccountFault::new(FaultKind::Unreadable, "AccessDenied", "no");
        assert!(state.may_pass(&refused, begin));
        assert!(state.may_pass(&refused, begin + Duration::from_secs(14)));
        assert!(!state.may_pass(&refused, begin + Duration::from_secs(15)));
        let missing = AccountFault::new(FaultKind::Credentials, "SecretNotFound", "none");
        assert!(
            !state.may_pass(&missing, begin),
            "a mistake of the user's is reported at once"
        );
        assert!(
            state.may_pass(&refused, begin + Duration::from_secs(16)),
            "begins again"
        );
    }

    fn version(number: &str) -> SecretVersion {
        SecretVersion::new("uid", number)
    }

    fn refused_by(state: &AccountState) -> String {
        state
            .to_fault(&UpstreamError::new("HubSpot", Cause::CredentialsRejected, "no"))
            .reason
    }

    #[test]
    fn a_token_is_revoked_only_after_it_has_worked() {
        let mut state = AccountState::default();
        state.use_secret(Some("hubspot"));
        state.secret_changed(&version("1"));
        assert_eq!(refused_by(&state), "SecretInvalid");
        state.check_succeeded();
        assert_eq!(refused_by(&state), "TokenRevoked");
        state.secret_changed(&version("2"));
        assert_eq!(refused_by(&state), "SecretInvalid", "another token");
        let denied = AccountFault::new(FaultKind::Denied, "MissingScope", "no");
        state.check_failed(denied, Timestamp::UNIX_EPOCH);
        assert_eq!(refused_by(&state), "TokenRevoked", "the service knew it");
        state.use_secret(Some("other"));
        assert_eq!(refused_by(&state), "SecretInvalid");
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
            are_known(&[condition])
        };
        assert!(said("True", "TokenRefreshed") && said("False", "TokenRevoked"));
        assert!(!said("False", "SecretInvalid") && !said("Unknown", "Progressing") && !are_known(&[]));
    }

    #[test]
    fn due_means_never_or_long_ago() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let minute = Duration::from_mins(1);
        assert!(is_due(None, minute, now));
        assert!(is_due(Some(now + SignedDuration::from_secs(1)), minute, now));
        assert!(is_due(Some(now - SignedDuration::from_secs(60)), minute, now));
        assert!(!is_due(Some(now - SignedDuration::from_secs(59)), minute, now));
    }
}
