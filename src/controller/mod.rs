//! The Kubernetes shell: watches, caches, status writes, finalizers, Kubernetes Events. Decisions are made in `domain`;
//! here they are fed and carried out.
//!
//! Everything about a user's object or an upstream service becomes a condition and an `Ok(Action)`. An [`Error`] means
//! that the Kubernetes API itself, or the ledger, failed: the object is retried with growing pauses.

pub mod ad_conversion_event;
pub mod google_ads_account;
pub mod hubspot_account;
pub mod runtime;
pub mod shared;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::core::{NamespaceResourceScope, object::HasStatus};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use kube::runtime::controller::Action;

use crate::api::{Condition, FLUX_REQUESTED_AT, RECONCILE_REQUESTED_AT};
use crate::domain::brief::echo;
use crate::domain::ids::ObjectKey;
use crate::ports::ledger::LedgerError;
use crate::registry::Wake;
use shared::context::Context;

/// Why a reconcile could not be finished. Holds no secret value: Kubernetes' words about a Secret name it only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Kubernetes API refused or failed.
    #[error("Kubernetes API, {what}: {}", shared::log::words(source))]
    Kube {
        /// What was being done.
        what: &'static str,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// The object was changed meanwhile: nothing was written, the next pass sees the change.
    #[error("{what}: the object was changed by somebody else meanwhile")]
    Conflict {
        /// What was being done.
        what: &'static str,
    },
    /// The Kubernetes API did not answer in time.
    #[error("Kubernetes API, {what}: no answer in time")]
    NoAnswer {
        /// What was being done.
        what: &'static str,
    },
    /// The Kubernetes API refuses something that it may allow in a moment.
    #[error("Kubernetes API, {what}: refused; this is believed once it lasts")]
    Refused {
        /// What was being done.
        what: &'static str,
    },
    /// A status cannot be written as JSON: a bug.
    #[error("the status cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The whole reconcile took too long.
    #[error("the reconcile took longer than {} s", .0.as_secs())]
    TooLong(Duration),
    /// A bug in the operator.
    #[error("the reconcile panicked; the log says where")]
    Panic,
}

impl Error {
    /// Wraps an error of the client; a conflict becomes [`Error::Conflict`].
    pub fn kube(what: &'static str, source: kube::Error) -> Self {
        match &source {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict { what },
            _ => Self::Kube {
                what,
                source: Box::new(source),
            },
        }
    }

    /// How long the Kubernetes API asked us to wait, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Kube { source, .. } = self else { return None };
        let kube::Error::Api(status) = source.as_ref() else {
            return None;
        };
        let seconds = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// Name of the class, for metrics.
    pub const fn result(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "conflict",
            Self::TooLong(_) => "timeout",
            Self::Panic => "panic",
            _ => "error",
        }
    }
}

/// One of our kinds, with what the shell needs of it.
pub trait Object:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + HasStatus<Status: Serialize + DeserializeOwned>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Name of the kind.
    const KIND: &'static str;

    /// Wakes the controller of this kind for one object.
    fn wake(key: ObjectKey) -> Wake;

    /// Whose controllers are told when this object comes or goes.
    fn neighbours(&self) -> Vec<Wake>;

    /// Conditions of the status, if there is one.
    fn conditions(&self) -> &[Condition];

    /// `status.lastHandledReconcileAt`.
    fn last_handled(&self) -> Option<&str>;

    /// Namespace and name.
    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace().unwrap_or_default(), self.name_any())
    }

    /// The uid; empty in objects that no API server has seen.
    fn id(&self) -> String {
        self.uid().unwrap_or_default()
    }

    /// True once somebody has asked for its deletion.
    fn deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    /// The newest value of the annotations that ask for work now, as long as a status repeats it.
    fn requested_at(&self) -> Option<&str> {
        let annotations = self.annotations();
        let values = [RECONCILE_REQUESTED_AT, FLUX_REQUESTED_AT].map(|name| annotations.get(name).map(String::as_str));
        values
            .into_iter()
            .flatten()
            .map(echo)
            .max_by_key(|value| (request_time(value), *value))
    }

    /// The value of the annotations, where it has not been acted upon.
    fn open_request(&self) -> Option<&str> {
        self.requested_at()
            .filter(|wanted| self.last_handled() != Some(*wanted))
    }
}

/// The time that a request holds: RFC 3339 as Flux writes it, or the seconds of `date +%s` (or a finer unit). A text that
/// holds none is older than every time.
fn request_time(value: &str) -> Option<Timestamp> {
    let number = || {
        let number = value.parse::<i64>().ok()?;
        match value.len() {
            ..=11 => Timestamp::from_second(number).ok(),
            12..=14 => Timestamp::from_millisecond(number).ok(),
            15..=17 => Timestamp::from_microsecond(number).ok(),
            _ => Timestamp::from_nanosecond(i128::from(number)).ok(),
        }
    };
    value.parse().ok().or_else(number)
}

/// A controller of one kind. The shell calls it for one object at a time, never twice at once for the same object.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind.
    type Object: Object;

    /// Brings the world and the status to what the object says.
    ///
    /// # Errors
    /// Only where the Kubernetes API or the ledger fails, see [`Error`].
    fn reconcile(object: Arc<Self::Object>, ctx: Arc<Context>) -> impl Future<Output = Result<Action, Error>> + Send;

    /// The object is gone from Kubernetes (not: is being deleted). Forgets what is kept about it; must not block.
    fn gone(key: &ObjectKey, ctx: &Context);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::api::AdConversionEvent;

    #[rstest]
    #[case::none(None, None, None)]
    #[case::ours(Some("1795000000"), None, Some("1795000000"))]
    #[case::theirs(None, Some("2026-11-26T10:00:00Z"), Some("2026-11-26T10:00:00Z"))]
    #[case::seconds_after_flux(Some("1795687201"), Some("2026-11-26T10:00:00.1Z"), Some("1795687201"))]
    #[case::seconds_before_flux(Some("1795687199"), Some("2026-11-26T10:00:00Z"), Some("2026-11-26T10:00:00Z"))]
    #[case::nanoseconds(Some("1795687201000000000"), Some("1795687200"), Some("1795687201000000000"))]
    #[case::words(Some("b"), Some("a"), Some("b"))]
    #[case::a_time_before_words(Some("please"), Some("1"), Some("1"))]
    fn the_newest_request_counts_in_whatever_form(
        #[case] ours: Option<&str>,
        #[case] flux: Option<&str>,
        #[case] wanted: Option<&str>,
    ) {
        let mut annotations = serde_json::Map::new();
        for (name, value) in [(RECONCILE_REQUESTED_AT, ours), (FLUX_REQUESTED_AT, flux)] {
            annotations.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        let event: AdConversionEvent = serde_json::from_value(json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": "won", "annotations": annotations},
            "spec": {"hubSpotAccountRef": {"name": "acme"}, "trigger": {"lifecycleStage": {"stage": "customer"}}},
        }))
        .unwrap();
        assert_eq!(event.requested_at(), wanted);
    }
}
