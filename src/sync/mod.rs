//! The sync loops: feed (one per HubSpot account), event loop (one per event), uploader and request-status poller (one
//! per Google account), over the ports they own.

pub mod context;
pub mod delivery;
pub mod event_loop;
pub mod fault;
pub mod feed;
pub mod poller;
pub mod ports;
pub mod pulse;
pub mod registry;
pub mod restarts;
pub mod retention;
pub mod submissions;
pub mod supervisor;
pub mod unreadable;
pub mod uploader;
