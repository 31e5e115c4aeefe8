//! The rules, pure: no async, clock, client, environment or logging. Time comes in as an argument.

pub mod eligibility;
pub mod ids;
pub mod outcome;
