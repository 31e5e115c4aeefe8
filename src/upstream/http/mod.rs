//! What the clients of both vendors have in common: bounded bodies, waits, texts.

pub mod body;
pub mod growing;
pub mod json;
pub mod memory;
pub mod outline;
pub mod prose;
pub mod text;
pub mod wait;
