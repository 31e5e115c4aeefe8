//! `AdConversionEvent`: what a team declares.
// Columns repeat their types; the names of fields are the manifest's.
#![allow(clippy::duplicated_attributes, clippy::struct_field_names)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event_status::AdConversionEventStatus;
use super::rules;
use super::shared::{AccountRef, AdNetwork, Money, Time, not_nullable};

/// The HubSpot property that holds the Google click id if the manifest names none.
pub const DEFAULT_GCLID_PROPERTY: &str = "hs_google_click_id";

/// One kind of conversion: what in HubSpot triggers it, and how Google Ads is to count it.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "adconversion.dev",
    version = "v1alpha1",
    kind = "AdConversionEvent",
    plural = "adconversionevents",
    namespaced,
    shortname = "adce",
    category = "adconversion",
    status = "AdConversionEventStatus",
    derive = "PartialEq",
    doc = "Tells Google Ads when a HubSpot contact reaches a lifecycle stage or submits a form.",
    selectable = ".spec.googleAdsAccountRef.name",
    selectable = ".spec.hubSpotAccountRef.name",
    validation = rules::name_fits(),
    validation = rules::found_stage_stays(),
    validation = rules::found_form_stays(),
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "TRIGGER", type_ = "string", json_path = ".status.trigger.label"),
    printcolumn(name = "ACTION", type_ = "string", json_path = ".status.conversionAction.name"),
    printcolumn(name = "UPLOADED", type_ = "integer", json_path = ".status.sync.uploaded"),
    printcolumn(name = "PENDING", type_ = "integer", json_path = ".status.sync.pending"),
    printcolumn(name = "REJECTED", type_ = "integer", json_path = ".status.sync.rejected"),
    printcolumn(name = "LAST-UPLOAD", type_ = "date", json_path = ".status.sync.lastUploadTime"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "SKIPPED", type_ = "integer", json_path = ".status.sync.skipped", priority = 1),
    printcolumn(name = "PROCESSING", type_ = "integer", json_path = ".status.sync.processing", priority = 1),
    printcolumn(name = "GOOGLE", type_ = "string", json_path = ".spec.googleAdsAccountRef.name", priority = 1),
    printcolumn(name = "HUBSPOT", type_ = "string", json_path = ".spec.hubSpotAccountRef.name", priority = 1),
    printcolumn(name = "SUSPENDED", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(
        name = "STATUS",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
#[x_kube(
    validation = rules::google_needs_account(),
    validation = rules::no_value_on_mapped_form(),
    validation = rules::no_include_on_existing(),
    validation = rules::form_needs_consent(),
    validation = rules::form_needs_share_data(),
    validation = rules::braids_need_many(),
    validation = rules::no_switch_of_action(),
    validation = rules::start_time_stays()
)]
pub struct AdConversionEventSpec {
    /// The ad network that conversions are sent to.
    #[serde(default)]
    pub ad_network: AdNetwork,
    /// The `GoogleAdsAccount` of this namespace that counts the conversions. Immutable. Required for Google.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::immutable("googleAdsAccountRef"))]
    pub google_ads_account_ref: Option<AccountRef>,
    /// The `HubSpotAccount` of this namespace that is read. Immutable.
    #[x_kube(validation = rules::immutable("hubSpotAccountRef"))]
    pub hub_spot_account_ref: AccountRef,
    /// Name of the conversion action in Google Ads, 1 to 100 characters. If absent: metadata.name.
    /// A change renames the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(
        validation = rules::not_blank("eventName", "leave it out to use metadata.name"),
        validation = rules::one_line("eventName")
    )]
    pub event_name: Option<String>,
    /// What counts as a conversion in HubSpot: exactly one of the members.
    pub trigger: Trigger,
    /// Value of a conversion: exactly one of the members. If absent, no value is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<ConversionValue>,
    /// Whether Google bids by this action ("primary action"). If absent: true when the action is created.
    /// Refused with conversionAction.existing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_in_conversions: Option<bool>,
    /// The contact property that holds the consent. Required for formSubmission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// Contact data that is sent hashed, in addition to the click id or instead of it. At least one for formSubmission.
    /// Address is not sent for lifecycleStage while the account has `uploads.clickConversions: GoogleAds`; a
    /// conversion with nothing else is then skipped as `NoSharedData`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub share_data: Vec<SharedData>,
    /// Whether an action is created or an existing one is used: exactly one of the members. If absent: create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion_action: Option<ConversionAction>,
    /// HubSpot contact properties that hold click ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click_ids: Option<ClickIds>,
    /// Conversions before this time are not sent; at most 90 days before creation. If absent: the time of
    /// creation. May only move earlier; one added later than the start in effect (status.sync.startTime) changes
    /// nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 35), regex(pattern = rules::TIME))]
    #[x_kube(validation = rules::start_time_sane(), validation = rules::start_time_earlier())]
    pub start_time: Option<Time>,
    /// True: conversions are observed but not sent, and nothing is created or changed in Google Ads.
    #[serde(default)]
    pub suspend: bool,
    /// What happens to conversions that were observed while suspended.
    #[serde(default)]
    pub resume_policy: ResumePolicy,
    /// What happens to the conversion action when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What counts as a conversion in HubSpot: exactly one of the members.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
#[x_kube(validation = rules::one_trigger(), validation = rules::same_trigger())]
pub struct Trigger {
    /// A contact enters a lifecycle stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_stage: Option<LifecycleStageTrigger>,
    /// A contact submits a form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form_submission: Option<FormSubmissionTrigger>,
}

/// A contact enters a lifecycle stage.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct LifecycleStageTrigger {
    /// Internal value (customer, 1066237962) or label (Customer) of the stage, 1 to 100 characters. Immutable once it
    /// was found in HubSpot (status.trigger).
    #[schemars(length(max = 100))]
    #[x_kube(
        validation = rules::not_blank("stage", "name a lifecycle stage, like customer"),
        validation = rules::one_line("stage")
    )]
    pub stage: String,
}

/// A contact submits a form.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct FormSubmissionTrigger {
    /// GUID or exact name of the form, 1 to 200 characters. Immutable once it was found in HubSpot (status.trigger).
    #[schemars(length(max = 200))]
    #[x_kube(
        validation = rules::not_blank("formId", "give the form's GUID or its exact name"),
        validation = rules::one_line("formId")
    )]
    pub form_id: String,
}

/// Value of a conversion: exactly one of the members.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
#[x_kube(validation = rules::one_value())]
pub struct ConversionValue {
    /// The same for every conversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Money>,
    /// The weighted amount of the contact's most recent deal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deal_amount: Option<DealAmount>,
}

/// The weighted amount of the contact's most recent deal.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct DealAmount {
    /// Sent if there is no deal, or if the deal is lost, has no amount, or is not shown by HubSpot.
    pub default: Money,
}

/// The contact property that holds the consent.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct Consent {
    /// Internal name of a contact property.
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::property_name("consent.property"))]
    pub property: String,
    /// Values of the property that mean consent was given.
    #[schemars(length(min = 1, max = 20), inner(length(min = 1, max = 255)))]
    #[x_kube(validation = rules::all_one_line("consent.grantedValues"))]
    pub granted_values: Vec<String>,
}

/// A kind of contact data that may be sent hashed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SharedData {
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
    /// Name and postal address.
    Address,
}

/// Whether an action is created or an existing one is used: exactly one of the members.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
#[x_kube(validation = rules::one_action())]
pub struct ConversionAction {
    /// The operator creates the action and keeps it as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<CreateAction>,
    /// The operator uses an action that exists, and never modifies or removes it. The account must own it itself (not
    /// its manager), and it must be enabled. Immutable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::immutable("conversionAction.existing"))]
    pub existing: Option<ExistingAction>,
}

/// Settings of a created action. Only what is declared here is enforced later.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct CreateAction {
    /// Google's category; HubSpot calls it "ad network stage". If absent, it follows from the trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<ActionCategory>,
    /// How many conversions of one click count. If absent: `OnePerClick`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counting_type: Option<CountingType>,
    /// Most days between a click and its conversion, 1 to 90. If absent:
    /// 90 when the action is created, and later whatever the action has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 90))]
    pub click_through_lookback_window_days: Option<i32>,
    /// Most days between a view and its conversion, 1 to 30. If absent: Google's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 30))]
    pub view_through_lookback_window_days: Option<i32>,
}

/// An action that exists: exactly one of the members.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
#[x_kube(validation = rules::one_identity())]
pub struct ExistingAction {
    /// Number of the action, at most 19 digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 19))]
    #[x_kube(validation = rules::digits("conversionAction.existing.id"))]
    pub id: Option<String>,
    /// Exact name of the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(
        validation = rules::not_blank("conversionAction.existing.name", "give the exact name of an action"),
        validation = rules::one_line("conversionAction.existing.name")
    )]
    pub name: Option<String>,
}

/// Google's category of a conversion action.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActionCategory {
    /// A lead that was imported.
    ImportedLead,
    /// A lead that sales or marketing has qualified.
    QualifiedLead,
    /// A lead that became a customer.
    ConvertedLead,
    /// A form that was submitted.
    SubmitLeadForm,
    /// A sign-up.
    SignUp,
    /// A purchase.
    Purchase,
    /// A paid subscription.
    SubscribePaid,
    /// An appointment.
    BookAppointment,
    /// A request for a quote.
    RequestQuote,
    /// A contact.
    Contact,
    /// A lead by telephone.
    PhoneCallLead,
    /// None of the others.
    Default,
}

/// How many conversions of one click count.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CountingType {
    /// One, however many there are.
    #[default]
    OnePerClick,
    /// Every one.
    ManyPerClick,
}

/// HubSpot contact properties that hold click ids.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = not_nullable)]
pub struct ClickIds {
    /// Property with the gclid. If absent: `hs_google_click_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::property_name("clickIds.gclidProperty"))]
    pub gclid_property: Option<String>,
    /// Property with the gbraid. Needs `countingType` `ManyPerClick`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::property_name("clickIds.gbraidProperty"))]
    pub gbraid_property: Option<String>,
    /// Property with the wbraid. Needs `countingType` `ManyPerClick`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(validation = rules::property_name("clickIds.wbraidProperty"))]
    pub wbraid_property: Option<String>,
}

/// What happens to conversions that were observed while suspended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResumePolicy {
    /// They are sent.
    #[default]
    CatchUp,
    /// They are skipped.
    SkipMissed,
}

/// What happens to the conversion action when its event is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeletionPolicy {
    /// It stays in Google Ads.
    #[default]
    Orphan,
    /// It is removed, if this operator created it.
    Delete,
}
