//! The ports: what the sync loops and controllers need of the outside world, as traits and plain data.
//!
//! `upstream` and `ledger` implement them; nothing imports those modules but `cli`, which wires them.

pub mod ads;
#[cfg(test)]
pub mod any_json;
pub mod budget;
pub mod crm;
pub mod error;
#[cfg(test)]
pub(crate) mod hostile_answers;
pub mod ledger;
pub mod pulse;
pub mod sink;
pub mod stopping;
#[cfg(test)]
pub(crate) mod test_support;
pub mod unreached;
pub mod work_permit;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::domain::ids::CustomerId;
use crate::domain::steady_time::KnownTime;

pub use error::{CallKind, Cause, Effect, UpstreamError};

/// The clock; tests have one that they set themselves.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
    /// Now, and the time from which something final may follow.
    fn known_time(&self) -> KnownTime {
        KnownTime::undisputed(self.now())
    }
    /// By how much the time was ahead before it was corrected, if it was since the last call; of several corrections the
    /// most.
    fn take_ahead(&self) -> SignedDuration {
        SignedDuration::ZERO
    }
}

/// The data of a Kubernetes Secret, decoded. Values never appear in `Debug`, logs or errors.
pub type SecretData = BTreeMap<String, SecretString>;

/// Why a Secret can't be used: names the key and the way out, never a value. Two sentences, without the last full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SecretInvalid {
    /// For people, e.g. `key "refreshToken" is missing. Add clientId, clientSecret and refreshToken, or
    /// credentials.json`.
    pub message: String,
}

/// The Google clients of one set of credentials. They share the token source and the limiters.
#[derive(Clone)]
pub struct GoogleClients {
    /// Google Ads API: configuration and reports.
    pub ads: Arc<dyn ads::GoogleAds>,
    /// Data Manager API: conversion uploads.
    pub sink: Arc<dyn sink::ConversionSink>,
    /// Google Ads API: conversion uploads of projects that may still use it.
    pub clicks: Arc<dyn sink::RowUploads>,
    /// Google Ads API: enhancements.
    pub enhancements: Arc<dyn sink::RowUploads>,
}

/// Where the credentials of a Google account come from. No `Debug`.
#[derive(Clone, Copy)]
pub enum GoogleCredentials<'a> {
    Secret(&'a SecretData),
    /// The identity of this process, asked for by an account in this namespace.
    Ambient {
        /// The account's namespace.
        namespace: &'a str,
    },
}

/// Makes Google clients out of credentials.
#[async_trait]
pub trait GoogleConnector: Send + Sync {
    /// Clients for these credentials, if the account may use them. Does no API call of its own; a token is fetched by
    /// the first call. `login` is the manager the access comes through.
    async fn connect(
        &self,
        credentials: GoogleCredentials<'_>,
        login: Option<CustomerId>,
    ) -> Result<GoogleClients, SecretInvalid>;
}

/// Makes HubSpot clients out of a Secret.
#[async_trait]
pub trait CrmConnector: Send + Sync {
    /// A client for the credentials in `secret`. Does no API call of its own.
    async fn connect(&self, secret: &SecretData) -> Result<Arc<dyn crm::Crm>, SecretInvalid>;
}

/// Hears of every call to an upstream API: the clients do not depend on the metrics.
pub trait CallObserver: Send + Sync {
    /// One HTTP attempt has ended. `method` is our short name of the call; `status` is absent if no answer came.
    fn observe_call(&self, api: &'static str, method: &'static str, status: Option<u16>, elapsed: std::time::Duration);
    /// A call was held back by a limiter or a `Retry-After` for this long.
    fn observe_throttling(&self, api: &'static str, wait: std::time::Duration);
    /// An answer says that it was made at this time, by the clock of HubSpot or Google.
    fn observe_date(&self, _vendor: &'static str, _date: Timestamp) {}
    /// The time by the clock of HubSpot or Google, as its last answer told it. It is for what the vendor compares with
    /// its own clock, or reckons by it.
    fn vendor_time(&self, _vendor: &'static str) -> Timestamp {
        Timestamp::now()
    }
}
