//! A manifest, read once: everything that the rules and the controller need of an event's spec, in types of their own.
//! What a manifest must not say can't be expressed in them, so nothing has to read the spec a second time.

use jiff::{SignedDuration, Timestamp};

use super::action::{ActionFields, UPLOAD_CLICKS, WEBPAGE};
use super::eligibility::{ClickProperties, ConsentRule, EventRules, ValueRule};
use super::ids::{ActionId, ObjectKey};
use super::trigger::TriggerKind;
use crate::api::{
    ActionCategory, AdConversionEvent, AdConversionEventSpec, CountingType, DEFAULT_GCLID_PROPERTY, DeletionPolicy,
    ResumePolicy,
};

/// Said of a start that lies too far back.
pub const BEFORE_CREATION: &str = "before the event was created";
/// How far before its creation an event may reach back.
const MAX_REACH: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The stage or form that a manifest names, as it is written there. HubSpot says later which one that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedTrigger {
    /// A lifecycle stage, by internal value or label.
    Stage(String),
    /// A form, by GUID or exact name.
    Form(String),
}

impl NamedTrigger {
    const fn kind(&self) -> TriggerKind {
        match self {
            Self::Stage(_) => TriggerKind::Stage,
            Self::Form(_) => TriggerKind::Form,
        }
    }
}

/// Which conversion action a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclaredAction {
    /// One of our own.
    Create,
    /// An existing one by id.
    Id(ActionId),
    /// An existing one by exact name.
    Name(String),
}

/// What an event's manifest declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    pub key: ObjectKey,
    /// Its uid; empty in objects that no API server has seen.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// When the object was created.
    pub created: Timestamp,
    /// Its deletion was requested.
    pub deleting: bool,
    /// The Google account object. Its name is empty if the manifest names none, and no object has that name.
    pub google: ObjectKey,
    /// The HubSpot account object.
    pub hubspot: ObjectKey,
    /// What makes a conversion.
    pub trigger: NamedTrigger,
    /// Rules of its conversions.
    pub rules: EventRules,
    /// The conversion action.
    pub action: DeclaredAction,
    /// What is declared of an action of our own: only this is enforced.
    pub fields: ActionFields,
    /// The start in effect, see [`effective_start`].
    pub start: Timestamp,
    /// `spec.startTime`.
    start_time: Option<Timestamp>,
    /// `spec.suspend`.
    pub suspended: bool,
    /// `spec.resumePolicy`.
    pub resume_policy: ResumePolicy,
    /// `deletionPolicy: Delete`.
    pub removes_action: bool,
}

impl Declared {
    /// As it is looked at now: without a startTime it counts from the first look, if the API server's clock is a little
    /// ahead and its creation has not come. The status keeps that start.
    #[must_use]
    pub fn as_of(self, now: Timestamp) -> Self {
        let is_ahead = self.start == self.created && self.start > now;
        if is_ahead && self.start.duration_since(now) <= API_SERVER_AHEAD {
            return Self { start: now, ..self };
        }
        self
    }

    /// Reads the manifest; of the status only the start that was in effect before.
    pub fn from_manifest(event: &AdConversionEvent) -> Self {
        let (spec, meta) = (&event.spec, &event.metadata);
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let key = ObjectKey::new(text(&meta.namespace), text(&meta.name));
        let google = spec.google_ads_account_ref.as_ref().map(|r| r.name.clone());
        let created = meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
        let start_time = spec.start_time.as_ref().map(|t| t.0);
        let before = event.status.as_ref().and_then(|s| s.sync.as_ref()?.start_time.as_ref());
        Self {
            uid: text(&meta.uid),
            generation: meta.generation,
            created,
            deleting: meta.deletion_timestamp.is_some(),
            google: ObjectKey::new(&key.namespace, google.unwrap_or_default()),
            hubspot: ObjectKey::new(&key.namespace, &spec.hub_spot_account_ref.name),
            trigger: named_trigger(spec),
            rules: event_rules(spec),
            action: declared_action(spec),
            fields: declared_fields(spec, &key.name),
            start: effective_start(start_time, created, before.map(|t| t.0)),
            start_time,
            suspended: spec.suspend,
            resume_policy: spec.resume_policy,
            removes_action: spec.deletion_policy == DeletionPolicy::Delete,
            key,
        }
    }

    /// Whether conversions are entries into a stage or submissions of a form.
    pub const fn trigger_kind(&self) -> TriggerKind {
        self.trigger.kind()
    }

    /// True if conversions are submissions of a form.
    pub const fn is_form(&self) -> bool {
        self.trigger_kind().is_form()
    }

    /// True if values come from deals, which takes a scope of its own.
    pub const fn needs_deals(&self) -> bool {
        matches!(self.rules.value, Some(ValueRule::DealAmount { .. }))
    }

    /// Name an action of our own is to have.
    pub fn action_name(&self) -> &str {
        self.fields.name.as_deref().unwrap_or_default()
    }

    /// Google's type of the actions that its conversions go to.
    pub const fn action_kind(&self) -> &'static str {
        if self.is_form() { WEBPAGE } else { UPLOAD_CLICKS }
    }

    /// Contact properties the manifest names, with their fields; all must exist in the portal.
    pub fn named_properties(&self) -> Vec<(&'static str, &str)> {
        let (clicks, consent) = (&self.rules.clicks, self.rules.consent.as_ref());
        let mut named = vec![("clickIds.gclidProperty", clicks.gclid.as_str())];
        named.extend(clicks.gbraid.as_deref().map(|p| ("clickIds.gbraidProperty", p)));
        named.extend(clicks.wbraid.as_deref().map(|p| ("clickIds.wbraidProperty", p)));
        named.extend(consent.map(|c| ("consent.property", c.property.as_str())));
        named
    }

    /// A sentence about the declared start, if it is not the one in effect.
    pub fn note_on_start(&self) -> Option<String> {
        let (declared, effective, created) = (self.start_time?, self.start, self.created);
        if declared.as_second() < effective.as_second() {
            return Some(format!(
                "spec.startTime {declared} is more than 90 days {BEFORE_CREATION} ({created:.0}): conversions count from \
                 {effective:.0}."
            ));
        }
        (declared.as_second() > effective.as_second()).then(|| {
            format!(
                "spec.startTime {declared} is later than the start in effect, {effective}, and changes nothing. To start \
                 later, delete the event and create it again with the later startTime."
            )
        })
    }

    /// The action to create: what is declared, and our defaults
    /// for the rest. `stage`: internal value, `None` for a form.
    pub fn to_create(&self, stage: Option<&str>) -> ActionFields {
        let mut fields = self.fields.clone();
        fields.kind = Some(self.action_kind().to_owned());
        fields
            .category
            .get_or_insert_with(|| category_name(default_category(stage)).to_owned());
        fields.primary_for_goal.get_or_insert(true);
        fields
            .counting_type
            .get_or_insert_with(|| counting_name(CountingType::OnePerClick).to_owned());
        fields.click_window_days.get_or_insert(90);
        if let Some(ValueRule::Fixed(money) | ValueRule::DealAmount { default: money }) = &self.rules.value {
            // Google takes a double; amounts have at most 12 + 3 digits, which a double holds.
            fields.default_value = money.amount.to_string().parse().ok();
            fields.default_currency = Some(money.currency.clone());
            fields.always_use_default_value = Some(false);
        }
        fields
    }
}

/// The schema requires exactly one of the two.
fn named_trigger(spec: &AdConversionEventSpec) -> NamedTrigger {
    match (&spec.trigger.lifecycle_stage, &spec.trigger.form_submission) {
        (None, Some(form)) => NamedTrigger::Form(form.form_id.clone()),
        (stage, _) => NamedTrigger::Stage(stage.as_ref().map(|s| s.stage.clone()).unwrap_or_default()),
    }
}

/// The schema allows ids of digits only.
fn declared_action(spec: &AdConversionEventSpec) -> DeclaredAction {
    let existing = spec
        .conversion_action
        .as_ref()
        .and_then(|action| action.existing.as_ref());
    let id = existing.and_then(|e| e.id.as_deref()?.parse().ok());
    match (id, existing.and_then(|e| e.name.clone())) {
        (Some(id), _) => DeclaredAction::Id(id),
        (None, Some(name)) => DeclaredAction::Name(name),
        (None, None) => DeclaredAction::Create,
    }
}

fn event_rules(spec: &AdConversionEventSpec) -> EventRules {
    let value = spec
        .value
        .as_ref()
        .and_then(|value| match (&value.fixed, &value.deal_amount) {
            (Some(fixed), _) => Some(ValueRule::Fixed(fixed.clone())),
            (None, Some(deal)) => Some(ValueRule::DealAmount {
                default: deal.default.clone(),
            }),
            (None, None) => None,
        });
    let consent = spec.consent.as_ref().map(|c| ConsentRule {
        property: c.property.clone(),
        granted: c.granted_values.clone(),
    });
    let ids = spec.click_ids.as_ref();
    let clicks = ClickProperties {
        gclid: ids
            .and_then(|c| c.gclid_property.clone())
            .unwrap_or_else(|| DEFAULT_GCLID_PROPERTY.to_owned()),
        gbraid: ids.and_then(|c| c.gbraid_property.clone()),
        wbraid: ids.and_then(|c| c.wbraid_property.clone()),
    };
    EventRules {
        value,
        consent,
        share: spec.share_data.clone(),
        clicks,
        trigger_kind: named_trigger(spec).kind(),
    }
}

fn declared_fields(spec: &AdConversionEventSpec, object: &str) -> ActionFields {
    let create = spec
        .conversion_action
        .as_ref()
        .and_then(|action| action.create.as_ref());
    ActionFields {
        name: Some(spec.event_name.as_deref().unwrap_or(object).to_owned()),
        category: create.and_then(|c| c.category).map(|c| category_name(c).to_owned()),
        primary_for_goal: spec.include_in_conversions,
        counting_type: create
            .and_then(|c| c.counting_type)
            .map(|c| counting_name(c).to_owned()),
        click_window_days: create.and_then(|c| c.click_through_lookback_window_days).map(i64::from),
        view_window_days: create.and_then(|c| c.view_through_lookback_window_days).map(i64::from),
        ..ActionFields::default()
    }
}

/// The effective start: `max(startTime, creation − 90 d)`, and never later than one that was effective `before`.
/// Adding a later startTime to a running event changes nothing.
fn effective_start(declared: Option<Timestamp>, created: Timestamp, before: Option<Timestamp>) -> Timestamp {
    let earliest = created.saturating_sub(MAX_REACH).unwrap_or(Timestamp::MIN);
    let start = declared.unwrap_or(created).max(earliest);
    match before {
        // Times in a status have no fraction: that is no earlier start, and no reason to read everything again.
        Some(before) if before.as_second() == start.as_second() => start,
        Some(before) => before.min(start),
        None => start,
    }
}

/// The clock of an API server may be ahead of ours by so much.
const API_SERVER_AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Google's name of a category.
const fn category_name(category: ActionCategory) -> &'static str {
    match category {
        ActionCategory::ImportedLead => "IMPORTED_LEAD",
        ActionCategory::QualifiedLead => "QUALIFIED_LEAD",
        ActionCategory::ConvertedLead => "CONVERTED_LEAD",
        ActionCategory::SubmitLeadForm => "SUBMIT_LEAD_FORM",
        ActionCategory::SignUp => "SIGNUP",
        ActionCategory::Purchase => "PURCHASE",
        ActionCategory::SubscribePaid => "SUBSCRIBE_PAID",
        ActionCategory::BookAppointment => "BOOK_APPOINTMENT",
        ActionCategory::RequestQuote => "REQUEST_QUOTE",
        ActionCategory::Contact => "CONTACT",
        ActionCategory::PhoneCallLead => "PHONE_CALL_LEAD",
        ActionCategory::Default => "DEFAULT",
    }
}

/// The category of this name of Google's; `None` if a manifest has no word for it.
pub fn category_of(name: &str) -> Option<ActionCategory> {
    CATEGORIES.into_iter().find(|category| category_name(*category) == name)
}

/// All that a manifest can name.
const CATEGORIES: [ActionCategory; 12] = [
    ActionCategory::ImportedLead,
    ActionCategory::QualifiedLead,
    ActionCategory::ConvertedLead,
    ActionCategory::SubmitLeadForm,
    ActionCategory::SignUp,
    ActionCategory::Purchase,
    ActionCategory::SubscribePaid,
    ActionCategory::BookAppointment,
    ActionCategory::RequestQuote,
    ActionCategory::Contact,
    ActionCategory::PhoneCallLead,
    ActionCategory::Default,
];

/// The category if the manifest names none: by the stage's internal value, or that of a form.
fn default_category(stage: Option<&str>) -> ActionCategory {
    match stage {
        None => ActionCategory::SubmitLeadForm,
        Some("marketingqualifiedlead" | "salesqualifiedlead" | "opportunity") => ActionCategory::QualifiedLead,
        Some("customer" | "evangelist") => ActionCategory::ConvertedLead,
        Some(_) => ActionCategory::ImportedLead,
    }
}

const fn counting_name(counting: CountingType) -> &'static str {
    match counting {
        CountingType::OnePerClick => "ONE_PER_CLICK",
        CountingType::ManyPerClick => "MANY_PER_CLICK",
    }
}

#[cfg(test)]
#[path = "declared_tests.rs"]
mod tests;
