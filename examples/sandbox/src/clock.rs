//! The sandbox's clock: real time plus an offset.

use jiff::{SignedDuration, Timestamp};

/// Real time plus an offset that only an operator of the sandbox moves. All simulated services read this clock, so that
/// token lifetimes, quotas and index delays can be skipped over in tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    offset: SignedDuration,
}

impl Clock {
    /// A clock that runs `offset` ahead of (or, if negative, behind) real time.
    pub fn with_offset(offset: SignedDuration) -> Self {
        Self { offset }
    }

    /// The current simulated time, truncated to milliseconds (the precision of HubSpot's history).
    pub fn now(&self) -> Timestamp {
        let real = Timestamp::now();
        let moved = real.checked_add(self.offset).unwrap_or(real);
        Timestamp::from_millisecond(moved.as_millisecond()).unwrap_or(moved)
    }

    /// The current simulated time in milliseconds since the epoch.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }

    /// Moves the clock by `d`; a negative duration moves it back. Saturates at the ends of the representable range.
    pub fn advance(&mut self, d: SignedDuration) {
        self.offset = self.offset.saturating_add(d);
    }

    /// Sets the clock so that it shows `at` now and runs on from there.
    pub fn set(&mut self, at: Timestamp) {
        self.offset = at.duration_since(Timestamp::now());
    }

    /// How far the clock is ahead of real time.
    pub fn offset(&self) -> SignedDuration {
        self.offset
    }
}
