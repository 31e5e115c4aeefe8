//! What one pass has to read: stages, their lower bounds, and the events that want them. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::coverage::{self, Covered};
use crate::domain::eligibility::properties_of;
use crate::sync::context::ReadPlan;
use crate::sync::ports::ledger::{FeedMark, TrackId};
use crate::sync::registry::Event;

/// An event and its track, with how far it is covered.
#[derive(Clone)]
pub struct Tracked {
    /// The event.
    pub event: Event,
    /// Its track.
    pub track: TrackId,
    /// How far its track is covered.
    pub mark: Option<FeedMark>,
}

impl Tracked {
    fn covered(&self) -> Option<Covered> {
        self.mark.map(|m| Covered {
            from: m.covered_from,
            cursor: m.cursor,
        })
    }

    /// Where to begin for this event, going back `back`.
    pub fn lower_bound(&self, back: SignedDuration) -> Timestamp {
        coverage::lower_bound(self.covered(), self.event.start, back)
    }

    /// True where the next read begins where nothing was read before.
    pub fn is_backfill(&self) -> bool {
        coverage::is_backfill(self.covered(), self.event.start)
    }

    /// The mark after everything since `read_from` was read up to `newest`.
    pub fn mark_after(&self, read_from: Timestamp, newest: Timestamp) -> FeedMark {
        let after = coverage::after(self.covered(), self.event.start, read_from, newest);
        FeedMark {
            covered_from: after.from,
            cursor: after.cursor,
        }
    }
}

/// The lower bound of every stage: the earliest any of its events needs.
pub fn bounds(events: &[Tracked], back: SignedDuration) -> BTreeMap<String, Timestamp> {
    let mut bounds: BTreeMap<String, Timestamp> = BTreeMap::new();
    for tracked in events {
        let bound = tracked.lower_bound(back);
        bounds
            .entry(tracked.event.stage.clone())
            .and_modify(|b| *b = (*b).min(bound))
            .or_insert(bound);
    }
    bounds
}

/// What to read of each contact so that all events can decide from it.
pub fn read_plan<'a>(events: impl IntoIterator<Item = &'a Event>) -> ReadPlan {
    Arc::new(properties_of(events.into_iter().map(|e| &e.rules)))
}

/// The property with the time of the last entry into a stage.
pub fn date_entered(stage: &str) -> String {
    format!("hs_v2_date_entered_{stage}")
}
