//! The time of unit tests.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;

/// So many seconds after the moment at which the clocks of unit tests begin.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}
