//! The rules, pure: no async, clock, client, environment or logging. Time comes in as an argument.

pub mod account_state;
pub mod account_trouble;
pub mod conditions;
pub mod eligibility;
pub mod ids;
pub mod outcome;
