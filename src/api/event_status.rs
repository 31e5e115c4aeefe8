//! `AdConversionEvent`: what the operator reports.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared::{Condition, Time, conditions_schema, status_fields};

/// Classes of rows a status can name: 32, and one `Other` for each outcome that has reasons.
pub const MAX_REASONS: usize = 36;

/// Errors that a status keeps.
pub const MAX_LAST_ERRORS: usize = 5;

/// State of an `AdConversionEvent`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct AdConversionEventStatus {
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
    /// The trigger as found in HubSpot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<TriggerStatus>,
    /// The conversion action in Google Ads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_action: Option<ConversionActionStatus>,
    /// Counts of conversions. observed = uploaded + processing + pending + skipped + rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncStatus>,
    /// What Google Ads reports back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<AttributionStatus>,
}

/// The trigger as found in HubSpot.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct TriggerStatus {
    /// Kind of the trigger.
    #[serde(rename = "type")]
    pub type_: TriggerType,
    /// Internal value of the stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// GUID of the form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_id: Option<String>,
    /// Name that people see in HubSpot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Kind of a trigger.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TriggerType {
    /// A contact enters a lifecycle stage.
    LifecycleStage,
    /// A contact submits a form.
    FormSubmission,
}

/// The conversion action in Google Ads.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct ConversionActionStatus {
    /// The account that owns the action (conversion customer), ten digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// Number of the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Google's name of the action: customers/1234567890/conversionActions/123456789.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Name that people see in Google Ads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the action came to this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<ActionOrigin>,
    /// When this operator created the action; absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_time: Option<Time>,
    /// Form events: what the web tag must send to, like AW-987654321/AbC-D_efG.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send_to: Option<String>,
    /// Present only while a create is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation: Option<CreationAttempt>,
}

/// How a conversion action came to its event.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActionOrigin {
    /// This operator created it for this event.
    Created,
    /// It was there, with the same name, type and category, and belonged to no other event.
    Adopted,
    /// The manifest names it; it is never modified.
    Mapped,
}

/// A create request that was recorded before it was sent, and whose outcome is not known yet.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct CreationAttempt {
    /// Identifies this attempt.
    pub attempt_id: String,
    /// Name that is being created.
    pub name: String,
    /// Whether no action had the name when the attempt was recorded.
    pub name_was_free: bool,
    /// When the attempt was recorded.
    pub started_at: Time,
}

/// Counts of conversions. observed = uploaded + processing + pending + skipped + rejected.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(transform = status_fields)]
pub struct SyncStatus {
    /// Changes only if the ledger is lost and rebuilt. The counts then start again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger_id: Option<String>,
    /// Effective start: conversions before it are not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Conversions seen in HubSpot since startTime.
    pub observed: i64,
    /// Accepted and processed by Google.
    pub uploaded: i64,
    /// Accepted by Google; the outcome is not known yet.
    pub processing: i64,
    /// Will be sent later; see reasons.
    pub pending: i64,
    /// Never to be sent; see reasons.
    pub skipped: i64,
    /// Rejected by Google for good; see reasons.
    pub rejected: i64,
    /// Time of the oldest conversion that is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pending_time: Option<Time>,
    /// When Google last accepted a conversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_upload_time: Option<Time>,
    /// Why conversions wait, were skipped or were refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_REASONS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["outcome", "reason"])
    )]
    pub reasons: Vec<OutcomeReason>,
    /// Last errors of reading or sending, newest first, without personal data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_LAST_ERRORS), extend("x-kubernetes-list-type" = "atomic"))]
    pub last_errors: Vec<LastError>,
}

/// Conversions that share an outcome and a reason.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct OutcomeReason {
    /// What became of them.
    pub outcome: Outcome,
    /// Why, in one word.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// When the last one got this outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<Time>,
    /// What it means and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What became of a conversion that is not uploaded.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Will be sent later.
    Pending,
    /// Accepted by Google; the outcome is not known yet.
    Processing,
    /// Never to be sent.
    Skipped,
    /// Rejected by Google for good.
    Rejected,
}

/// An error of reading or sending.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct LastError {
    /// When it happened.
    pub time: Time,
    /// The error in one word.
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
    /// HubSpot id of the contact, if the error is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact_id: Option<String>,
}

/// What Google Ads reports back.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = status_fields)]
pub struct AttributionStatus {
    /// Start of the reported span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Google's "all conversions", a decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_conversions: Option<String>,
    /// Google's "conversions" (those it bids by), a decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversions: Option<String>,
    /// When Google was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Time>,
}
