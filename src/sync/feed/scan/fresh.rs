//! Polls in between: a scan may take minutes, and what is fresh is looked for meanwhile as often as at other times.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::api::ChangeDetection;

/// What a poll in between looks for.
pub struct FreshPoll {
    /// The stages of the events that are not read for the first time, each with its bound.
    pub bounds: BTreeMap<String, Timestamp>,
    /// How it is found.
    pub detection: ChangeDetection,
    /// How often.
    pub interval: Duration,
    /// When it was looked for last.
    pub last: Instant,
}

impl FreshPoll {
    /// True where it is time to look.
    pub fn is_due(&self) -> bool {
        self.last.elapsed() >= self.interval && !self.bounds.is_empty()
    }
}
