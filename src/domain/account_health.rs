//! What is wrong with an account, since when, and when it may be tried again.
//!
//! Two sources: the account's own checks, and faults the sync loops met (some permissions show only when something is
//! sent). A fault of the second kind stalls the account; after a while the sync loops may try once more while the account
//! is still shown as stalled. Only a success, or quiet, takes it back: so it heals by itself and never flaps.
//!
//! A service may refuse for seconds what is good. So the first look after a stall comes soon, and each further one after twice the
//! pause, at the latest once per probe interval. That is so for all credentials: those that are new, or were refused when the process
//! began, may be as good as those that have worked.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::backoff::backoff;
use super::time::{later, to_signed};
use crate::api::reasons::reason;

/// The pause before the first look after a stall.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// The pause after so many looks in a row have found a stall: doubling, at most `longest`.
fn look_pause(looks: u32, longest: Duration) -> Duration {
    let doubled = 1_u32.checked_shl(looks).unwrap_or(u32::MAX);
    FIRST_LOOK.saturating_mul(doubled).min(longest)
}

/// What a fault means for the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The Secret is missing or unusable, or the token is refused. A person must act.
    Credentials,
    /// The operator may not read the Secret: nobody knows about the credentials. A person must act.
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

/// Something wrong with an account.
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
    /// A fault without a wish about the next try.
    pub fn new(kind: FaultKind, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.to_owned(),
            message: message.into(),
            retry_after: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ProbeFailure {
    fault: AccountFault,
    since: Timestamp,
    last: Timestamp,
    tries: u32,
    /// A limit or an outage that kept the latest check from telling whether a stall is over.
    untold: Option<AccountFault>,
    /// Somebody acted on a stall, and no check has shown yet whether that helped.
    unproven: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SyncFailure {
    fault: AccountFault,
    at: Timestamp,
    trying: Option<Timestamp>,
    /// So many tries in a row have met it again.
    tries: u32,
    /// When a limit or an outage last kept the sync loops from finding out.
    untold: Option<Timestamp>,
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
    own: Option<ProbeFailure>,
    reported: Option<SyncFailure>,
    limited: Option<(Timestamp, String)>,
}

impl AccountHealth {
    /// Nothing is wrong.
    pub const NONE: Self = Self {
        own: None,
        reported: None,
        limited: None,
    };

    /// The account's own check went through.
    pub fn check_succeeded(&mut self) {
        self.own = None;
    }

    /// The account's own check failed. Transient failures in a row keep the time of the first. One after a stall says
    /// nothing about it: the stall stays until a check goes through or finds another.
    pub fn check_failed(&mut self, fault: AccountFault, now: Timestamp) {
        let stalls = fault.kind.stalls();
        if let Some(own) = self.own.as_mut().filter(|own| own.fault.kind.stalls() && !stalls) {
            own.untold = Some(fault);
            own.last = now;
            own.tries = own.tries.saturating_add(1);
            return;
        }
        let unproven = !stalls && self.is_unproven();
        let row = self.own.take().filter(|own| own.fault.kind.stalls() == stalls);
        let (since, tries) = row.map_or((now, 1), |own| (own.since, own.tries.saturating_add(1)));
        self.own = Some(ProbeFailure {
            fault,
            since,
            last: now,
            tries,
            untold: None,
            unproven,
        });
    }

    /// The sync loops met a fault. `hold`: how long it holds if the service does not say.
    pub fn record_sync_failure(&mut self, fault: AccountFault, now: Timestamp, hold: Duration) {
        match fault.kind {
            FaultKind::Unavailable => self.record_loop_obstacle(now),
            FaultKind::Limited => {
                self.record_loop_obstacle(now);
                let until = later(now, fault.retry_after.map_or(hold, SignedDuration::unsigned_abs));
                self.limited = Some((until, fault.message));
            }
            _ => {
                let before = self.reported.take();
                // What was under way when it was met is no try.
                let tries = before.map_or(0, |before| {
                    before.tries.saturating_add(u32::from(before.trying.is_some()))
                });
                self.reported = Some(SyncFailure {
                    fault,
                    at: now,
                    trying: None,
                    tries,
                    untold: None,
                });
            }
        }
    }

    /// A limit or an outage kept the sync loops from finding out whether what they met is over.
    pub fn record_loop_obstacle(&mut self, now: Timestamp) {
        if let Some(reported) = &mut self.reported {
            reported.untold = Some(now);
        }
    }

    /// Somebody acted (manifest, Secret, request): what the sync loops met is forgotten, they find out again.
    pub fn user_changed(&mut self) {
        self.reported = None;
        self.limited = None;
    }

    /// Manifest or Secret is another one: what the account's own check found was about the one before. Where that was a
    /// stall, the next check decides; until one goes through, nothing speaks for the account ([`Self::is_unproven`]).
    pub fn account_replaced(&mut self, now: Timestamp) {
        let Some(own) = self.own.as_mut().filter(|own| own.fault.kind.stalls()) else {
            return;
        };
        let fault = AccountFault {
            kind: FaultKind::Unavailable,
            reason: reason::PROGRESSING.to_owned(),
            message: "The account has changed and is being checked again.".to_owned(),
            retry_after: None,
        };
        *own = ProbeFailure {
            fault,
            since: now,
            last: now,
            tries: 0,
            untold: None,
            unproven: true,
        };
    }

    /// True if the account was stalled, somebody acted, and no check has gone through since.
    pub fn is_unproven(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.unproven)
    }

    /// Time passes. `success` is when the sync loops last succeeded. A reported fault is tried again after seconds, then with
    /// growing pauses up to `interval`, and forgotten after a success since then, or after an `interval` without one of either. An
    /// interval in which a limit or an outage kept the sync loops from trying tells nothing, and another one begins.
    pub fn tick(&mut self, now: Timestamp, interval: Duration, success: Option<Timestamp>) {
        self.forget_future(now);
        if self.limited.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.limited = None;
        }
        let Some(reported) = &mut self.reported else { return };
        match reported.trying {
            None if reported.next_try(interval) <= now => reported.trying = Some(now),
            Some(begun) if success.is_some_and(|at| at > begun) => self.reported = None,
            Some(begun) if later(begun, interval) <= now => {
                if self.limited.is_some() || reported.untold.is_some_and(|at| at >= begun) {
                    reported.trying = Some(now);
                } else {
                    self.reported = None;
                }
            }
            _ => {}
        }
    }

    /// Nothing happened later than now: where it says so, the clock was wrong, and no wait is counted from there.
    fn forget_future(&mut self, now: Timestamp) {
        if let Some(own) = &mut self.own {
            (own.since, own.last) = (own.since.min(now), own.last.min(now));
        }
        if let Some(reported) = &mut self.reported {
            reported.at = reported.at.min(now);
            reported.trying = reported.trying.min(Some(now).filter(|_| reported.trying.is_some()));
        }
    }

    /// What to show: what needs a person first.
    pub fn fault_to_show(&self) -> Option<&AccountFault> {
        let own = self.own.as_ref().map(|own| &own.fault);
        let reported = self.reported.as_ref().map(|reported| &reported.fault);
        match own {
            Some(fault) if fault.kind.stalls() => own,
            _ => reported.or(own),
        }
    }

    /// Since when every check has failed.
    pub fn failing_since(&self) -> Option<Timestamp> {
        self.own.as_ref().map(|own| own.since)
    }

    /// Why a quota holds requests back, if one does.
    pub fn quota_limit(&self) -> Option<&str> {
        let own = self.own.as_ref().map(|own| own.untold.as_ref().unwrap_or(&own.fault));
        own.filter(|latest| latest.kind == FaultKind::Limited)
            .map(|latest| latest.message.as_str())
            .or_else(|| self.limited.as_ref().map(|(_, why)| why.as_str()))
    }

    /// What kept the latest check from telling whether the stall of [`Self::fault_to_show`] is over.
    pub fn check_obstacle(&self) -> Option<&AccountFault> {
        self.own.as_ref().and_then(|own| own.untold.as_ref())
    }

    /// True while the sync loops try again what they met, although the account is still shown as stalled.
    pub fn is_retrying(&self) -> bool {
        let own_stalls = self.own.as_ref().is_some_and(|own| own.fault.kind.stalls());
        !own_stalls && self.reported.as_ref().is_some_and(|reported| reported.trying.is_some())
    }

    /// The earliest time of the next check; `None`: as planned. What needs a person is tried soon at first and then with growing
    /// pauses up to `probe`, everything else with growing pauses up to `longest`. Nothing is tried before the service allows it.
    pub fn next_check(&self, probe: Duration, longest: Duration) -> Option<Timestamp> {
        let own = self.own.as_ref()?;
        let wait = if own.fault.kind.stalls() {
            look_pause(own.tries.saturating_sub(1), probe)
        } else {
            let longest = to_signed(longest);
            backoff(own.tries.saturating_sub(1), longest, 0).unsigned_abs()
        };
        let wanted = own
            .untold
            .as_ref()
            .unwrap_or(&own.fault)
            .retry_after
            .map_or(Duration::ZERO, SignedDuration::unsigned_abs);
        Some(later(own.last, wait.max(wanted)))
    }

    /// When [`Self::tick`] changes something next.
    pub fn next_tick(&self, interval: Duration) -> Option<Timestamp> {
        let next = |reported: &SyncFailure| match reported.trying {
            Some(begun) => later(begun, interval),
            None => reported.next_try(interval),
        };
        let reported = self.reported.as_ref().map(next);
        let limited = self.limited.as_ref().map(|(until, _)| *until);
        reported.into_iter().chain(limited).min()
    }
}

#[cfg(test)]
#[path = "account_health_tests.rs"]
mod tests;
