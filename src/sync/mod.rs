//! The sync loops, over the ports: feed (one per HubSpot account),
//! uploader and poll of requests (one per Google account).

pub mod absences;
pub mod account_judgement;
mod bounded;
pub mod contact_cache;
pub(crate) mod contact_reader;
pub mod context;
pub mod delivery;
mod due_rows;
mod failing;
pub mod feed;
mod forms;
pub mod poll;
pub mod prepare;
pub mod refusals;
pub mod rehearsal;
pub mod retention;
mod room;
mod second_look;
pub mod submissions;
pub mod supervisor;
#[cfg(test)]
pub(crate) mod test_support;
pub mod unreadable;
pub mod upload;
mod withheld;
