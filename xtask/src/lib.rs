//! Developer tooling: a real control plane for tests and the demo, the test
//! command, the conformance check, the demo. Blocking, no async runtime, no product code.
//!
//! Integration tests use [`control_plane::ControlPlane`] and [`tools`].

pub mod browser;
mod checkers;
pub mod conformance;
pub mod control_plane;
mod credentials;
pub mod demo;
pub mod error;
pub mod go_tools;
mod image;
pub mod kubectl;
pub mod lab;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod prometheus;
mod python;
pub mod suite;
pub mod supervisor;
pub mod tools;

pub use error::Error;
