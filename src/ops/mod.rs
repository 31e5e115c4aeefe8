//! What people who run the operator look at: metrics, health, logs.

pub mod colors;
pub mod exposition;
pub mod health;
pub mod leader;
pub mod listen;
pub mod metrics;
mod scrapes;
pub mod server;
pub mod telemetry;
pub mod vendor_clock;
