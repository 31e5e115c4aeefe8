//! The clock of unit tests, and conditions as text.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;

use crate::api::Condition;

/// So many seconds after the moment at which the clocks of unit tests begin.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// Conditions as `type=status/reason`.
pub(crate) fn shown(conditions: &[Condition]) -> String {
    let parts: Vec<_> = conditions
        .iter()
        .map(|c| format!("{}={}/{}", c.type_, c.status, c.reason))
        .collect();
    parts.join(" ")
}
