//! What is wrong with an account, since when, and when it may be tried again.
//!
//! There are two sources: the account's own checks, and faults that the sync loops met (some permissions show only when
//! something is sent). A fault of the second kind stalls the account. After a while the sync loops may try again, while
//! the account is still shown as stalled. Only a success, or a time without faults, ends the stall: so the account
//! heals by itself and its status never flaps.
//!
//! A service may refuse good credentials for some seconds. So the first check after a stall comes soon, and each
//! further one after twice the pause, but at least once per probe interval. That holds for all credentials: new ones,
//! or those that were refused when the process began, may be as good as those that have worked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::backoff::backoff;
use super::time::{later, to_signed};
use crate::api::reasons::reason;

/// The pause before the first check after a stall.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// The pause after this many checks in a row have found a stall: it doubles each time, up to `longest`.
fn look_pause(looks: u32, longest: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(looks).unwrap_or(u32::MAX);
    FIRST_LOOK.saturating_mul(doubled).min(longest)
}

/// What a fault means for the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The Secret is missing or unusable, or the token is refused. A person must act.
    Credentials,
    /// The operator may not read the Secret, so nothing is known about the credentials. A person must act.
    Unreadable,
    /// The credentials work; an API, a permission, a scope or the manifest stands in the way. A person must act.
    Denied,
    /// A quota is used up.
    Limited,
    /// It may pass by itself.
    Unavailable,
}

impl FaultKind {
    /// True if nothing gets better by waiting.
    pub const fn stalls(self) -> bool {
        matches!(self, Self::Credentials | Self::Unreadable | Self::Denied)
    }
}

/// What is wrong with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFault {
    /// What it means.
    pub kind: FaultKind,
    /// CamelCase, see [`crate::api::reasons::reason`].
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
    /// How long the service wants us to wait.
    pub retry_after: Option<SignedDuration>,
}

impl AccountFault {
    /// A fault for which the service asks for no wait.
    pub fn new(kind: FaultKind, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.to_owned(),
            message: message.into(),
            retry_after: None,
        }
    }
}

/// What the account's own checks have found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProbeFailure {
    fault: AccountFault,
    since: Timestamp,
    last: Timestamp,
    tries: u32,
    /// A limit or an outage that kept the latest check from telling whether a stall is over.
    obstacle: Option<AccountFault>,
    /// Somebody acted on a stall, and no check has shown yet whether that helped.
    unproven: bool,
}

/// What the sync loops have met.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SyncFailure {
    fault: AccountFault,
    at: Timestamp,
    /// Since when the sync loops may try again.
    retrying_since: Option<Timestamp>,
    /// How many tries in a row have met it again.
    tries: u32,
    /// When a limit or an outage last kept the sync loops from finding out.
    obstacle: Option<Timestamp>,
}

impl SyncFailure {
    /// When the sync loops may try again.
    fn next_try(&self, longest: Duration) -> Timestamp {
        later(self.at, look_pause(self.tries, longest))
    }
}

/// What is wrong with one account. Kept in memory: after a restart it is found out again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountHealth {
    probe: Option<ProbeFailure>,
    sync: Option<SyncFailure>,
    limited: Option<(Timestamp, String)>,
}

impl AccountHealth {
    /// Nothing is wrong.
    pub const NONE: Self = Self {
        probe: None,
        sync: None,
        limited: None,
    };

    /// The account's own check went through.
    pub fn check_succeeded(&mut self) {
        self.probe = None;
    }

    /// The account's own check failed. Transient failures in a row keep the time of the first one. A transient failure
    /// after a stall says nothing about the stall: that stays until a check goes through or finds another fault.
    pub fn check_failed(&mut self, fault: AccountFault, now: Timestamp) {
        let stalls = fault.kind.stalls();
        if let Some(failed) = self
            .probe
            .as_mut()
            .filter(|failed| failed.fault.kind.stalls() && !stalls)
        {
            failed.obstacle = Some(fault);
            failed.last = now;
            failed.tries = failed.tries.saturating_add(1);
            return;
        }
        let unproven = !stalls && self.is_unproven();
        let row = self.probe.take().filter(|failed| failed.fault.kind.stalls() == stalls);
        let (since, tries) = row.map_or((now, 1), |failed| (failed.since, failed.tries.saturating_add(1)));
        self.probe = Some(ProbeFailure {
            fault,
            since,
            last: now,
            tries,
            obstacle: None,
            unproven,
        });
    }

    /// The sync loops met a fault. `hold`: for how long a limit holds if the service does not say.
    pub fn record_sync_failure(&mut self, fault: AccountFault, now: Timestamp, hold: Duration) {
        match fault.kind {
            FaultKind::Unavailable => self.record_loop_obstacle(now),
            FaultKind::Limited => {
                self.record_loop_obstacle(now);
                let until = later(now, fault.retry_after.map_or(hold, SignedDuration::unsigned_abs));
                self.limited = Some((until, fault.message));
            }
            _ => {
                let before = self.sync.take();
                // Calls that were under way when the fault was met do not count as tries.
                let tries = before.map_or(0, |before| {
                    before.tries.saturating_add(u32::from(before.retrying_since.is_some()))
                });
                self.sync = Some(SyncFailure {
                    fault,
                    at: now,
                    retrying_since: None,
                    tries,
                    obstacle: None,
                });
            }
        }
    }

    /// A limit or an outage kept the sync loops from finding out whether what they met is over.
    pub fn record_loop_obstacle(&mut self, now: Timestamp) {
        if let Some(met) = &mut self.sync {
            met.obstacle = Some(now);
        }
    }

    /// A user changed the manifest or the Secret, or asked for a reconcile: what the sync loops met is forgotten, and
    /// they find out again.
    pub fn user_changed(&mut self) {
        self.sync = None;
        self.limited = None;
    }

    /// The manifest or the Secret is a new one, and what the account's own check found was about the old one. If that
    /// was a stall, the next check decides; until one goes through, the account is unproven ([`Self::is_unproven`]).
    pub fn account_replaced(&mut self, now: Timestamp) {
        let Some(failed) = self.probe.as_mut().filter(|failed| failed.fault.kind.stalls()) else {
            return;
        };
        let fault = AccountFault {
            kind: FaultKind::Unavailable,
            reason: reason::PROGRESSING.to_owned(),
            message: "The account has changed and is being checked again.".to_owned(),
            retry_after: None,
        };
        *failed = ProbeFailure {
            fault,
            since: now,
            last: now,
            tries: 0,
            obstacle: None,
            unproven: true,
        };
    }

    /// True if the account was stalled, somebody acted, and no check has gone through since.
    pub fn is_unproven(&self) -> bool {
        self.probe.as_ref().is_some_and(|failed| failed.unproven)
    }

    /// Time passes. `success` is when the sync loops last succeeded. After a fault of theirs they try again after
    /// seconds, then with growing pauses up to `interval`. The fault is forgotten after a success, or after an
    /// `interval` without a success and without a fault. If a limit or an outage kept the sync loops from trying during
    /// that interval, another one begins.
    pub fn tick(&mut self, now: Timestamp, interval: Duration, success: Option<Timestamp>) {
        self.forget_future(now);
        if self.limited.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.limited = None;
        }
        let Some(met) = &mut self.sync else { return };
        match met.retrying_since {
            None if met.next_try(interval) <= now => met.retrying_since = Some(now),
            Some(begun) if success.is_some_and(|at| at > begun) => self.sync = None,
            Some(begun) if later(begun, interval) <= now => {
                if self.limited.is_some() || met.obstacle.is_some_and(|at| at >= begun) {
                    met.retrying_since = Some(now);
                } else {
                    self.sync = None;
                }
            }
            _ => {}
        }
    }

    /// Nothing can have happened later than now. A time that says so was noted while the clock was wrong; no wait is
    /// counted from it.
    fn forget_future(&mut self, now: Timestamp) {
        if let Some(failed) = &mut self.probe {
            (failed.since, failed.last) = (failed.since.min(now), failed.last.min(now));
        }
        if let Some(met) = &mut self.sync {
            met.at = met.at.min(now);
            met.retrying_since = met
                .retrying_since
                .min(Some(now).filter(|_| met.retrying_since.is_some()));
        }
    }

    /// The fault to show: one that needs a person comes first.
    pub fn fault_to_show(&self) -> Option<&AccountFault> {
        let failed = self.probe.as_ref().map(|failed| &failed.fault);
        let met = self.sync.as_ref().map(|met| &met.fault);
        match failed {
            Some(fault) if fault.kind.stalls() => failed,
            _ => met.or(failed),
        }
    }

    /// Since when every check has failed.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.probe.as_ref().map(|failed| failed.since)
    }

    /// Why a quota holds requests back, if one does.
    pub fn quota_limit(&self) -> Option<&str> {
        let failed = self
            .probe
            .as_ref()
            .map(|failed| failed.obstacle.as_ref().unwrap_or(&failed.fault));
        failed
            .filter(|latest| latest.kind == FaultKind::Limited)
            .map(|latest| latest.message.as_str())
            .or_else(|| self.limited.as_ref().map(|(_, why)| why.as_str()))
    }

    /// What kept the latest check from telling whether the stall of [`Self::fault_to_show`] is over.
    pub fn check_obstacle(&self) -> Option<&AccountFault> {
        self.probe.as_ref().and_then(|failed| failed.obstacle.as_ref())
    }

    /// True while the sync loops try again although the account is still shown as stalled.
    pub fn is_retrying(&self) -> bool {
        let check_stalls = self.probe.as_ref().is_some_and(|failed| failed.fault.kind.stalls());
        !check_stalls && self.sync.as_ref().is_some_and(|met| met.retrying_since.is_some())
    }

    /// The earliest time of the next check; `None`: as planned. A fault that needs a person is checked soon at first
    /// and then with growing pauses up to `probe`, everything else with growing pauses up to `longest`. Nothing is
    /// checked before the service allows it.
    pub fn next_check(&self, probe: Duration, longest: Duration) -> Option<Timestamp> {
        let failed = self.probe.as_ref()?;
        let wait = if failed.fault.kind.stalls() {
            look_pause(failed.tries.saturating_sub(1), probe)
        } else {
            let longest = to_signed(longest);
            backoff(failed.tries.saturating_sub(1), longest, 0).unsigned_abs()
        };
        let wanted = failed
            .obstacle
            .as_ref()
            .unwrap_or(&failed.fault)
            .retry_after
            .map_or(Duration::ZERO, SignedDuration::unsigned_abs);
        Some(later(failed.last, wait.max(wanted)))
    }

    /// When [`Self::tick`] changes something next.
    pub fn next_tick(&self, interval: Duration) -> Option<Timestamp> {
        let next = |met: &SyncFailure| match met.retrying_since {
            Some(begun) => later(begun, interval),
            None => met.next_try(interval),
        };
        let met = self.sync.as_ref().map(next);
        let limited = self.limited.as_ref().map(|(until, _)| *until);
        met.into_iter().chain(limited).min()
    }
}

#[cfg(test)]
#[path = "account_health_tests.rs"]
mod tests;
