//! The sync loops: feed (one per HubSpot account), event loop (one per event), uploader and request-status poller (one
//! per Google account), over the ports they own.

pub mod ports;
pub mod registry;
