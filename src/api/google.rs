//! `GoogleAdsAccount`: one Google Ads customer and how it is reached.
// Columns repeat their types.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use super::shared::{Condition, SecretRef, Time, conditions_schema, not_nullable, status_fields};

/// Orphaned actions that a status keeps.
pub const MAX_ORPHANED_ACTIONS: usize = 100;

/// One Google Ads customer and how it is reached.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "adconversion.dev",
    version = "v1alpha1",
    kind = "GoogleAdsAccount",
    plural = "googleadsaccounts",
    namespaced,
    shortname = "gaa",
    category = "adconversion",
    status = "GoogleAdsAccountStatus",
    derive = "PartialEq",
    doc = "A Google Ads account whose conversion actions the operator keeps and to which it sends conversions.",
    printcolumn(
        name = "READY",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "ACCOUNT", type_ = "string", json_path = ".spec.customerId"),
    printcolumn(name = "USED-BY", type_ = "integer", json_path = ".status.usedBy"),
    printcolumn(name = "LAST-CHECK", type_ = "date", json_path = ".status.lastCheckTime"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct GoogleAdsAccountSpec {
    /// Google Ads customer id of ten digits; dashes are optional. Immutable.
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::customer_id("customerId"), validation = rules::same_customer())]
    pub customer_id: String,
    /// Manager account through which the customer is reached, ten digits; dashes are optional.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::customer_id("loginCustomerId"))]
    pub login_customer_id: Option<String>,
    /// Secret with credentials.json (service account key, authorized user, or external account if the operator allows
    /// it), or with clientId, clientSecret and refreshToken; optionally developerToken. If absent: the operator's own
    /// identity, in namespaces for which the operator allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Which of Google's APIs takes the uploads.
    #[serde(default)]
    pub uploads: Uploads,
    /// True: the operator also makes the account goals of its actions biddable.
    #[serde(default)]
    pub manage_account_goals: bool,
    /// True: nothing is read from this account, sent to it or changed in it.
    #[serde(default)]
    pub suspend: bool,
}

/// Which of Google's APIs takes the uploads.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = not_nullable)]
pub struct Uploads {
    /// For conversions by click id or shared data. `GoogleAds` takes no postal addresses: Address in an event's
    /// shareData is left out, and a conversion with nothing else is skipped as `NoSharedData`.
    pub click_conversions: UploadApi,
    /// For enhancements of form conversions.
    pub enhancements: UploadApi,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            click_conversions: UploadApi::DataManager,
            enhancements: UploadApi::GoogleAds,
        }
    }
}

/// An interface of Google that takes uploads.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UploadApi {
    /// The Data Manager API.
    DataManager,
    /// The Google Ads API.
    GoogleAds,
}

impl UploadApi {
    /// The name in messages and errors.
    pub const fn service_name(self) -> &'static str {
        match self {
            Self::DataManager => "Data Manager",
            Self::GoogleAds => "Google Ads",
        }
    }
}

impl GoogleAdsAccountSpec {
    /// `customerId` without dashes.
    pub fn customer_digits(&self) -> String {
        self.customer_id.replace('-', "")
    }

    /// `loginCustomerId` without dashes.
    pub fn login_customer_digits(&self) -> Option<String> {
        self.login_customer_id.as_ref().map(|id| id.replace('-', ""))
    }
}

/// State of a `GoogleAdsAccount`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct GoogleAdsAccountStatus {
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
    /// Name of the account in Google Ads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub descriptive_name: Option<String>,
    /// Currency of the account, ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency_code: Option<String>,
    /// Time zone of the account, like Europe/Berlin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whether it is a manager account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<bool>,
    /// Whether it is a test account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_account: Option<bool>,
    /// The account that owns the conversion actions: this one or its manager, ten digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_customer_id: Option<String>,
    /// Number in the web tag: 987654321 of AW-987654321.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_tracking_id: Option<String>,
    /// Google's status of conversion tracking, like `CONVERSION_TRACKING_MANAGED_BY_SELF`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_tracking_status: Option<String>,
    /// Events that name this account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_by: Option<i64>,
    /// When the account was last checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_check_time: Option<Time>,
    /// Conversion actions left behind by deleted events, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ORPHANED_ACTIONS), extend("x-kubernetes-list-type" = "atomic"))]
    pub orphaned_conversion_actions: Vec<OrphanedConversionAction>,
}

/// A conversion action left behind by a deleted event.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct OrphanedConversionAction {
    /// Number of the action.
    pub id: String,
    /// Name of the action in Google Ads.
    pub name: String,
    /// Google's type of the action: `UPLOAD_CLICKS` or `WEBPAGE`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The event it belonged to: namespace/name, or "another namespace".
    pub former_event: String,
    /// When it was left behind.
    pub orphan_time: Time,
}
