//! `HubSpotAccount`: one HubSpot portal and how it is read.
// Columns repeat their types.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::rules;
use super::shared::{Condition, SecretRef, Time, conditions_schema, not_nullable, status_fields};

/// Lifecycle stages that a status keeps.
pub const MAX_LIFECYCLE_STAGES: usize = 500;

/// One HubSpot portal and how it is read.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "adconversion.dev",
    version = "v1alpha1",
    kind = "HubSpotAccount",
    plural = "hubspotaccounts",
    namespaced,
    shortname = "hsa",
    category = "adconversion",
    status = "HubSpotAccountStatus",
    derive = "PartialEq",
    doc = "A HubSpot portal that the operator reads.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "ACCOUNT", type_ = "string", json_path = ".status.portalId"),
    printcolumn(name = "USED-BY", type_ = "integer", json_path = ".status.usedBy"),
    printcolumn(name = "LAST-CHECK", type_ = "date", json_path = ".status.lastCheckTime"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct HubSpotAccountSpec {
    /// Number of the portal that the token in the Secret must belong to. If absent: the first portal seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub portal_id: Option<i64>,
    /// Secret with accessToken (service key or private app token), or with clientId, clientSecret and
    /// refreshToken.
    pub credentials_secret_ref: SecretRef,
    /// Time between two reads, like 1m or 90s; at most 24h.
    #[serde(default = "default_interval")]
    #[x_kube(validation = rules::duration("interval"), validation = rules::at_most_a_day("interval"))]
    pub interval: Duration,
    /// Country of phone numbers if a contact has no country: two capital letters, ISO 3166.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = rules::region("defaultRegion"))]
    pub default_region: Option<String>,
    /// True: nothing is read from this portal.
    #[serde(default)]
    pub suspend: bool,
}

/// Longest time between two reads.
pub const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The interval if a manifest gives none: one minute.
pub const fn default_interval() -> Duration {
    Duration::from_secs(60)
}

/// State of a `HubSpotAccount`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct HubSpotAccountStatus {
    /// The metadata.generation that was acted upon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Last value of the reconcile-request annotation that was acted upon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// Current state of the object; Ready is the summary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Number of the portal; the first one seen stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal_id: Option<i64>,
    /// Name of the account, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// Time zone of the portal, like Europe/Berlin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The company's currency, ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company_currency: Option<String>,
    /// Host of the portal's web pages, like app.hubspot.com.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ui_domain: Option<String>,
    /// Lifecycle stages of the portal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_LIFECYCLE_STAGES), extend("x-kubernetes-list-type" = "atomic"))]
    pub lifecycle_stages: Vec<LifecycleStage>,
    /// How changed contacts are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_detection: Option<ChangeDetection>,
    /// Events that name this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_by: Option<i64>,
    /// When contacts were last read; written at most every five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_poll_time: Option<Time>,
    /// When the account was last checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_check_time: Option<Time>,
}

/// A lifecycle stage.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct LifecycleStage {
    /// Internal value.
    pub value: String,
    /// Name that people see.
    pub label: String,
}

/// How changed contacts are found.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeDetection {
    /// By the date a contact entered the stage.
    DateEntered,
    /// By the date a contact was last modified.
    LastModified,
}
