//! Objects as they are read from the Kubernetes API: of the metadata only what somebody here reads. Whoever may write an
//! object can fill a megabyte with labels, annotations or managed fields, and decoded it would be many times as much.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::error_boundary::InvalidObject;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::object::REQUESTS;
use crate::domain::brief::{echo, writable};

/// Most finalizers of an object. Each has at most 317 characters.
pub const FINALIZERS: usize = 64;
/// Most owners of an object that are looked at.
const OWNERS: usize = 64;

/// An object with so much of its metadata, or why it cannot be read: one of them must not keep the others of a list
/// from being read.
///
/// Left are name, namespace, uid, versions and times, 64 finalizers and one more, 64 owners, and 256 characters of the
/// annotations that ask for work. Nothing of that but finalizers is ever written back.
#[derive(Debug, Clone)]
pub struct Lean<K>(pub Result<K, Box<InvalidObject>>);

impl<'de, K: DeserializeOwned> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (meta, mut members) = deserializer.deserialize_map(ObjectVisitor)?;
        let metadata = ObjectMeta::from(meta);
        let written = serde_json::to_value(&metadata).map_err(serde::de::Error::custom)?;
        members.insert("metadata".to_owned(), written);
        let object = serde_json::from_value(Value::Object(members));
        Ok(Self(object.map_err(|error| {
            Box::new(InvalidObject {
                error: error.to_string(),
                metadata,
            })
        })))
    }
}

/// What is left of the metadata.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LeanMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(deserialize_with = "first::<FINALIZERS_AND_ONE, _, _>")]
    finalizers: Vec<String>,
    #[serde(deserialize_with = "first::<OWNERS, _, _>")]
    owner_references: Vec<OwnerReference>,
    #[serde(deserialize_with = "requests")]
    annotations: Vec<(String, String)>,
}

/// So that too many can be told from just enough.
const FINALIZERS_AND_ONE: usize = FINALIZERS + 1;

impl From<LeanMeta> for ObjectMeta {
    fn from(meta: LeanMeta) -> Self {
        Self {
            name: meta.name,
            namespace: meta.namespace,
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            finalizers: Some(meta.finalizers).filter(|some| !some.is_empty()),
            owner_references: Some(meta.owner_references).filter(|some| !some.is_empty()),
            annotations: Some(meta.annotations.into_iter().collect())
                .filter(|some: &std::collections::BTreeMap<_, _>| !some.is_empty()),
            ..Self::default()
        }
    }
}

/// Metadata, and all other members as they are.
struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = (LeanMeta, Map<String, Value>);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut meta, mut others) = (LeanMeta::default(), Map::new());
        while let Some(name) = members.next_key::<String>()? {
            if name == "metadata" {
                meta = members.next_value()?;
            } else {
                others.insert(name, members.next_value()?);
            }
        }
        Ok((meta, others))
    }
}

/// The first `N` elements of a list. The others are passed over.
fn first<'de, const N: usize, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct First<const N: usize, T>(PhantomData<T>);

    impl<'de, const N: usize, T: Deserialize<'de>> Visitor<'de> for First<N, T> {
        type Value = Vec<T>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while found.len() < N
                && let Some(element) = elements.next_element()?
            {
                found.push(element);
            }
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            Ok(found)
        }
    }

    deserializer.deserialize_any(First::<N, T>(PhantomData))
}

/// Of annotations those that ask for work, as long and as a status repeats them.
fn requests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    struct Requests;

    impl<'de> Visitor<'de> for Requests {
        type Value = Vec<(String, String)>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("annotations")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
            let mut found = Vec::new();
            while let Some(name) = members.next_key::<String>()? {
                if REQUESTS.contains(&name.as_str()) {
                    let value: String = members.next_value()?;
                    found.push((name, writable(echo(&value)).into_owned()));
                } else {
                    members.next_value::<IgnoredAny>()?;
                }
            }
            Ok(found)
        }
    }

    deserializer.deserialize_any(Requests)
}

impl<K: Resource> Resource for Lean<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dynamic)
    }

    fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dynamic)
    }

    fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dynamic)
    }

    fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|invalid| &invalid.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0
            .as_mut()
            .map_or_else(|invalid| &mut invalid.metadata, K::meta_mut)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kube::core::WatchEvent;
    use serde_json::json;

    use super::*;
    use crate::api::{AdConversionEvent, RECONCILE_REQUESTED_AT};
    use crate::controller::shared::object::Object as _;

    fn manifest(metadata: &Value) -> Value {
        json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": metadata,
            "spec": {"hubSpotAccountRef": {"name": "acme"}, "trigger": {"lifecycleStage": {"stage": "customer"}}},
        })
    }

    fn read(metadata: &Value) -> AdConversionEvent {
        let Lean(object) = serde_json::from_value(manifest(metadata)).unwrap();
        object.unwrap()
    }

    #[test]
    fn what_nobody_reads_is_passed_over() {
        let long = "9".repeat(250_000);
        let kept = json!({
            "name": "won", "namespace": "marketing", "uid": "u", "resourceVersion": "7", "generation": 2,
            "creationTimestamp": "2026-11-26T10:00:00Z", "deletionTimestamp": "2026-11-26T11:00:00Z",
            "finalizers": ["adconversion.dev/finalizer", "example.com/other"],
            "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "o"}],
        });
        let mut all = kept.clone();
        all["annotations"] = json!({
            RECONCILE_REQUESTED_AT: long, "note": long, "kubectl.kubernetes.io/last-applied-configuration": long,
        });
        all["labels"] = json!({"team": long});
        all["managedFields"] = json!([{"manager": long}]);
        all["generateName"] = json!(long);
        let asked: AdConversionEvent = serde_json::from_value(manifest(&all)).unwrap();
        let event = read(&all);
        assert_eq!(event.requested_at(), asked.requested_at());
        let mut wanted = kept.clone();
        wanted["annotations"] = json!({RECONCILE_REQUESTED_AT: echo(&long)});
        assert_eq!(serde_json::to_value(event.meta()).unwrap(), wanted);
        let [spec, whole] = [&event, &asked].map(|event| serde_json::to_value(event).unwrap()["spec"].take());
        assert_eq!(spec, whole);
        assert_eq!(serde_json::to_value(read(&kept).meta()).unwrap(), kept);
    }

    #[test]
    fn of_a_crowd_so_many_are_left_that_it_is_seen() {
        let finalizers: Vec<_> = (0..5_000).map(|n| format!("example.com/{n}")).collect();
        let owners: Vec<_> = (0..5_000)
            .map(|n| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": n.to_string()}))
            .collect();
        let meta = read(&json!({"name": "won", "finalizers": finalizers, "ownerReferences": owners})).metadata;
        assert_eq!(meta.finalizers.unwrap(), finalizers[..=FINALIZERS]);
        assert_eq!(meta.owner_references.unwrap().len(), OWNERS);
    }

    /// Members that are null are as if they were not there.
    #[test]
    fn null_is_nothing() {
        let meta =
            json!({"name": "won", "finalizers": null, "annotations": null, "ownerReferences": null, "labels": null});
        assert_eq!(
            serde_json::to_value(read(&meta).meta()).unwrap(),
            json!({"name": "won"})
        );
    }

    /// A watch sends its type first, as a rule.
    #[test]
    fn an_object_that_cannot_be_read_keeps_its_name() {
        let bad = json!({"metadata": {"name": "won", "uid": "u"}, "spec": 5});
        for text in [
            format!(r#"{{"type": "ADDED", "object": {bad}}}"#),
            format!(r#"{{"object": {bad}, "type": "ADDED"}}"#),
        ] {
            let WatchEvent::Added(Lean(Err(invalid))) =
                serde_json::from_str::<WatchEvent<Lean<AdConversionEvent>>>(&text).unwrap()
            else {
                panic!("{text}")
            };
            assert_eq!(invalid.metadata.name.as_deref(), Some("won"));
            assert!(invalid.error.contains("invalid type"), "{}", invalid.error);
        }
        assert!(serde_json::from_str::<Lean<AdConversionEvent>>("[]").is_err());
    }
}
