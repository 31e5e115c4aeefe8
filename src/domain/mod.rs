//! The rules, pure: no async, clock, client, environment or logging. Time comes in as an argument.

pub mod account_state;
pub mod account_trouble;
pub mod action;
pub mod action_plan;
pub mod backoff;
pub mod batch;
pub mod brief;
pub mod codes;
pub mod conditions;
pub mod contact;
pub mod conversion;
pub mod counts;
pub mod coverage;
pub mod eligibility;
pub mod enhancement;
pub mod identifiers;
pub mod ids;
pub mod occurrence;
pub mod outcome;
pub mod ownership;
pub mod refusals;
pub mod spec;
pub mod tag;
pub mod transitions;
pub mod trigger;
pub mod value;
