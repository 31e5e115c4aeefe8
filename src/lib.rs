//! Kubernetes operator that turns HubSpot lifecycle stages and form submissions into Google Ads conversions.
//!
//! Data flows one way: read, decide, send, record, report. Modules may import downwards only:
//! `cli` → `controller` → `sync` → `domain` → `api`; `hubspot`, `google` and `ledger` implement the ports that `sync`
//! owns, and only `cli` imports them; `upstream` is what the first two have in common.
#![forbid(unsafe_code)]

pub mod api;
pub mod cli;
pub mod controller;
pub mod domain;
pub mod google;
pub mod hubspot;
pub mod ledger;
pub mod ops;
pub mod sync;
pub mod upstream;
