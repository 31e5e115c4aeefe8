//! How events were counted last: for those who ask for the conversions behind a count.

use jiff::Timestamp;

use crate::domain::counts::EventGates;
use crate::ports::ledger::StreamId;

/// What the counts of an event are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedStream {
    pub stream: StreamId,
    /// Its conversions since then count.
    pub start: Timestamp,
    /// What held up the whole event: it is shown in place of the reasons of conversions that wait.
    pub gates: EventGates,
}
