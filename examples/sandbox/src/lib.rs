//! Simulates HubSpot (2026-09), Google's token endpoint, the Google Ads API (v26) and the Data Manager API (v1).
//!
//! The sandbox is a second, independent and strict reading of the public documentation of these services. It shares no
//! types with the operator, so that a mistake in one of the two shows up as a difference. Everything lives in memory,
//! behind one lock, under a clock that a test can move.

pub mod admin;
pub mod clock;
pub mod edge;
pub mod faults;
pub mod gate;
pub mod google;
pub mod hubspot;
pub mod log;
pub mod options;
pub mod orders;
pub mod random;
pub mod serve;
pub mod world;
