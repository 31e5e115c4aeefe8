//! What is wrong with an account, since when, and when it may be tried again.
//!
//! Two sources: the account's own checks, and faults the sync loops met (some permissions show only when something is
//! sent). A fault of the second kind stalls the account; after a while the sync loops may try once more while the account
//! is still shown as stalled. Only a success, or quiet, takes it back: so it heals by itself and never flaps.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::backoff::backoff;

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
    /// True where nothing gets better by waiting.
    pub const fn stalls(self) -> bool {
        matches!(self, Self::Credentials | Self::Unreadable | Self::Denied)
    }
}

/// Something wrong with an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What it means.
    pub kind: FaultKind,
    /// CamelCase, see [`crate::api::reasons::reason`].
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
    /// How long the service wants us to wait.
    pub retry_after: Option<SignedDuration>,
}

impl Fault {
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
struct Own {
    fault: Fault,
    since: Timestamp,
    last: Timestamp,
    tries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Reported {
    fault: Fault,
    at: Timestamp,
    trying: Option<Timestamp>,
}

/// What is wrong with one account. Kept in memory: after a restart it is found out anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trouble {
    own: Option<Own>,
    reported: Option<Reported>,
    limited: Option<(Timestamp, String)>,
}

impl Trouble {
    /// Nothing is wrong.
    pub const NONE: Self = Self {
        own: None,
        reported: None,
        limited: None,
    };

    /// The account's own check went through.
    pub fn succeeded(&mut self) {
        self.own = None;
    }

    /// The account's own check failed. Transient failures in a row keep the time of the first.
    pub fn failed(&mut self, fault: Fault, now: Timestamp) {
        let row = self
            .own
            .take()
            .filter(|own| own.fault.kind.stalls() == fault.kind.stalls());
        let (since, tries) = row.map_or((now, 1), |own| (own.since, own.tries.saturating_add(1)));
        self.own = Some(Own {
            fault,
            since,
            last: now,
            tries,
        });
    }

    /// The sync loops met a fault. `hold`: how long it holds where the service does not say.
    pub fn report(&mut self, fault: Fault, now: Timestamp, hold: Duration) {
        match fault.kind {
            FaultKind::Unavailable => {}
            FaultKind::Limited => {
                let until = later(now, fault.retry_after.map_or(hold, SignedDuration::unsigned_abs));
                self.limited = Some((until, fault.message));
            }
            _ => {
                self.reported = Some(Reported {
                    fault,
                    at: now,
                    trying: None,
                });
            }
        }
    }

    /// Somebody acted (manifest, Secret, request): what the sync loops met is forgotten, they find out anew.
    pub fn acted(&mut self) {
        self.reported = None;
        self.limited = None;
    }

    /// Time passes. `success` is when the sync loops last succeeded. A reported fault is tried again after `interval`,
    /// and forgotten after a success since then, or after another `interval` without one of either.
    pub fn turn(&mut self, now: Timestamp, interval: Duration, success: Option<Timestamp>) {
        if self.limited.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.limited = None;
        }
        let Some(reported) = &mut self.reported else { return };
        match reported.trying {
            None if later(reported.at, interval) <= now => reported.trying = Some(now),
            Some(begun) if success.is_some_and(|at| at > begun) || later(begun, interval) <= now => {
                self.reported = None;
            }
            _ => {}
        }
    }

    /// What to show: what needs a person first.
    pub fn fault(&self) -> Option<&Fault> {
        let own = self.own.as_ref().map(|own| &own.fault);
        let reported = self.reported.as_ref().map(|reported| &reported.fault);
        match own {
            Some(fault) if fault.kind.stalls() => own,
            _ => reported.or(own),
        }
    }

    /// Since when every check has failed.
    pub fn since(&self) -> Option<Timestamp> {
        self.own.as_ref().map(|own| own.since)
    }

    /// Why a quota holds requests back, if one does.
    pub fn limit(&self) -> Option<&str> {
        let own = self.own.as_ref().filter(|own| own.fault.kind == FaultKind::Limited);
        own.map(|own| own.fault.message.as_str())
            .or_else(|| self.limited.as_ref().map(|(_, why)| why.as_str()))
    }

    /// True while the sync loops try again what they met, although the account is still shown as stalled.
    pub fn trying(&self) -> bool {
        let own_stalls = self.own.as_ref().is_some_and(|own| own.fault.kind.stalls());
        !own_stalls && self.reported.as_ref().is_some_and(|reported| reported.trying.is_some())
    }

    /// The earliest time of the next check; `None`: as planned. What needs a person is tried once per `probe`,
    /// everything else with growing pauses up to `longest`, and never before the service allows it.
    pub fn next_check(&self, probe: Duration, longest: Duration) -> Option<Timestamp> {
        let own = self.own.as_ref()?;
        let wait = if own.fault.kind.stalls() {
            probe
        } else {
            let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
            backoff(own.tries.saturating_sub(1), longest, 0).unsigned_abs()
        };
        let wanted = own
            .fault
            .retry_after
            .map_or(Duration::ZERO, SignedDuration::unsigned_abs);
        Some(later(own.last, wait.max(wanted)))
    }

    /// When [`Self::turn`] changes something next.
    pub fn next_turn(&self, interval: Duration) -> Option<Timestamp> {
        let reported = self
            .reported
            .as_ref()
            .map(|r| later(r.trying.unwrap_or(r.at), interval));
        let limited = self.limited.as_ref().map(|(until, _)| *until);
        reported.into_iter().chain(limited).min()
    }
}

/// A time and a span after it; the end of time where that is too far.
pub fn later(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_mins(10);
    const FIVE: Duration = Duration::from_mins(5);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn fault(kind: FaultKind) -> Fault {
        Fault::new(kind, "Reason", "Message")
    }

    #[test]
    fn transient_failures_in_a_row_count_from_the_first() {
        let mut trouble = Trouble::default();
        trouble.failed(fault(FaultKind::Unavailable), at(0));
        trouble.failed(fault(FaultKind::Limited), at(1));
        trouble.failed(fault(FaultKind::Unavailable), at(3));
        assert_eq!(trouble.since(), Some(at(0)));
        assert_eq!(trouble.next_check(TEN, FIVE), Some(at(7)));
        trouble.failed(fault(FaultKind::Denied), at(9));
        assert_eq!(trouble.since(), Some(at(9)));
        assert_eq!(trouble.next_check(TEN, FIVE), Some(at(609)));
        trouble.succeeded();
        assert_eq!((trouble.since(), trouble.next_check(TEN, FIVE)), (None, None));
    }

    #[test]
    fn nothing_is_asked_before_the_service_allows_it() {
        let mut trouble = Trouble::default();
        let limited = Fault {
            retry_after: Some(SignedDuration::from_secs(3600)),
            ..fault(FaultKind::Limited)
        };
        trouble.failed(limited, at(0));
        assert_eq!(trouble.next_check(TEN, FIVE), Some(at(3600)));
    }

    #[test]
    fn a_reported_fault_is_tried_again_and_healed_by_a_success() {
        let mut trouble = Trouble::default();
        trouble.report(fault(FaultKind::Denied), at(0), TEN);
        trouble.turn(at(599), TEN, Some(at(-5)));
        assert!(!trouble.trying() && trouble.fault().is_some());
        assert_eq!(trouble.next_turn(TEN), Some(at(600)));
        trouble.turn(at(600), TEN, Some(at(-5)));
        assert!(trouble.trying(), "the uploader may try");
        assert!(trouble.fault().is_some(), "and the account is still shown as stalled");
        trouble.turn(at(610), TEN, Some(at(605)));
        assert_eq!(trouble, Trouble::default());
    }

    #[test]
    fn a_reported_fault_that_comes_back_stays_without_a_gap() {
        let mut trouble = Trouble::default();
        for round in 0..5 {
            trouble.report(fault(FaultKind::Denied), at(round * 605), TEN);
            trouble.turn(at(round * 605 + 600), TEN, None);
            assert!(trouble.fault().is_some() && trouble.trying());
        }
    }

    #[test]
    fn a_reported_fault_is_forgotten_when_nothing_was_sent() {
        let mut trouble = Trouble::default();
        trouble.report(fault(FaultKind::Denied), at(0), TEN);
        trouble.turn(at(600), TEN, None);
        trouble.turn(at(1199), TEN, None);
        assert!(trouble.fault().is_some());
        trouble.turn(at(1200), TEN, None);
        assert_eq!(trouble, Trouble::default());
    }

    #[test]
    fn what_the_check_finds_needs_a_person_first() {
        let mut trouble = Trouble::default();
        trouble.report(Fault::new(FaultKind::Denied, "AccessDenied", ""), at(0), TEN);
        trouble.failed(fault(FaultKind::Unavailable), at(1));
        assert_eq!(trouble.fault().unwrap().reason, "AccessDenied");
        trouble.failed(Fault::new(FaultKind::Credentials, "TokenRevoked", ""), at(2));
        assert_eq!(trouble.fault().unwrap().reason, "TokenRevoked");
        trouble.turn(at(700), TEN, None);
        assert!(!trouble.trying(), "nothing is tried with a dead token");
        trouble.acted();
        trouble.succeeded();
        assert_eq!(trouble, Trouble::default());
    }

    #[test]
    fn a_reported_limit_ends_by_itself() {
        let mut trouble = Trouble::default();
        trouble.report(fault(FaultKind::Limited), at(0), TEN);
        assert_eq!((trouble.limit(), trouble.fault()), (Some("Message"), None));
        trouble.turn(at(600), TEN, None);
        assert_eq!(trouble.limit(), None);
    }
}
