//! What several tests share.

pub mod clock;
pub mod cluster;
pub mod contrast;
pub mod devtools;
pub mod documents;
pub mod loops;
pub mod memory;
pub mod wait;
