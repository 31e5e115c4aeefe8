//! What several tests share.

pub mod cluster;
pub mod memory;
