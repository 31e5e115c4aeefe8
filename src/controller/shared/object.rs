//! What the shell needs to know of each of our kinds.

use std::collections::BTreeSet;
use std::fmt::Debug;

use jiff::Timestamp;
use kube::core::{NamespaceResourceScope, object::HasStatus};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lookup::{self, Lookup};
use crate::api::{
    AdConversionEvent, Condition, FLUX_REQUESTED_AT, GoogleAdsAccount, HubSpotAccount, RECONCILE_REQUESTED_AT,
};
use crate::domain::brief::echo;
use crate::domain::declared::Declared;
use crate::domain::ids::ObjectKey;
use crate::registry::{Urgency, Wake};

/// The annotations that ask for work now.
pub(super) const REQUESTS: [&str; 2] = [RECONCILE_REQUESTED_AT, FLUX_REQUESTED_AT];

/// One of our kinds, with what the shell needs of it.
pub trait Object:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + HasStatus<Status: Serialize + DeserializeOwned + Send + Sync>
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
    fn to_wake(key: ObjectKey) -> Wake;

    /// What it is looked up by.
    fn lookup_keys(&self) -> BTreeSet<Lookup>;

    /// The accounts whose controllers are woken when this object comes or goes.
    fn neighbours_to_wake(&self) -> Vec<Wake>;

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
    fn is_deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }

    /// The newest value of the annotations that ask for work now, as long as a status repeats it.
    fn requested_at(&self) -> Option<&str> {
        let annotations = self.annotations();
        let values = REQUESTS.map(|name| annotations.get(name).map(String::as_str));
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

/// The time that a request holds: RFC 3339 as Flux writes it, or the seconds of `date +%s` (or a finer unit). A text
/// that holds none is older than every time.
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

macro_rules! status_accessors {
    () => {
        fn conditions(&self) -> &[Condition] {
            self.status.as_ref().map_or(&[], |s| &s.conditions)
        }

        fn last_handled(&self) -> Option<&str> {
            self.status.as_ref()?.last_handled_reconcile_at.as_deref()
        }
    };
}

impl Object for AdConversionEvent {
    const KIND: &'static str = "AdConversionEvent";

    fn to_wake(key: ObjectKey) -> Wake {
        Wake::Event {
            key,
            urgency: Urgency::Now,
        }
    }

    fn lookup_keys(&self) -> BTreeSet<Lookup> {
        lookup::of_event(self)
    }

    fn neighbours_to_wake(&self) -> Vec<Wake> {
        let declared = Declared::from_manifest(self);
        vec![Wake::HubSpot(declared.hubspot), Wake::Google(declared.google)]
    }

    status_accessors!();
}

impl Object for GoogleAdsAccount {
    const KIND: &'static str = "GoogleAdsAccount";

    fn to_wake(key: ObjectKey) -> Wake {
        Wake::Google(key)
    }

    fn lookup_keys(&self) -> BTreeSet<Lookup> {
        lookup::of_google(self)
    }

    fn neighbours_to_wake(&self) -> Vec<Wake> {
        Vec::new()
    }

    status_accessors!();
}

impl Object for HubSpotAccount {
    const KIND: &'static str = "HubSpotAccount";

    fn to_wake(key: ObjectKey) -> Wake {
        Wake::HubSpot(key)
    }

    fn lookup_keys(&self) -> BTreeSet<Lookup> {
        BTreeSet::new()
    }

    fn neighbours_to_wake(&self) -> Vec<Wake> {
        Vec::new()
    }

    status_accessors!();
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
