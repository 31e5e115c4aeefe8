//! What several tests share.

pub mod api_client;
pub mod clock;
pub mod cluster;
pub mod contrast;
pub mod devtools;
pub mod documents;
pub mod loops;
pub mod memory;
pub mod wait;
