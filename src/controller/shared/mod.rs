//! What the three controllers have in common.

pub mod account;
pub mod apply;
pub mod barrier;
pub mod context;
pub mod error;
pub mod google_actions;
pub mod lean;
pub mod log;
pub mod lookup;
pub mod object;
pub mod reconciler;
pub mod recorder;
pub mod references;
pub mod rereads;
pub mod secrets;
pub mod shared_reads;
