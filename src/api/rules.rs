//! Rules the API server checks when a manifest is applied (CEL). Every message names the field and
//! the way out. A pattern in the schema would show the user a bare regular expression, so formats
//! are rules too; the schema has the upper bounds of length, which keep the rules cheap.

use kube::core::{Reason, Rule};

/// Ends the refusal of a change that needs a new object. Messages of conditions use it too.
pub const CREATE_AGAIN: &str = "delete the event and create it again; set spec.startTime to what status.sync.startTime says now to keep its \
     counts";

/// Active codes of ISO 4217, without funds and metals (list one, 2026).
pub const CURRENCIES: [&str; 155] = [
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BHD", "BIF", "BMD", "BND",
    "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE",
    "CZK", "DJF", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD",
    "GNF", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY",
    "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LYD", "MAD",
    "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO",
    "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF",
    "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
    "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS", "VED", "VES", "VND",
    "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
];

fn rule(expression: impl Into<String>, message: &str) -> Rule {
    Rule::new(expression).message(message)
}

fn required(expression: &str, field: &str, message: &str) -> Rule {
    rule(expression, message)
        .reason(Reason::FieldValueRequired)
        .field_path(field)
}

fn forbidden(expression: &str, field: &str, message: &str) -> Rule {
    rule(expression, message)
        .reason(Reason::FieldValueForbidden)
        .field_path(field)
}

/// The field may not change.
pub(crate) fn immutable(field: &str) -> Rule {
    rule("self == oldSelf", &format!("{field} is immutable: {CREATE_AGAIN}"))
}

/// A decimal amount of at least zero.
pub(crate) fn amount() -> Rule {
    rule(
        "self.matches('^[0-9]{1,12}([.][0-9]{1,3})?$')",
        "amount must be a decimal string like \"250.00\": not negative, at most 12 digits before the point and 3 after",
    )
}

/// A currency of [`CURRENCIES`].
pub(crate) fn currency() -> Rule {
    let list = CURRENCIES.map(|code| format!("'{code}'")).join(",");
    rule(
        format!("self in [{list}]"),
        "currency must be an active ISO 4217 code in capitals, like EUR or USD",
    )
}

/// The name of another Kubernetes object.
pub(crate) fn object_name(field: &str) -> Rule {
    rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        &format!("{field} must be the name of an object in this namespace: lower-case letters, digits, '-' and '.'"),
    )
}

/// The internal name of a HubSpot property.
pub(crate) fn property_name(field: &str) -> Rule {
    rule(
        "self.matches('^[a-z0-9_]+$')",
        &format!("{field} must be the internal name of a HubSpot contact property: lower-case letters, digits and '_'"),
    )
}

/// A Google Ads customer id; the dashes are optional.
pub(crate) fn customer_id(field: &str) -> Rule {
    rule(
        "self.matches('^([0-9]{10}|[0-9]{3}-[0-9]{3}-[0-9]{4})$')",
        &format!("{field} must be a Google Ads customer id of ten digits, like 123-456-7890 or 1234567890"),
    )
}

/// The same customer, however the dashes are written.
pub(crate) fn same_customer() -> Rule {
    rule(
        "self.replace('-', '') == oldSelf.replace('-', '')",
        &format!("customerId is immutable: create another GoogleAdsAccount; to move an event to it, {CREATE_AGAIN}"),
    )
}

/// Digits only.
pub(crate) fn digits(field: &str) -> Rule {
    rule(
        "self.matches('^[0-9]+$')",
        &format!("{field} must be the number of a conversion action, digits only; to map by name, set name instead"),
    )
}

/// Text with something in it.
pub(crate) fn not_blank(field: &str, way_out: &str) -> Rule {
    rule(
        "self.trim().size() > 0",
        &format!("{field} must not be empty: {way_out}"),
    )
}

/// Text in one line: what Google and HubSpot show as a name holds no control character, and Google takes none.
pub(crate) fn one_line(field: &str) -> Rule {
    rule(
        r"!self.matches('[\\p{Cc}\\p{Zl}\\p{Zp}\\x{fffe}\\x{ffff}]')",
        &format!("{field} must not contain control characters, such as a line break or a tab: remove them"),
    )
}

/// As [`one_line`], for each text of a list.
pub(crate) fn all_one_line(field: &str) -> Rule {
    rule(
        r"self.all(text, !text.matches('[\\p{Cc}\\p{Zl}\\p{Zp}\\x{fffe}\\x{ffff}]'))",
        &format!("{field} must not contain control characters, such as a line break or a tab: remove them"),
    )
}

/// What [`duration`] takes, at most a day: what is read less often is not worth a setting.
pub(crate) fn at_most_a_day(field: &str) -> Rule {
    rule(
        "!self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$') || !self.matches('[1-9]') \
         || duration(self) <= duration('24h')",
        &format!("{field} must be at most 24h, like 1m or 1h30m"),
    )
}

/// A duration longer than nothing; the grammar is that of [`super::Duration`].
pub(crate) fn duration(field: &str) -> Rule {
    rule(
        "self.matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$') && self.matches('[1-9]')",
        &format!("{field} must be a duration longer than zero, like 90s, 1m or 1h30m"),
    )
}

/// Two capitals.
pub(crate) fn region(field: &str) -> Rule {
    rule(
        "self.matches('^[A-Z]{2}$')",
        &format!("{field} must be the two capital letters of an ISO 3166 country, like DE"),
    )
}

/// `eventName` or, without one, the name of the object becomes the name of the action.
pub(crate) fn name_fits() -> Rule {
    rule(
        "size(self.metadata.name) <= 100 || has(self.spec.eventName) \
         || (has(self.spec.conversionAction) && has(self.spec.conversionAction.existing))",
        "metadata.name is longer than 100 characters and cannot name the conversion action: set eventName",
    )
    .field_path(".spec.eventName")
}

/// A stage stays once it was found in HubSpot: until then it may be a typo.
pub(crate) fn found_stage_stays() -> Rule {
    found_trigger_stays("lifecycleStage", "stage")
}

/// As [`found_stage_stays`], for a form.
pub(crate) fn found_form_stays() -> Rule {
    found_trigger_stays("formSubmission", "formId")
}

/// Only a rule of the whole object sees `status`; an update of the rest leaves the stored status in place.
fn found_trigger_stays(member: &str, field: &str) -> Rule {
    let of = |object: &str| format!("{object}.spec.trigger.{member}");
    let (new, old) = (of("self"), of("oldSelf"));
    rule(
        format!(
            "!has({new}) || !has({old}) || {new}.{field} == {old}.{field} \
             || !has(oldSelf.status) || !has(oldSelf.status.trigger)"
        ),
        &format!("{field} is immutable once it was found in HubSpot: {CREATE_AGAIN}"),
    )
    .field_path(format!(".spec.trigger.{member}.{field}"))
}

/// Google needs a Google Ads account.
pub(crate) fn google_needs_account() -> Rule {
    required(
        "self.adNetwork != 'Google' || has(self.googleAdsAccountRef)",
        ".googleAdsAccountRef",
        "googleAdsAccountRef is required when adNetwork is Google: name a GoogleAdsAccount of this namespace",
    )
}

/// A mapped form event sends no value of its own.
pub(crate) fn no_value_on_mapped_form() -> Rule {
    forbidden(
        "!(has(self.value) && has(self.trigger.formSubmission) \
         && has(self.conversionAction) && has(self.conversionAction.existing))",
        ".value",
        "value cannot be set together with conversionAction.existing on a form trigger: remove value, \
         or have an action created with conversionAction.create",
    )
}

/// A mapped action is never modified.
pub(crate) fn no_include_on_existing() -> Rule {
    forbidden(
        "!(has(self.includeInConversions) && has(self.conversionAction) && has(self.conversionAction.existing))",
        ".includeInConversions",
        "includeInConversions cannot be set together with conversionAction.existing, because a mapped action is never \
         modified: remove it and set the action's optimisation in Google Ads",
    )
}

/// Form data needs consent.
pub(crate) fn form_needs_consent() -> Rule {
    required(
        "!has(self.trigger.formSubmission) || has(self.consent)",
        ".consent",
        "consent is required for a formSubmission trigger: name the contact property that holds it and its grantedValues",
    )
}

/// A form submission is matched by shared data alone.
pub(crate) fn form_needs_share_data() -> Rule {
    required(
        "!has(self.trigger.formSubmission) || (has(self.shareData) && size(self.shareData) > 0)",
        ".shareData",
        "shareData needs at least one of Email, Phone or Address for a formSubmission trigger",
    )
}

/// Google accepts gbraid and wbraid only for actions that count every conversion.
pub(crate) fn braids_need_many() -> Rule {
    rule(
        "!has(self.clickIds) || !(has(self.clickIds.gbraidProperty) || has(self.clickIds.wbraidProperty)) \
         || (has(self.conversionAction) && (has(self.conversionAction.existing) \
         || (has(self.conversionAction.create) && has(self.conversionAction.create.countingType) \
         && self.conversionAction.create.countingType == 'ManyPerClick')))",
        "clickIds.gbraidProperty and clickIds.wbraidProperty need conversionAction.create.countingType: ManyPerClick \
         (if absent, it is OnePerClick): set it, or remove the two properties",
    )
    .field_path(".clickIds")
}

/// Created stays created, mapped stays mapped.
pub(crate) fn no_switch_of_action() -> Rule {
    rule(
        "(has(self.conversionAction) && has(self.conversionAction.existing)) \
         == (has(oldSelf.conversionAction) && has(oldSelf.conversionAction.existing))",
        &format!(
            "conversionAction is immutable, so it cannot switch between create (also if absent) and existing: {CREATE_AGAIN}"
        ),
    )
    .field_path(".conversionAction")
}

/// A start cannot be taken back.
pub(crate) fn start_time_stays() -> Rule {
    rule(
        "!has(oldSelf.startTime) || has(self.startTime)",
        "startTime cannot be removed once set: keep it, or move it earlier",
    )
    .field_path(".startTime")
}

/// A start only moves earlier.
pub(crate) fn start_time_earlier() -> Rule {
    rule(
        "self <= oldSelf",
        "startTime may only move earlier: what was observed since the old start stays counted; \
         to start later, delete the event and create it again with the later startTime",
    )
}

/// A time by RFC 3339. The API server takes more for a `date-time`, such as 60 minutes of an offset, and then nobody here
/// could read the object.
pub(crate) const TIME: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-5][0-9])$";

/// A start that people mean; what is far outside of it could not be computed with.
pub(crate) fn start_time_sane() -> Rule {
    rule(
        "self > timestamp('2000-01-01T00:00:00Z') && self < timestamp('2200-01-01T00:00:00Z')",
        "startTime must lie between the years 2000 and 2200, like 2026-11-01T00:00:00Z",
    )
}

/// Exactly one trigger.
pub(crate) fn one_trigger() -> Rule {
    rule(
        "has(self.lifecycleStage) != has(self.formSubmission)",
        "trigger takes exactly one of lifecycleStage or formSubmission",
    )
}

/// The kind of the trigger stays.
pub(crate) fn same_trigger() -> Rule {
    rule(
        "has(self.lifecycleStage) == has(oldSelf.lifecycleStage) \
         && has(self.formSubmission) == has(oldSelf.formSubmission)",
        &format!("the kind of trigger is immutable: {CREATE_AGAIN}"),
    )
}

/// Exactly one source of the value.
pub(crate) fn one_value() -> Rule {
    rule(
        "has(self.fixed) != has(self.dealAmount)",
        "value takes exactly one of fixed or dealAmount; leave value out to send none",
    )
}

/// Created or mapped.
pub(crate) fn one_action() -> Rule {
    rule(
        "has(self.create) != has(self.existing)",
        "conversionAction takes exactly one of create or existing; leave it out to have one created",
    )
}

/// Mapped by id or by name.
pub(crate) fn one_identity() -> Rule {
    rule(
        "has(self.id) != has(self.name)",
        "conversionAction.existing takes exactly one of id or name",
    )
}
