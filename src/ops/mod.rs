//! What people who run the operator look at: metrics, health, logs.

pub mod health;
pub mod metrics;
pub mod telemetry;
