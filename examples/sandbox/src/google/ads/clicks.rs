//! `uploadClickConversions`: refused since June 2026 unless the account is told to take it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::failure::{AdsError, partial};
use super::upload::{IDENTIFIER, RowError, action, identifiers, money, order_id, past, rows};
use super::{Call, Denial};
use crate::google::dm::store::{ClickKind, Event};
use crate::google::schema::{Kind, Message, many, one};

const KEY: &str = "conversionUploadError";

static CONSENT: Message = Message {
    fields: &[
        one(
            "adUserData",
            Kind::Enum(&["UNSPECIFIED", "UNKNOWN", "GRANTED", "DENIED"]),
        ),
        one(
            "adPersonalization",
            Kind::Enum(&["UNSPECIFIED", "UNKNOWN", "GRANTED", "DENIED"]),
        ),
    ],
    one_of: &[],
};

static CONVERSION: Message = Message {
    fields: &[
        one("gclid", Kind::Text),
        one("gbraid", Kind::Text),
        one("wbraid", Kind::Text),
        one("conversionAction", Kind::Text),
        one("conversionDateTime", Kind::Text),
        one("conversionValue", Kind::Double),
        one("currencyCode", Kind::Text),
        one("orderId", Kind::Text),
        many("userIdentifiers", Kind::Message(&IDENTIFIER)),
        one(
            "conversionEnvironment",
            Kind::Enum(&["UNSPECIFIED", "UNKNOWN", "APP", "WEB"]),
        ),
        one("consent", Kind::Message(&CONSENT)),
    ],
    one_of: &[],
};

static REQUEST: Message = Message {
    fields: &[
        many("conversions", Kind::Message(&CONVERSION)),
        one("partialFailure", Kind::Bool),
        one("validateOnly", Kind::Bool),
        one("jobId", Kind::Int32),
    ],
    one_of: &[],
};

/// The call.
pub fn upload(call: &mut Call<'_>) -> Result<Value, Denial> {
    let account = call.google.accounts.get(call.customer);
    if !account.is_some_and(|account| account.click_uploads_allowed) {
        return refuse(call);
    }
    let mut seen = BTreeSet::new();
    rows(call, &REQUEST, "conversions", |call, row| take(call, row, &mut seen))
}

/// As a project without upload history meets it: HTTP 200, every row refused. Google names each; the setting
/// `refusalsWithoutRows` has it name none.
fn refuse(call: &mut Call<'_>) -> Result<Value, Denial> {
    const NAME: &str = "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE";
    if !call.google.settings.refusals_without_rows {
        return rows(call, &REQUEST, "conversions", |_, _| {
            Err(RowError::new("notAllowlistedError", NAME, "conversionAction"))
        });
    }
    let refused = rows(call, &REQUEST, "conversions", |_, _| Ok(json!({})))?;
    let message = "The customer is not allowlisted for uploading conversions through the Google Ads API.";
    let error = AdsError::new("notAllowlistedError", NAME, message);
    Ok(json!({"partialFailureError": partial(&[error], call.request_id), "results": refused["results"]}))
}

fn click(row: &Value) -> Result<Option<(ClickKind, String)>, RowError> {
    let of = |name: &str, kind| {
        row[name]
            .as_str()
            .filter(|id| !id.is_empty())
            .map(|id| (kind, id.to_owned()))
    };
    let (gclid, gbraid, wbraid) = (
        of("gclid", ClickKind::Gclid),
        of("gbraid", ClickKind::Gbraid),
        of("wbraid", ClickKind::Wbraid),
    );
    if gbraid.is_some() && wbraid.is_some() {
        return Err(RowError::new(KEY, "GBRAID_WBRAID_BOTH_SET", "gbraid"));
    }
    Ok(gclid.or(gbraid).or(wbraid))
}

/// Name in the Ads API of what Data Manager calls otherwise.
fn name_of(reason: &str) -> &str {
    match reason.trim_start_matches("PROCESSING_ERROR_REASON_") {
        "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED" => "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
        "DESTINATION_TOO_RECENTLY_CREATED" => "TOO_RECENT_CONVERSION_ACTION",
        "INVALID_GCLID" => "UNPARSEABLE_GCLID",
        "INVALID_GBRAID" => "UNPARSEABLE_GBRAID",
        "INVALID_WBRAID" => "UNPARSEABLE_WBRAID",
        "CLICK_NOT_FOUND" => "EVENT_NOT_FOUND",
        "TOO_RECENT_CLICK" => "TOO_RECENT_EVENT",
        "CONVERSION_PRECEDES_CLICK" => "CONVERSION_PRECEDES_EVENT",
        "EXPIRED_CLICK" => "EXPIRED_EVENT",
        other => other,
    }
}

fn take(call: &mut Call<'_>, row: &Value, seen: &mut BTreeSet<(u64, String)>) -> Result<Value, RowError> {
    let action = action(call, row, KEY, &["UPLOAD_CLICKS"])?;
    let order = order_id(row, KEY)?;
    let at = past(call, &row["conversionDateTime"], "conversionDateTime")?;
    let money = money(&row["conversionValue"], &row["currencyCode"], "conversionValue")?;
    let found = identifiers(row, KEY, false)?;
    let click = click(row)?;
    if click.is_none() && found.is_empty() {
        return Err(RowError::new("fieldError", "REQUIRED", "gclid"));
    }
    if !order.is_empty() && !seen.insert((action.id, order.clone())) {
        return Err(RowError::new(KEY, "DUPLICATE_ORDER_ID", "orderId"));
    }
    let consent = row["consent"]["adUserData"]
        .as_str()
        .map(|name| format!("CONSENT_{name}"));
    let event = Event {
        index: 0,
        transaction_id: order.clone(),
        time: at,
        value: money.as_ref().map(|(value, _)| *value),
        currency: money.map(|(_, currency)| currency),
        click: click.clone(),
        identifiers: found,
        consent,
        targets: vec![0],
    };
    // What is armed for a row that is there already meets its repeat too.
    if let Some(reason) = call.google.ingestion.armed_reason(&order) {
        call.google.ingestion.note_failure(action.id, &reason);
        return Err(RowError::armed(KEY, name_of(&reason), "gclid"));
    }
    if call
        .google
        .ingestion
        .of_action(action.id)
        .any(|known| known.transaction_id == order)
    {
        return Err(RowError::new(KEY, "ORDER_ID_ALREADY_IN_USE", "orderId"));
    }
    if let Some(reason) = call.google.judge(action.id, &event, call.now) {
        call.google.ingestion.note_failure(action.id, &reason);
        return Err(RowError::armed(KEY, name_of(&reason), "gclid"));
    }
    call.google.accept(action.id, &event, call.request_id);
    let mut result =
        json!({"conversionAction": action.resource_name(), "conversionDateTime": row["conversionDateTime"]});
    if let Some((kind, id)) = click {
        let field = match kind {
            ClickKind::Gclid => "gclid",
            ClickKind::Gbraid => "gbraid",
            ClickKind::Wbraid => "wbraid",
        };
        result[field] = json!(id);
    }
    Ok(result)
}
