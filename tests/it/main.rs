//! Integration tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod chart;
mod crds;
mod e2e;
mod layering;
mod manifests;
mod normalisation;
mod support;
