//! The Kubernetes shell: watches, caches, status writes, finalizers, Kubernetes Events. Decisions are made in `domain`;
//! here they are fed and carried out.
//!
//! Everything about a user's object or an upstream service becomes a condition and an `Ok(Action)`. An
//! [`shared::error::Error`] means that the Kubernetes API itself, or the ledger, failed: the object is retried with
//! growing pauses.

pub mod ad_conversion_event;
pub mod google_ads_account;
pub mod hubspot_account;
pub mod rehearsal;
pub mod runtime;
pub mod shared;
