//! Which way of finding changes is used, and what HubSpot's answers tell about its clock. Pure but for monotonic time,
//! which comes in as an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::api::ChangeDetection;
use crate::domain::ids::ContactId;
use crate::domain::time::to_signed;

/// With more stages than this their properties don't fit into
/// one search (3,000 characters; docs/reference/hubspot.md 3).
const MAX_DATED_STAGES: usize = 30;

/// The way of finding changes, picked once for each set of stages and listing of properties.
#[derive(Default)]
pub struct ChangeDetector {
    picked: Option<PickedMode>,
    /// Stages of which a search by entry time has found a contact: there the property is filled and searchable.
    proven: BTreeSet<String>,
    given_up: Option<Instant>,
}

struct PickedMode {
    mode: ChangeDetection,
    stages: BTreeSet<String>,
    listed: bool,
}

impl ChangeDetector {
    /// The way in use.
    pub fn mode(&self) -> ChangeDetection {
        self.picked
            .as_ref()
            .map_or(ChangeDetection::LastModified, |picked| picked.mode)
    }

    /// Picks the way: by entry time if the portal lists the property of every stage (`listed`). Where that has failed
    /// it is tried again when stages or listing change, and after `retry`.
    pub fn pick_mode(&mut self, stages: BTreeSet<String>, listed: bool, retry: Duration, now: Instant) {
        let same = self
            .picked
            .as_ref()
            .is_some_and(|p| p.stages == stages && p.listed == listed);
        if same && self.given_up.is_none_or(|t| now.duration_since(t) < retry) {
            return;
        }
        self.given_up = None;
        let mode = if listed && stages.len() <= MAX_DATED_STAGES {
            ChangeDetection::DateEntered
        } else {
            ChangeDetection::LastModified
        };
        self.picked = Some(PickedMode { mode, stages, listed });
    }

    /// Entry times can't be searched here, or searches on them don't find what is there.
    pub fn give_up(&mut self, now: Instant) {
        self.proven.clear();
        self.given_up = Some(now);
        if let Some(picked) = &mut self.picked {
            picked.mode = ChangeDetection::LastModified;
        }
    }

    /// A search by entry time found a contact for each of these.
    pub fn mark_proven(&mut self, stages: impl IntoIterator<Item = String>) {
        self.proven.extend(stages);
    }

    /// Of these stages those not proven yet, while changes are found by entry time.
    pub fn unproven_stages<'a>(&self, bounds: &'a BTreeMap<String, Timestamp>) -> BTreeMap<&'a str, Timestamp> {
        let dated = self.mode() == ChangeDetection::DateEntered;
        let open = bounds
            .iter()
            .filter(|(stage, _)| dated && !self.proven.contains(*stage));
        open.map(|(stage, bound)| (stage.as_str(), *bound)).collect()
    }
}

/// A contact that a search by entry time should have found and did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedContact {
    pub id: ContactId,
    /// Its entry time; `None` if it is in the stage and has none.
    pub entered: Option<Timestamp>,
}

/// HubSpot's clock as far as modification times tell it: never ahead of it.
#[derive(Default)]
pub struct PortalClock {
    seen: Option<(Timestamp, Instant)>,
    reached: Option<Timestamp>,
}

impl PortalClock {
    /// A record was modified at `at`, and this was known at `now`.
    pub fn record_modified(&mut self, at: Timestamp, now: Instant) {
        if self.time_at(now).is_none_or(|present| at > present) {
            self.seen = Some((at, now));
        }
    }

    /// An answer says that it is no later than this: what was known that is later came with a `Date` that was wrong.
    pub fn forget_after(&mut self, latest: Timestamp) {
        if self.seen.is_some_and(|(at, _)| at > latest) {
            *self = Self::default();
        }
    }

    /// A pass that began then has read everything up to its beginning.
    pub fn pass_completed(&mut self, began: Instant) {
        self.reached = self.reached.max(self.time_at(began));
    }

    /// What was read so far did not concern everybody: passes begin at what the ledger says.
    pub fn forget_reached(&mut self) {
        self.reached = None;
    }

    /// The latest time HubSpot's clock is known to have passed.
    pub fn known_time(&self) -> Option<Timestamp> {
        self.seen.map(|(at, _)| at)
    }

    /// The present by this clock or by another one, whichever is ahead.
    pub fn latest(&self, now: Timestamp) -> Timestamp {
        self.known_time().map_or(now, |known| known.max(now))
    }

    /// Everything before was read once, as far as the index showed it then.
    pub fn reached_time(&self) -> Option<Timestamp> {
        self.reached
    }

    fn time_at(&self, now: Instant) -> Option<Timestamp> {
        let (seen, when) = self.seen?;
        let passed = if now >= when {
            to_signed(now.duration_since(when))
        } else {
            -to_signed(when.duration_since(now))
        };
        seen.checked_add(passed).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stages(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn the_way_is_picked_again_when_something_changes_or_time_has_passed() {
        let (mut detection, now, day) = (ChangeDetector::default(), Instant::now(), Duration::from_hours(24));
        detection.pick_mode(stages(&["customer"]), true, day, now);
        assert_eq!(detection.mode(), ChangeDetection::DateEntered);
        detection.give_up(now);
        detection.pick_mode(stages(&["customer"]), true, day, now + day / 2);
        assert_eq!(detection.mode(), ChangeDetection::LastModified, "remembered");
        detection.pick_mode(stages(&["customer"]), true, day, now + day);
        assert_eq!(detection.mode(), ChangeDetection::DateEntered, "tried again");
        detection.give_up(now);
        detection.pick_mode(stages(&["customer", "lead"]), true, day, now);
        assert_eq!(detection.mode(), ChangeDetection::DateEntered, "another set of stages");
        detection.pick_mode(stages(&["customer", "lead"]), false, day, now);
        assert_eq!(detection.mode(), ChangeDetection::LastModified, "no longer listed");
    }

    #[test]
    fn a_stage_is_unproven_until_a_search_found_somebody() {
        let mut detection = ChangeDetector::default();
        detection.pick_mode(stages(&["customer", "lead"]), true, Duration::MAX, Instant::now());
        let bounds = ["customer", "lead"]
            .map(|s| (s.to_owned(), Timestamp::UNIX_EPOCH))
            .into();
        detection.mark_proven(["lead".to_owned()]);
        assert_eq!(
            detection.unproven_stages(&bounds).into_keys().collect::<Vec<_>>(),
            ["customer"]
        );
        detection.give_up(Instant::now());
        assert!(
            detection.unproven_stages(&bounds).is_empty(),
            "nothing to prove any more"
        );
    }

    #[test]
    fn the_present_moves_on_and_is_never_ahead() {
        let (mut present, start, s) = (PortalClock::default(), Instant::now(), Duration::from_secs);
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        present.pass_completed(start);
        assert_eq!(present.reached_time(), None, "nothing seen");
        present.record_modified(at(1000), start + s(5));
        present.pass_completed(start);
        assert_eq!(
            present.reached_time(),
            Some(at(995)),
            "the pass began before the answer came"
        );
        present.record_modified(at(900), start + s(10));
        present.pass_completed(start + s(65));
        assert_eq!(present.reached_time(), Some(at(1060)), "an older record says nothing");
        present.pass_completed(start + s(20));
        assert_eq!(present.reached_time(), Some(at(1060)), "never back");
        present.forget_after(at(1000));
        assert_eq!(
            present.reached_time(),
            Some(at(1060)),
            "an answer of the same time takes nothing back"
        );
        present.forget_after(at(999));
        assert_eq!(
            (present.known_time(), present.reached_time()),
            (None, None),
            "that time was wrong"
        );
    }
}
