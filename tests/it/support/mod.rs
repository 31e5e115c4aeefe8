//! What several tests share.

pub mod clock;
pub mod cluster;
pub mod loops;
pub mod memory;
