//! `uploadConversionAdjustments`: enhancements of web conversions. Retractions and restatements are not simulated.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::upload::{IDENTIFIER, RowError, action, identifiers, money, order_id, past, rows};
use super::{Call, Denial};
use crate::google::schema::{Kind, Message, many, one};
use crate::google::web::Enhancement;

const KEY: &str = "conversionAdjustmentUploadError";
/// Google takes an enhancement this long after the conversion.
const LATEST: SignedDuration = SignedDuration::from_hours(24);

static PAIR: Message = Message {
    fields: &[one("gclid", Kind::Text), one("conversionDateTime", Kind::Text)],
    one_of: &[],
};

static VALUE: Message = Message {
    fields: &[one("adjustedValue", Kind::Double), one("currencyCode", Kind::Text)],
    one_of: &[],
};

static ADJUSTMENT: Message = Message {
    fields: &[
        one("gclidDateTimePair", Kind::Message(&PAIR)),
        one("orderId", Kind::Text),
        one("conversionAction", Kind::Text),
        one("adjustmentDateTime", Kind::Text),
        one(
            "adjustmentType",
            Kind::Enum(&["UNSPECIFIED", "UNKNOWN", "RETRACTION", "RESTATEMENT", "ENHANCEMENT"]),
        ),
        one("restatementValue", Kind::Message(&VALUE)),
        many("userIdentifiers", Kind::Message(&IDENTIFIER)),
        one("userAgent", Kind::Text),
    ],
    one_of: &[],
};

static REQUEST: Message = Message {
    fields: &[
        many("conversionAdjustments", Kind::Message(&ADJUSTMENT)),
        one("partialFailure", Kind::Bool),
        one("validateOnly", Kind::Bool),
        one("jobId", Kind::Int32),
    ],
    one_of: &[],
};

/// The call.
pub fn upload(call: &mut Call<'_>) -> Result<Value, Denial> {
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    rows(call, &REQUEST, "conversionAdjustments", |call, row| {
        let outcome = enhance(call, row, &mut seen);
        if let Err(error) = &outcome {
            *call.google.web.failed.entry(error.name.clone()).or_default() += 1;
        }
        outcome
    })
}

fn enhance(call: &mut Call<'_>, row: &Value, seen: &mut BTreeSet<(String, String)>) -> Result<Value, RowError> {
    if row["adjustmentType"] != "ENHANCEMENT" {
        return Err(RowError::new("fieldError", "INVALID_VALUE", "adjustmentType"));
    }
    let action = action(call, row, KEY, &["WEBPAGE"])?;
    let order = order_id(row, KEY)?;
    if order.is_empty() {
        return Err(RowError::new(KEY, "MISSING_ORDER_ID_FOR_WEBPAGE", "orderId"));
    }
    if !seen.insert((action.resource_name(), order.clone())) {
        return Err(RowError::new(KEY, "DUPLICATE_ENHANCEMENT_IN_REQUEST", "orderId"));
    }
    let pair = &row["gclidDateTimePair"];
    let at = past(
        call,
        &pair["conversionDateTime"],
        "gclidDateTimePair.conversionDateTime",
    )?;
    let restated = &row["restatementValue"];
    let money = money(
        &restated["adjustedValue"],
        &restated["currencyCode"],
        "restatementValue",
    )?;
    let found = identifiers(row, KEY, true)?;
    if found.is_empty() {
        return Err(RowError::new("fieldError", "REQUIRED", "userIdentifiers"));
    }
    let account = call.google.accounts.get(&action.owner);
    if !account.is_some_and(|account| account.accepted_customer_data_terms) {
        return Err(RowError::new(
            KEY,
            "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
            "userIdentifiers",
        ));
    }
    if let Some(reason) = call.google.ingestion.armed_reason(&order) {
        return Err(RowError::armed(KEY, &reason, "orderId"));
    }
    if call.now.duration_since(at) > LATEST {
        return Err(RowError::new(
            KEY,
            "CONVERSION_EXPIRED",
            "gclidDateTimePair.conversionDateTime",
        ));
    }
    if let Some(known) = call.google.web.enhancements.get_mut(&(action.id, order.clone())) {
        known.repeated += 1;
        return Err(RowError::new(KEY, "CONVERSION_ALREADY_ENHANCED", "orderId"));
    }
    if call.google.web.reported(&order, call.now).is_none() {
        return Err(RowError::new(KEY, "CONVERSION_NOT_FOUND", "orderId"));
    }
    let enhancement = Enhancement {
        conversion_action_id: action.id.to_string(),
        order_id: order.clone(),
        conversion_date_time: pair["conversionDateTime"].as_str().unwrap_or_default().to_owned(),
        gclid: pair["gclid"].as_str().map(str::to_owned),
        value: money.as_ref().map(|(value, _)| *value),
        currency: money.map(|(_, currency)| currency),
        identifiers: found,
        accepted_time: call.now,
        repeated: 0,
    };
    call.google
        .web
        .enhancements
        .insert((action.id, order.clone()), enhancement);
    if let Some(account) = call.google.accounts.get_mut(&action.owner) {
        "ON".clone_into(&mut account.enablement);
    }
    Ok(json!({
        "orderId": order,
        "conversionAction": action.resource_name(),
        "adjustmentType": "ENHANCEMENT",
        "gclidDateTimePair": pair,
    }))
}
