//! Integration tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod chart;
mod accounts;
mod crds;
mod e2e;
mod manifests;
mod normalisation;
mod support;
