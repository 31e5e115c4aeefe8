//! Shared by the clients of both vendors: bounded bodies, waits and gates, renewal of tokens, cleaned texts.

pub mod body;
pub mod gate;
pub mod growing;
pub mod json;
pub mod last_failure;
pub mod limits;
pub mod memory;
pub mod outline;
pub mod prose;
pub mod renewal;
pub mod text;
pub mod unreached;
pub mod wait;
