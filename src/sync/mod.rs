//! The sync loops: feed (one per HubSpot account), event loop (one per event), uploader and request-status poller (one
//! per Google account), over the ports they own.

pub mod absences;
mod bounded;
pub mod contact_cache;
pub(crate) mod contact_reader;
pub mod context;
pub mod delivery;
mod due_rows;
pub mod feed;
mod forms;
pub mod poll;
pub mod prepare;
pub mod rehearsal;
pub mod retention;
mod room;
mod second_look;
pub mod submissions;
pub mod supervisor;
pub mod unreadable;
pub mod upload;
