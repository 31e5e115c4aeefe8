//! From a manifest to what the rules work with.

use jiff::{SignedDuration, Timestamp};

use super::action::{ActionFields, UPLOAD_CLICKS, WEBPAGE};
use super::eligibility::{ClickProperties, ConsentRule, EventRules, Money, ValueRule};
use super::identifiers::SharedKind;
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

/// What people should know of a declared start that is not the one in effect. `effective` is what [`effective_start`] says.
pub fn note_on_start(event: &AdConversionEvent, created: Timestamp, effective: Timestamp) -> Option<String> {
    let declared = event.spec.start_time.as_ref()?.0;
    if declared.as_second() < effective.as_second() {
        return Some(format!(
            "spec.startTime {declared} is more than 90 days before the event was created ({created}): conversions count \
             from {effective}."
        ));
    }
    (declared.as_second() > effective.as_second()).then(|| {
        format!(
            "spec.startTime {declared} is later than the start in effect, {effective}, and changes nothing. To start \
             later, delete the event and create it again with the later startTime."
        )
    })
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const CREATED: &str = "2026-11-20T00:00:00Z";

    fn event(declared: Option<&str>, in_effect: Option<&str>) -> AdConversionEvent {
        let start = declared.map_or_else(|| json!({}), |start| json!({"startTime": start}));
        let mut event = json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": "won"},
            "spec": {"hubSpotAccountRef": {"name": "acme"}, "trigger": {"lifecycleStage": {"stage": "customer"}}},
            "status": {"sync": in_effect.map(|start| json!({"startTime": start}))},
        });
        event["spec"]
            .as_object_mut()
            .unwrap()
            .extend(start.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    #[rstest]
    #[case::absent(None, None, CREATED, "")]
    #[case::declared(Some("2026-11-01T00:00:00Z"), None, "2026-11-01T00:00:00Z", "")]
    #[case::ninety_days(Some("2026-08-22T00:00:00Z"), None, "2026-08-22T00:00:00Z", "")]
    #[case::clamped(
        Some("2026-08-21T23:59:59Z"),
        None,
        "2026-08-22T00:00:00Z",
        "spec.startTime 2026-08-21T23:59:59Z is more than 90 days before the event was created (2026-11-20T00:00:00Z): \
         conversions count from 2026-08-22T00:00:00Z."
    )]
    #[case::clamped_again(
        Some("2020-01-01T00:00:00Z"),
        Some("2026-08-22T00:00:00Z"),
        "2026-08-22T00:00:00Z",
        "90 days"
    )]
    #[case::moved_earlier(
        Some("2026-10-01T00:00:00Z"),
        Some("2026-11-01T00:00:00Z"),
        "2026-10-01T00:00:00Z",
        ""
    )]
    #[case::added_later(Some("2026-11-21T00:00:00Z"), Some(CREATED), CREATED, "changes nothing")]
    #[case::added_in_the_future(Some("2099-01-01T00:00:00Z"), Some(CREATED), CREATED, "changes nothing")]
    #[case::born_with_a_later_one(Some("2026-11-21T00:00:00Z"), None, "2026-11-21T00:00:00Z", "")]
    #[case::a_fraction(
        Some("2026-11-01T00:00:00.25Z"),
        Some("2026-11-01T00:00:00Z"),
        "2026-11-01T00:00:00.25Z",
        ""
    )]
    fn starts(
        #[case] declared: Option<&str>,
        #[case] in_effect: Option<&str>,
        #[case] wanted: &str,
        #[case] note: &str,
    ) {
        let event = event(declared, in_effect);
        let created = CREATED.parse().unwrap();
        let effective = effective_start(&event, created);
        assert_eq!(effective, wanted.parse::<Timestamp>().unwrap());
        match note_on_start(&event, created, effective) {
            Some(said) => assert!(!note.is_empty() && said.contains(note), "{said}"),
            None => assert!(note.is_empty()),
        }
    }
}
