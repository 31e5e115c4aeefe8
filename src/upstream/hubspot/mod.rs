//! HubSpot's CRM API, dated version 2026-09, read only: implements [`crate::ports::crm::Crm`].
//!
//! One client per set of credentials; all clients of one portal share its limiters and its `Retry-After` gate. Every
//! call is a read, so repeating one is always safe and no failed call has an effect.

mod account;
mod asked;
mod auth;
mod by_email;
mod client;
mod config;
mod connector;
mod contacts;
mod deals;
mod errors;
mod failed_reads;
mod failed_searches;
mod forms;
mod items;
mod key_habits;
mod limits;
mod pace;
mod pages;
mod properties;
mod property_hunt;
mod refusals;
mod rows;
mod scalar;
mod search;
mod slots;
mod token;
mod token_errors;
mod token_info;
mod token_portal;
mod transport;
mod wire;
mod withheld;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub use client::HubSpot;
pub use config::{CallLimit, HubSpotConfig, RetryWaits};
pub use connector::HubSpotConnector;
