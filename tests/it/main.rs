//! Integration tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accounts;
mod crds;
mod manifests;
mod support;
