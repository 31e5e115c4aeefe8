//! What one pass has to read: stages, their lower bounds, and the events that want them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::contact::LIFECYCLE_STAGE;
pub use crate::domain::contact::date_entered;
use crate::domain::coverage::{self, Watermark};
use crate::domain::eligibility::properties_of;
use crate::ports::ledger::StreamId;
use crate::registry::Event;
use crate::sync::contact_cache::ReadPlan;

/// How far a normal poll goes back: the search index lags (docs/reference/hubspot.md 3).
pub const STEP_BACK: SignedDuration = SignedDuration::from_mins(2);

/// How far a poll goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollReach {
    /// [`STEP_BACK`].
    Usual,
    /// The whole `--overlap`, every sixth part of it.
    Wide,
}

/// An event and its stream, with how far it is covered.
#[derive(Clone)]
pub struct Tracked {
    pub event: Arc<Event>,
    pub stream: StreamId,
    /// How far its stream is covered.
    pub mark: Option<Watermark>,
}

impl Tracked {
    /// The stage of a lifecycle event; empty for a form event.
    pub fn stage(&self) -> &str {
        self.event.trigger.stage().unwrap_or_default()
    }

    /// Where to begin for this event. Where `reached` is given, everything before it was read once: then `by` goes back
    /// from there if that is later.
    pub fn lower_bound(&self, back: Lookback) -> Timestamp {
        let bound = coverage::lower_bound(self.mark, self.event.start, back.by);
        let reached = back.reached.filter(|_| !self.is_backfill());
        bound.max(reached.and_then(|t| t.checked_sub(back.by).ok()).unwrap_or(bound))
    }

    /// True if the next read begins where nothing was read before.
    pub fn is_backfill(&self) -> bool {
        coverage::is_backfill(self.mark, self.event.start)
    }

    /// The mark after a pass that went back `by` and saw nothing newer than `newest`.
    pub fn mark_after(&self, by: SignedDuration, newest: Timestamp) -> Watermark {
        // Without `reached`: what lies between the cursor and there was read by the passes before.
        let read_from = coverage::lower_bound(self.mark, self.event.start, by);
        coverage::watermark_after(self.mark, self.event.start, read_from, newest)
    }
}

/// How far a pass goes back.
#[derive(Debug, Clone, Copy)]
pub struct Lookback {
    /// From the newest time seen, or from `reached`.
    pub by: SignedDuration,
    /// HubSpot's time up to which everything was read, for passes that need not go back to the newest time seen: on a
    /// quiet portal that may be the time of a bulk change, which would be listed for ever.
    pub reached: Option<Timestamp>,
}

/// The lower bound of every stage: the earliest any of its events needs.
pub fn stage_bounds(events: &[Tracked], back: Lookback) -> BTreeMap<String, Timestamp> {
    let mut bounds: BTreeMap<String, Timestamp> = BTreeMap::new();
    for tracked in events {
        let bound = tracked.lower_bound(back);
        bounds
            .entry(tracked.stage().to_owned())
            .and_modify(|b| *b = (*b).min(bound))
            .or_insert(bound);
    }
    bounds
}

/// What to read of each contact so that all lifecycle events among these can decide from it.
pub fn contact_query<'a>(events: impl IntoIterator<Item = &'a Arc<Event>>) -> ReadPlan {
    let rules = events
        .into_iter()
        .map(|e| &e.rules)
        .filter(|r| !r.trigger_kind.is_form());
    Arc::new(properties_of(rules))
}

/// What to read of each contact so that all form events among these can decide from it: no histories.
pub fn form_contact_query<'a>(events: impl IntoIterator<Item = &'a Arc<Event>>) -> ReadPlan {
    let rules = events
        .into_iter()
        .map(|e| &e.rules)
        .filter(|r| r.trigger_kind.is_form());
    let (mut plain, _) = properties_of(rules);
    plain.retain(|property| property != LIFECYCLE_STAGE);
    Arc::new((plain, Vec::new()))
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod tests;
