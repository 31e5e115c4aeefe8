//! Types and schema helpers that more than one kind uses.

use kube::KubeSchema;
use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::rules;

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Most conditions that a status may hold; the operator writes fewer.
pub const MAX_CONDITIONS: u32 = 16;

/// An ad network.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AdNetwork {
    /// Google Ads.
    #[default]
    Google,
}

impl AdNetwork {
    /// The name in manifests, and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Google => "Google",
        }
    }
}

/// An amount of money in one currency.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct Money {
    /// Decimal string, zero or more, at most 12 digits before the point and 3 after: "250.00".
    #[schemars(with = "String", length(max = 32))]
    #[x_kube(validation = rules::amount())]
    pub amount: Decimal,
    /// Active ISO 4217 code in capitals: EUR.
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::currency())]
    pub currency: String,
}

/// Names an account object in the same namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct AccountRef {
    /// Name of the account object.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name("name"))]
    pub name: String,
}

/// Names a Secret in the same namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::object_name("name"))]
    pub name: String,
}

/// Schema of a list of conditions, merged by type. Shorter than the one Kubernetes publishes.
pub(crate) fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "What is true of this object now; Ready sums up.",
        "type": "array",
        "maxItems": MAX_CONDITIONS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "description": "Name of the condition.", "maxLength": 316},
                "status": {"type": "string", "description": "True, False or Unknown.", "enum": ["True", "False", "Unknown"]},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0,
                    "description": "The metadata.generation that this is about."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When status last flipped."},
                "reason": {"type": "string", "description": "One word for a program.", "minLength": 1, "maxLength": 1024},
                "message": {"type": "string", "description": "One sentence for a person.", "maxLength": 32768}
            }
        }
    })
}

/// Takes `null` out of the properties of a struct: in a manifest, absent and `null` are the same,
/// and the API server drops a `null` where the schema does not allow it.
pub(crate) fn not_nullable(schema: &mut Schema) {
    plain_description(schema.ensure_object());
    for property in schema_properties(schema) {
        strip_null(property);
        plain_description(property);
    }
}

/// As [`not_nullable`], and without defaults: a status has what the operator wrote and nothing else.
pub(crate) fn status_fields(schema: &mut Schema) {
    not_nullable(schema);
    schema.remove("default");
    for property in schema_properties(schema) {
        property.remove("default");
    }
}

/// `kubectl explain` shows plain text.
fn plain_description(part: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = part.get_mut("description") {
        *text = text.replace('`', "").replace('\n', " ");
    }
}

fn schema_properties(schema: &mut Schema) -> impl Iterator<Item = &mut Map<String, Value>> {
    schema
        .as_object_mut()
        .and_then(|object| object.get_mut("properties"))
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|properties| properties.values_mut())
        .filter_map(Value::as_object_mut)
}

fn strip_null(property: &mut Map<String, Value>) {
    property.remove("nullable");
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = property.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(members)) = property.get("anyOf") else {
        return;
    };
    let kept: Vec<&Value> = members.iter().filter(|member| member["type"] != "null").collect();
    if let [Value::Object(only)] = kept.as_slice() {
        let only = only.clone();
        property.remove("anyOf");
        for (key, value) in only {
            // The text of the field says more than the text of its type.
            property.entry(key).or_insert(value);
        }
    }
}
