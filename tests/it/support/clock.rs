//! A clock that tests set ahead.

use parking_lot::Mutex;

use adconversion_operator::ports::Clock;
use jiff::{SignedDuration, Timestamp};

/// The real time, and what was added to it.
#[derive(Default)]
pub struct Ahead(Mutex<SignedDuration>);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.0.lock()
    }
}

impl Ahead {
    /// Adds so much to the time from now on.
    pub fn set(&self, ahead: SignedDuration) {
        *self.0.lock() = ahead;
    }
}
