//! The time that everything goes by: the host's clock, unless there is a reason to doubt it.
//!
//! A node's clock may be stepped by days (a bad time server, a machine that was resumed), and a conversion that is
//! skipped as too late, or a wait that ends in three days, does not come back once the clock is put right. So the time
//! moves on by the monotonic clock, and a step is followed only where HubSpot or Google agree: each answer says by its
//! `Date` when it was made.
//!
//! What is final (a skip by a deadline, archiving, erasure) follows from the certain time alone: the one that has come
//! by everybody who told the time within the last hour.

use std::collections::{BTreeMap, BTreeSet};

use super::plausible_time::is_since_hubspot_exists;
use super::time::later;
use super::time_claims::{COUNTS_FOR, TimeClaims};
use jiff::{SignedDuration, Timestamp};

/// Two clocks that differ by no more than this agree: answers are under way for a while, and count whole seconds.
const AGREED: SignedDuration = SignedDuration::from_mins(1);
/// How many answers in a row must agree: one may be odd.
const ANSWERS: u32 = 3;
/// HubSpot and Google: nothing is certain before both have told the time.
const VENDORS: usize = 2;

/// Both clocks of this host, read at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostTime {
    /// The wall clock.
    pub wall: Timestamp,
    /// The monotonic clock, since any fixed moment.
    pub monotonic: SignedDuration,
}

/// What time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownTime {
    /// The time that everything goes by.
    pub now: Timestamp,
    /// The time that has come by all who told it; the beginning of time while that is not known. Never after `now`.
    pub certain: Timestamp,
}

impl KnownTime {
    /// A time that nobody disputes.
    pub const fn undisputed(now: Timestamp) -> Self {
        Self { now, certain: now }
    }
}

/// What followed from the `Date` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateEffect {
    /// It agrees with the time.
    Nothing,
    /// It says that the time is wrong by this (positive: ahead), and it alone moves nothing: what is final waits.
    Disputed(SignedDuration),
    /// The time was wrong by this; positive if it was ahead.
    Corrected(SignedDuration),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SteadyTime {
    /// What is added to the monotonic clock.
    base: Timestamp,
    /// When all began, by the monotonic clock.
    began: SignedDuration,
    /// A vendor has agreed with the base.
    agreed: bool,
    doubt: Option<Doubt>,
    /// The base by the last answer of each vendor.
    told: BTreeMap<&'static str, Timestamp>,
    /// Bases that differ from ours: told by a vendor, or ours before a correction.
    claims: TimeClaims,
}

/// Answers in a row that agree with each other, but not with our time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Doubt {
    base: Timestamp,
    answers: u32,
    vendors: BTreeSet<&'static str>,
}

fn agree(one: Timestamp, other: Timestamp) -> bool {
    one.duration_since(other).abs() <= AGREED
}

impl SteadyTime {
    /// Begins with the host's clock: there is no answer yet.
    pub fn new(host: HostTime) -> Self {
        Self {
            base: base_of(host.wall, host),
            began: host.monotonic,
            agreed: false,
            doubt: None,
            told: BTreeMap::new(),
            claims: TimeClaims::default(),
        }
    }

    /// The time now: the host's, or, if its clock was stepped, the one that goes on from before. While nobody has agreed
    /// with it, that of a vendor who says that it is earlier: what is decided too early is decided again.
    pub fn now(&self, host: HostTime) -> Timestamp {
        let steady = later(self.base, host.monotonic);
        let now = if agree(host.wall, steady) { host.wall } else { steady };
        match &self.doubt {
            Some(doubt) if !self.agreed => now.min(later(doubt.base, host.monotonic)),
            _ => now,
        }
    }

    /// The time now, and the one that is certain: the earliest of now and of what was claimed within the last hour. In
    /// the first hour both vendors must have told the time: that host and one vendor agree may come from one wrong
    /// clock, of the node and of a proxy on it.
    pub fn known_time(&self, host: HostTime) -> KnownTime {
        let now = self.now(host);
        let is_first_hour = host.monotonic - self.began < COUNTS_FOR;
        if self.told.len() < VENDORS && is_first_hour {
            return KnownTime {
                now,
                certain: Timestamp::MIN,
            };
        }
        let claimed = self.claims.earliest(host.monotonic);
        KnownTime {
            now,
            certain: claimed.map_or(now, |claimed| claimed.min(now)),
        }
    }

    /// The time by the clock of this vendor, as its last answer told it; ours, if there was none.
    pub fn vendor_time(&self, vendor: &str, host: HostTime) -> Timestamp {
        let told = self.told.get(vendor);
        told.map_or_else(|| self.now(host), |base| later(*base, host.monotonic))
    }

    /// An answer of this vendor was made at `date`. It takes two witnesses to move the time for good: two vendors, or one
    /// and the host. Also at the start, when nobody has agreed with the host's clock yet: one vendor against it may be
    /// a proxy with a clock of its own.
    pub fn hear(&mut self, vendor: &'static str, date: Timestamp, host: HostTime) -> DateEffect {
        if !is_since_hubspot_exists(date) {
            return DateEffect::Nothing;
        }
        let heard = base_of(date, host);
        self.told.insert(vendor, heard);
        if agree(heard, self.base) {
            (self.agreed, self.doubt) = (true, None);
            return DateEffect::Nothing;
        }
        self.claims.add(heard, host.monotonic);
        let doubt = match self.doubt.take() {
            Some(doubt) if agree(doubt.base, heard) => doubt,
            _ => Doubt {
                base: heard,
                answers: 0,
                vendors: BTreeSet::new(),
            },
        };
        let mut doubt = Doubt {
            base: heard,
            answers: doubt.answers.saturating_add(1),
            ..doubt
        };
        doubt.vendors.insert(vendor);
        let witnesses = doubt.vendors.len() + usize::from(agree(date, host.wall));
        let wrong_by = self.base.duration_since(heard);
        if doubt.answers < ANSWERS || witnesses < 2 {
            self.doubt = Some(doubt);
            return DateEffect::Disputed(wrong_by);
        }
        // It may have been the right one all the same: one proxy before both vendors has one clock.
        self.claims.add(self.base, host.monotonic);
        (self.base, self.agreed, self.doubt) = (heard, true, None);
        DateEffect::Corrected(wrong_by)
    }
}

/// What the monotonic clock began at, if it is `time` now.
fn base_of(time: Timestamp, host: HostTime) -> Timestamp {
    time.saturating_sub(host.monotonic).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
#[path = "steady_time_tests.rs"]
mod tests;
