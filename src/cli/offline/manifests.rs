//! The objects of the operator's kinds, and the Secrets, that stand in files.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{CustomResourceExt, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::documents::{Document, Place};
use super::schema::find_mistakes;
use crate::api::reasons::reason;
use crate::api::{AdConversionEvent, GROUP, GoogleAdsAccount, HubSpotAccount, VERSION};
use crate::cli::names::{check_name, check_namespace};
use crate::cli::output::foreign;
use crate::controller::shared::secrets::decode_secret;
use crate::domain::account_health::{AccountFault, FaultKind};
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::ports::SecretData;

/// Objects by their keys, with the file each stands in.
pub(in crate::cli) type FromFiles<K> = BTreeMap<ObjectKey, (String, K)>;

/// What stands in files. No `Debug`: Secrets are among it.
#[derive(Default)]
pub(in crate::cli) struct Manifests {
    pub(in crate::cli) events: FromFiles<AdConversionEvent>,
    pub(in crate::cli) google: FromFiles<GoogleAdsAccount>,
    pub(in crate::cli) hubspot: FromFiles<HubSpotAccount>,
    /// Their values, or why they can't be used.
    pub(super) secrets: BTreeMap<ObjectKey, Result<SecretData, AccountFault>>,
    /// Objects of our kinds that the API server would refuse.
    pub(in crate::cli) refused: Vec<RefusedManifest>,
}

/// An object in a file that the API server would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct RefusedManifest {
    pub(in crate::cli) place: Place,
    /// Kind and key, as far as they can be read.
    pub(in crate::cli) object: String,
    /// What is wrong, and what to do.
    pub(in crate::cli) message: String,
}

impl fmt::Display for RefusedManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = if self.object.is_empty() {
            ""
        } else {
            &format!("{}: ", self.object)
        };
        write!(f, "{}: {object}{}", self.place, self.message)
    }
}

/// A manifest on its way to the objects of its kind.
struct Manifest {
    place: Place,
    kind: String,
    key: ObjectKey,
    object: Value,
}

impl Manifests {
    /// Sorts documents. `namespace`: of objects that name none;
    /// `only`: the one that all must be of, if people named it.
    pub(super) fn from_documents(documents: Vec<Document>, namespace: &str, only: Option<&str>) -> Self {
        let mut sorted = Self::default();
        let mut places = BTreeMap::new();
        for Document { place, object } in documents {
            let refused = |object: String, message: String| RefusedManifest {
                place: place.clone(),
                object,
                message,
            };
            if let Err(message) = has_kind(&object) {
                sorted.refused.push(refused(String::new(), message));
                continue;
            }
            let group = object["apiVersion"].as_str().unwrap_or_default().split('/').next();
            let is_secret = object["kind"] == "Secret" && object["apiVersion"] == "v1";
            if !is_secret && group != Some(GROUP) {
                continue;
            }
            let manifest = Manifest {
                place: place.clone(),
                kind: object["kind"].as_str().map(foreign).unwrap_or_default(),
                key: key_of(&object, namespace),
                object,
            };
            let name = format!("{} {}", manifest.kind, foreign(&manifest.key.to_string()));
            let taken = judge_metadata(&manifest, only)
                .and_then(|()| note_place(&mut places, &manifest))
                .and_then(|()| sorted.take(manifest));
            if let Err(message) = taken {
                sorted.refused.push(refused(name, message));
            }
        }
        sorted
    }

    /// Why the object of this kind and name is no good, if it stands in the files and is not.
    pub(in crate::cli) fn refusal_of(&self, kind: &str, key: &ObjectKey) -> Option<&RefusedManifest> {
        let object = format!("{kind} {}", foreign(&key.to_string()));
        self.refused.iter().find(|refused| refused.object == object)
    }

    /// What is added to "not in the cluster" where there are files.
    pub(super) fn nor_here(&self) -> &'static str {
        if self.is_empty() { "" } else { " nor in the files" }
    }

    /// A sentence for whoever asks for an event that the files have in other namespaces; else empty.
    pub(super) fn elsewhere(&self, key: &ObjectKey) -> String {
        let others = self.events.keys().filter(|other| other.name == key.name);
        let others: Vec<_> = others.map(|other| other.namespace.as_str()).collect();
        match others.as_slice() {
            [] => String::new(),
            found => format!(
                " The files have it in namespace {}: name that with -n.",
                found.join(", ")
            ),
        }
    }

    /// True if there are Secrets, which may be those of accounts in the cluster.
    pub(super) fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// True if nothing stands there that a command could be about.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.google.is_empty() && self.hubspot.is_empty() && self.refused.is_empty()
    }

    fn take(&mut self, manifest: Manifest) -> Result<(), String> {
        if manifest.kind == "Secret" {
            let read = read_secret(&manifest.key.name, manifest.object);
            self.secrets.insert(manifest.key, read);
            return Ok(());
        }
        if manifest.object["apiVersion"] != format!("{GROUP}/{VERSION}") {
            return Err(format!("apiVersion must be {GROUP}/{VERSION}."));
        }
        match manifest.kind.as_str() {
            "AdConversionEvent" => manifest.put(&mut self.events),
            "GoogleAdsAccount" => manifest.put(&mut self.google),
            "HubSpotAccount" => manifest.put(&mut self.hubspot),
            _ => Err(
                "kind must be AdConversionEvent, GoogleAdsAccount or HubSpotAccount. Correct it, or remove the object."
                    .to_owned(),
            ),
        }
    }
}

/// An object of whatever kind has these two.
fn has_kind(object: &Value) -> Result<(), String> {
    let missing: Vec<_> = ["apiVersion", "kind"]
        .into_iter()
        .filter(|field| object[field].as_str().is_none_or(str::is_empty))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} missing, so it is not known what this document is. Add what is missing, or remove the document.",
        match missing.as_slice() {
            [one] => format!("{one} is"),
            several => format!("{} are", several.join(" and ")),
        }
    ))
}

/// What of an object's name and namespace the API server would refuse. Nothing may be asked about before.
fn judge_metadata(manifest: &Manifest, only: Option<&str>) -> Result<(), String> {
    let ObjectKey { namespace, name } = &manifest.key;
    if let Value::Object(metadata) = &manifest.object["metadata"] {
        for field in ["name", "namespace"] {
            if metadata
                .get(field)
                .is_some_and(|value| !value.is_string() && !value.is_null())
            {
                return Err(format!("metadata.{field} must be a string: write it in quotes."));
            }
        }
    }
    if name.is_empty() {
        return Err("metadata.name is missing. Add it.".to_owned());
    }
    check_name(name).map_err(|rule| format!("metadata.name {:?} is not a valid object name. {rule}", foreign(name)))?;
    check_namespace(namespace).map_err(|rule| {
        let given = foreign(namespace);
        format!("metadata.namespace {given:?} is not a valid namespace name. {rule}")
    })?;
    if let Some(only) = only.filter(|only| only != namespace) {
        return Err(format!(
            "metadata.namespace is {namespace:?}, but --namespace says {only:?}. Leave one of the two out."
        ));
    }
    Ok(())
}

/// Remembers where an object stands. The first one counts.
fn note_place(places: &mut BTreeMap<(String, ObjectKey), Place>, manifest: &Manifest) -> Result<(), String> {
    match places.entry((manifest.kind.clone(), manifest.key.clone())) {
        Entry::Vacant(free) => {
            free.insert(manifest.place.clone());
            Ok(())
        }
        Entry::Occupied(first) => Err(format!("It appears twice, first in {}. Remove one.", first.get())),
    }
}

impl Manifest {
    fn put<K>(self, into: &mut FromFiles<K>) -> Result<(), String>
    where
        K: DeserializeOwned + Resource + CustomResourceExt,
    {
        let mistakes = self.mistakes(&K::crd());
        if !mistakes.is_empty() {
            return Err(mistakes.join(" "));
        }
        let mut typed: K = serde_path_to_error::deserialize(&self.object)
            .map_err(|error| format!("{}: {}.", foreign(&error.path().to_string()), brief(error.inner())))?;
        typed.meta_mut().namespace = Some(self.key.namespace.clone());
        into.insert(self.key, (self.place.file, typed));
        Ok(())
    }

    /// What the API server would refuse, each with its field.
    fn mistakes(&self, crd: &CustomResourceDefinition) -> Vec<String> {
        let mut found = Vec::new();
        for name in self.object.as_object().into_iter().flat_map(|fields| fields.keys()) {
            if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&name.as_str()) {
                found.push(format!("There is no field {}. Correct or remove it.", foreign(name)));
            }
        }
        let known: Result<ObjectMeta, _> = serde_path_to_error::deserialize(&self.object["metadata"]);
        match known.map(|known| serde_json::to_value(known).unwrap_or_default()) {
            Ok(known) => find_unknown("metadata", &self.object["metadata"], &known, &mut found),
            Err(error) => {
                let path = foreign(&error.path().to_string());
                found.push(format!("metadata.{path} is wrong: {}.", brief(error.inner())));
            }
        }
        let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
        let fields = schema.and_then(|schema| schema.open_api_v3_schema.as_ref()?.properties.as_ref());
        let of_field = |name: &str| fields.and_then(|fields| fields.get(name));
        match (of_field("spec"), &self.object["spec"]) {
            (_, Value::Null) => found.push("spec is missing. Add it.".to_owned()),
            (Some(schema), spec) => found.extend(find_mistakes("spec", spec, schema)),
            (None, _) => {}
        }
        if let (Some(schema), Value::Object(_)) = (of_field("status"), &self.object["status"]) {
            found.extend(find_mistakes("status", &self.object["status"], schema));
        }
        for field in ["googleAdsAccountRef", "hubSpotAccountRef", "credentialsSecretRef"] {
            let name = self.object["spec"][field]["name"].as_str();
            if let Some((name, rule)) = name.and_then(|name| Some((name, check_name(name).err()?))) {
                let given = foreign(name);
                found.push(format!(
                    "spec.{field}.name {given:?} is not a valid object name. {rule}"
                ));
            }
        }
        found
    }
}

/// The fields that a manifest has and its kind has not.
fn find_unknown(path: &str, given: &Value, known: &Value, into: &mut Vec<String>) {
    let Value::Object(given) = given else { return };
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let field = format!("{path}.{}", foreign(name));
        match known.get(name) {
            None => into.push(format!("There is no field {field}. Correct or remove it.")),
            Some(known) => find_unknown(&field, value, known, into),
        }
    }
}

fn key_of(object: &Value, namespace: &str) -> ObjectKey {
    let text = |field: &str| object["metadata"][field].as_str().filter(|text| !text.is_empty());
    ObjectKey::new(text("namespace").unwrap_or(namespace), text("name").unwrap_or_default())
}

/// The values of a Secret. What its text holds is quoted nowhere.
fn read_secret(name: &str, object: Value) -> Result<SecretData, AccountFault> {
    let Ok(mut secret) = serde_json::from_value::<Secret>(object) else {
        let message = format!("Secret {name} in the file cannot be decoded: data takes base64, stringData takes text.");
        return Err(AccountFault::new(
            FaultKind::Credentials,
            reason::SECRET_INVALID,
            message,
        ));
    };
    let texts = secret.string_data.take().unwrap_or_default();
    let data = secret.data.get_or_insert_default();
    for (key, text) in texts {
        data.insert(key, k8s_openapi::ByteString(text.into_bytes()));
    }
    decode_secret(secret, name).map(|read| read.data)
}

#[cfg(test)]
#[path = "manifests_tests.rs"]
mod tests;
