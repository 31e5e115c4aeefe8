//! Integration tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::type_complexity,
    clippy::items_after_statements
)]

mod accounts;
mod broken_page;
mod chart;
mod circles;
mod crds;
mod deleted;
mod e2e;
mod far_future;
mod gitops;
mod late_action;
mod layering;
mod ledger_copy;
mod ledger_faults;
mod livez;
mod manifests;
mod many_events;
mod metrics;
mod network;
mod normalisation;
mod odd_manifests;
mod one_broken;
mod pages;
mod plain_words;
mod plugin;
mod port_forward;
mod postgres_faults;
mod ready;
mod resends;
mod seam;
mod signals;
mod silent_portal;
mod streamed;
mod support;
mod tag;
mod terminal;
mod two_resumes;
