//! Names that users and their tools rely on, each with what it means and what to do about
//! it: types and reasons of conditions, reasons of Kubernetes Events, reasons of
//! conversions. `docs/conditions-and-reasons.md` is written from these tables.

pub mod condition;
pub mod event;
mod explained;
pub mod reason;
pub mod row;

pub use explained::Explained;
