//! What the three controllers have in common.

pub mod account;
pub mod apply;
pub mod context;
pub mod log;
pub mod object;
pub mod recorder;
pub mod references;
pub mod rereads;
pub mod secrets;
