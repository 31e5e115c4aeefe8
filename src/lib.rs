//! Kubernetes operator that turns HubSpot lifecycle stages and form submissions into Google Ads conversions.
//!
//! Data flows one way: read, decide, send, record, report. Modules may import downwards only:
//! `cli` → `controller`, `sync`, `admin` → `registry` → `ports` → `domain` → `api`. `controller`
//! and `sync` don't know each other: they meet in `registry`. `upstream` and `ledger` implement
//! the ports, and only `cli` imports them. `tests/it/layering.rs` holds all this.
#![forbid(unsafe_code)]

pub mod admin;
pub mod api;
pub mod cli;
pub mod controller;
pub mod domain;
pub mod ledger;
pub mod ops;
pub mod ports;
pub mod registry;
pub mod sync;
pub mod upstream;
