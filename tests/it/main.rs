//! Integration tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crds;
mod manifests;
mod support;
