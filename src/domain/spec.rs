//! From a manifest to what the rules work with.

use jiff::{SignedDuration, Timestamp};

use super::action::{ActionFields, UPLOAD_CLICKS, WEBPAGE};
use super::eligibility::{ClickProperties, ConsentRule, EventRules, Money, SharedKind, ValueRule};
use crate::api::{ActionCategory, AdConversionEvent, AdConversionEventSpec, CountingType, SharedData};

/// How far before its creation an event may reach back.
const MAX_REACH: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The rules of an event's rows.
pub fn rules(spec: &AdConversionEventSpec) -> EventRules {
    let money = |m: &crate::api::Money| Money {
        amount: m.amount,
        currency: m.currency.clone(),
    };
    let value = spec
        .value
        .as_ref()
        .and_then(|value| match (&value.fixed, &value.deal_amount) {
            (Some(fixed), _) => Some(ValueRule::Fixed(money(fixed))),
            (None, Some(deal)) => Some(ValueRule::DealAmount {
                default: money(&deal.default),
            }),
            (None, None) => None,
        });
    let consent = spec.consent.as_ref().map(|c| ConsentRule {
        property: c.property.clone(),
        granted: c.granted_values.clone(),
    });
    let share = spec
        .share_data
        .iter()
        .map(|kind| match kind {
            SharedData::Email => SharedKind::Email,
            SharedData::Phone => SharedKind::Phone,
            SharedData::Address => SharedKind::Address,
        })
        .collect();
    let ids = spec.click_ids.as_ref();
    let clicks = ClickProperties {
        gclid: spec.gclid_property().to_owned(),
        gbraid: ids.and_then(|c| c.gbraid_property.clone()),
        wbraid: ids.and_then(|c| c.wbraid_property.clone()),
    };
    EventRules {
        value,
        consent,
        share,
        clicks,
        form: spec.trigger.form_submission.is_some(),
    }
}

/// True where values come from deals, which takes a scope of its own.
pub fn needs_deals(spec: &AdConversionEventSpec) -> bool {
    spec.value.as_ref().is_some_and(|value| value.deal_amount.is_some())
}

/// Contact properties the manifest names; all must exist in the portal.
pub fn named_properties(rules: &EventRules) -> Vec<(&'static str, &str)> {
    let mut named = vec![("clickIds.gclidProperty", rules.clicks.gclid.as_str())];
    named.extend(rules.clicks.gbraid.as_deref().map(|p| ("clickIds.gbraidProperty", p)));
    named.extend(rules.clicks.wbraid.as_deref().map(|p| ("clickIds.wbraidProperty", p)));
    named.extend(
        rules
            .consent
            .as_ref()
            .map(|c| ("consent.property", c.property.as_str())),
    );
    named
}

/// The effective start: `max(startTime, creation − 90 d)`, and never later than one that was effective before.
/// Adding a later startTime to a running event changes nothing.
pub fn effective_start(event: &AdConversionEvent, created: Timestamp) -> Timestamp {
    let declared = event.spec.start_time.as_ref().map_or(created, |t| t.0);
    let earliest = created.saturating_sub(MAX_REACH).unwrap_or(Timestamp::MIN);
    let start = declared.max(earliest);
    let before = event
        .status
        .as_ref()
        .and_then(|s| s.sync.as_ref()?.start_time.as_ref())
        .map(|t| t.0);
    match before {
        // Times in a status have no fraction: that is no earlier start, and no reason to read everything again.
        Some(before) if before.as_second() == start.as_second() => start,
        Some(before) => before.min(start),
        None => start,
    }
}

/// Google's name of a category.
pub const fn category(category: ActionCategory) -> &'static str {
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

/// The category where the manifest names none: by the stage's internal value, or that of a form.
pub fn default_category(stage: Option<&str>) -> ActionCategory {
    match stage {
        None => ActionCategory::SubmitLeadForm,
        Some("marketingqualifiedlead" | "salesqualifiedlead" | "opportunity") => ActionCategory::QualifiedLead,
        Some("customer" | "evangelist") => ActionCategory::ConvertedLead,
        Some(_) => ActionCategory::ImportedLead,
    }
}

const fn counting(counting: CountingType) -> &'static str {
    match counting {
        CountingType::OnePerClick => "ONE_PER_CLICK",
        CountingType::ManyPerClick => "MANY_PER_CLICK",
    }
}

/// What the manifest declares of its action: only this is enforced later.
pub fn declared(event: &AdConversionEvent) -> ActionFields {
    let create = event.spec.create_action();
    ActionFields {
        name: Some(event.action_name().to_owned()),
        category: create.and_then(|c| c.category).map(|c| category(c).to_owned()),
        primary_for_goal: event.spec.include_in_conversions,
        counting_type: create.and_then(|c| c.counting_type).map(|c| counting(c).to_owned()),
        click_window_days: create.and_then(|c| c.click_through_lookback_window_days).map(i64::from),
        view_window_days: create.and_then(|c| c.view_through_lookback_window_days).map(i64::from),
        ..ActionFields::default()
    }
}

/// Google's type of the actions that a form's or a stage's conversions go to.
pub const fn action_kind(form: bool) -> &'static str {
    if form { WEBPAGE } else { UPLOAD_CLICKS }
}

/// The action to create: what is declared, and our defaults for the rest. `stage`: internal value, `None` for a form.
pub fn to_create(event: &AdConversionEvent, stage: Option<&str>) -> ActionFields {
    let mut fields = declared(event);
    fields.kind = Some(action_kind(stage.is_none()).to_owned());
    fields
        .category
        .get_or_insert_with(|| category(default_category(stage)).to_owned());
    fields.primary_for_goal.get_or_insert(true);
    fields
        .counting_type
        .get_or_insert_with(|| counting(CountingType::OnePerClick).to_owned());
    fields.click_window_days.get_or_insert(90);
    if let Some(ValueRule::Fixed(money) | ValueRule::DealAmount { default: money }) = rules(&event.spec).value {
        // Google takes a double; amounts have at most 12 + 3 digits, which a double holds.
        fields.default_value = money.amount.to_string().parse().ok();
        fields.default_currency = Some(money.currency);
        fields.always_use_default_value = Some(false);
    }
    fields
}
