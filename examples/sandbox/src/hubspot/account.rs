//! Account details, usage, property definitions, pipelines.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    auth::Call,
    deal,
    limits::next_midnight,
    reply::{Answer, Outcome},
    store::iso,
};

/// `GET /account-info/2026-09/details`.
pub fn details(call: &Call<'_>) -> Outcome {
    let portal = call.portal;
    let here = Timestamp::from_millisecond(call.now)
        .unwrap_or_default()
        .to_zoned(portal.time_zone.1.clone());
    let seconds = here.offset().seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / 60;
    Ok(Answer::ok(json!({
        "portalId": portal.id,
        "accountType": portal.account_type,
        "timeZone": portal.time_zone.0,
        "companyCurrency": portal.currency,
        "additionalCurrencies": [],
        "utcOffset": format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60),
        "utcOffsetMilliseconds": i64::from(seconds) * 1000,
        "uiDomain": portal.ui_domain,
        "dataHostingLocation": "na1",
    })))
}

/// `GET /account-info/2026-09/api-usage/daily/private-apps`.
pub fn daily_usage(call: &Call<'_>) -> Outcome {
    let portal = call.portal;
    let resets = next_midnight(call.now, &portal.time_zone.1);
    Ok(Answer::ok(json!({"results": [{
        "name": "private-apps-api-calls-daily",
        "usageLimit": portal.limits.daily,
        "currentUsage": portal.day.used,
        "collectedAt": iso(call.now),
        "fetchStatus": "SUCCESS",
        "resetsAt": iso(resets),
    }]})))
}

/// `GET /crm/properties/2026-09/contacts`.
pub fn properties(call: &Call<'_>) -> Outcome {
    let all: Vec<Value> = call
        .portal
        .contacts
        .catalogue
        .iter()
        .map(|(_, property)| property.to_json())
        .collect();
    Ok(Answer::ok(json!({"results": all})))
}

/// `GET /crm/properties/2026-09/contacts/{name}`.
pub fn property(call: &Call<'_>, name: &str) -> Outcome {
    match call.portal.contacts.catalogue.find(name) {
        Some((_, property)) => Ok(Answer::ok(property.to_json())),
        None => Err(Answer::not_found(format!(
            "Property \"{name}\" does not exist for object type CONTACT"
        ))),
    }
}

/// `GET /crm/pipelines/2026-09/deals`.
#[allow(clippy::unnecessary_wraps, reason = "has the shape of every endpoint")]
pub fn pipelines(_call: &Call<'_>) -> Outcome {
    Ok(Answer::ok(deal::pipelines()))
}
