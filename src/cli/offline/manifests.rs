//! The objects of the operator's kinds, and the Secrets, that stand in files.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::Resource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::documents::Document;
use crate::api::{AdConversionEvent, GROUP, GoogleAdsAccount, HubSpotAccount, VERSION};
use crate::controller::shared::secrets::decode_secret;
use crate::domain::account_health::AccountFault;
use crate::domain::brief::{brief, brief_name};
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
    pub(in crate::cli) refused: Vec<Refused>,
}

/// An object in a file that the API server would refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Refused {
    pub(in crate::cli) file: String,
    /// Kind and key, as far as they can be read.
    pub(in crate::cli) object: String,
    /// What is wrong.
    pub(in crate::cli) message: String,
}

impl Manifests {
    /// Sorts documents. `namespace`: of objects that name none; `only`: the one that all must be of, if people named it.
    pub(super) fn from_documents(documents: Vec<Document>, namespace: &str, only: Option<&str>) -> Self {
        let mut sorted = Self::default();
        for Document { file, object } in documents {
            let group = object["apiVersion"].as_str().unwrap_or_default().split('/').next();
            let is_secret = object["kind"] == "Secret" && object["apiVersion"] == "v1";
            if is_secret || group == Some(GROUP) {
                let key = key_of(&object, namespace);
                if let Err(message) = sorted.take(&file, &key, object, only) {
                    sorted.refused.push(Refused { file, ..message });
                }
            }
        }
        sorted
    }

    /// True if there are Secrets, which may be those of accounts in the cluster.
    pub(super) fn has_secrets(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// True if nothing stands there that a command could be about.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.google.is_empty() && self.hubspot.is_empty() && self.refused.is_empty()
    }

    fn take(&mut self, file: &str, key: &ObjectKey, object: Value, only: Option<&str>) -> Result<(), Refused> {
        let kind = object["kind"].as_str().map(brief_name).unwrap_or_default();
        let refuse = |message: String| Refused {
            file: String::new(),
            object: format!("{kind} {}", brief(key)),
            message,
        };
        if key.name.is_empty() {
            return Err(refuse("metadata.name is missing.".to_owned()));
        }
        if let Some(only) = only.filter(|only| *only != key.namespace) {
            return Err(refuse(format!(
                "metadata.namespace is {:?}, but --namespace says {only:?}. Leave one of the two out.",
                key.namespace
            )));
        }
        if kind == "Secret" {
            let read = read_secret(&key.name, object);
            self.secrets.insert(key.clone(), read);
            return Ok(());
        }
        if object["apiVersion"] != format!("{GROUP}/{VERSION}") {
            return Err(refuse(format!("apiVersion must be {GROUP}/{VERSION}.")));
        }
        let place = Place { file, key, object };
        match kind.as_str() {
            "AdConversionEvent" => place.put(&mut self.events),
            "GoogleAdsAccount" => place.put(&mut self.google),
            "HubSpotAccount" => place.put(&mut self.hubspot),
            _ => Err("is no kind of this operator.".to_owned()),
        }
        .map_err(refuse)
    }
}

/// A document on its way to the objects of its kind.
struct Place<'a> {
    file: &'a str,
    key: &'a ObjectKey,
    object: Value,
}

impl Place<'_> {
    fn put<K>(self, into: &mut FromFiles<K>) -> Result<(), String>
    where
        K: DeserializeOwned + Serialize + Resource,
    {
        let mut typed: K = serde_json::from_value(self.object.clone()).map_err(|error| format!("{}.", brief(error)))?;
        let known = serde_json::to_value(&typed).map_err(|error| format!("{}.", brief(error)))?;
        let mut unknown = Vec::new();
        find_unknown("spec", &self.object["spec"], &known["spec"], &mut unknown);
        if !unknown.is_empty() {
            return Err(format!(
                "There is no field {}. Correct or remove it.",
                unknown.join(" and no field ")
            ));
        }
        typed.meta_mut().namespace = Some(self.key.namespace.clone());
        let before = into.insert(self.key.clone(), (self.file.to_owned(), typed));
        match before {
            Some((file, _)) => Err(format!("It stands twice, the other time in {file}. Remove one.")),
            None => Ok(()),
        }
    }
}

/// The fields that a manifest has and its kind has not.
fn find_unknown(path: &str, given: &Value, known: &Value, into: &mut Vec<String>) {
    let Value::Object(given) = given else { return };
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let field = format!("{path}.{}", brief_name(name));
        match known.get(name) {
            // A list that is empty says the same as none.
            None if value.as_array().is_some_and(Vec::is_empty) => {}
            None => into.push(field),
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
    use crate::api::reasons::reason;
    use crate::domain::account_health::FaultKind;

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
