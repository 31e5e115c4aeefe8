//! What the controllers of both account kinds share: memory between
//! passes, the meaning of upstream errors, and the pass itself.

mod broken;
pub mod controller;
pub mod fault;
pub mod kind;
pub mod state;
mod state_store;
pub mod user_change;
