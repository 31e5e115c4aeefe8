//! Checks of a request's events.

use jiff::Timestamp;
use serde_json::Value;

use super::destinations::Destination;
use super::identifiers::Reader;
use super::store::{ClickKind, Event};
use super::{Fault, Warning};
use crate::google::currency::is_currency;
use crate::google::schema::{double, time};
use crate::google::state::Google;

/// Most events of a request.
const MAX_EVENTS: usize = 2_000;
/// Longest transaction id, in characters.
const MAX_TRANSACTION_ID: usize = 64;

/// What the checks of a request gather.
pub struct Checked {
    /// Fields that refuse the request.
    pub faults: Vec<Fault>,
    /// Fields that are ignored.
    pub warnings: Vec<Warning>,
    /// The events, as far as they were fit.
    pub events: Vec<Event>,
}

/// What all events of a request share.
struct Context<'a> {
    google: &'a Google,
    destinations: &'a [Destination],
    encoding: Option<&'a str>,
    consent: &'a Value,
    now: Timestamp,
}

/// Checks all events.
pub fn check(google: &Google, request: &Value, destinations: &[Destination], now: Timestamp) -> Checked {
    let mut out = Checked {
        faults: Vec::new(),
        warnings: Vec::new(),
        events: Vec::new(),
    };
    let none = Vec::new();
    let list = request["events"].as_array().unwrap_or(&none);
    if list.is_empty() {
        out.faults.push(Fault::new(
            "events",
            "REQUIRED_FIELD_MISSING",
            "Required field is missing.",
        ));
    }
    if list.len() > MAX_EVENTS {
        out.faults.push(Fault::new(
            "events",
            "TOO_MANY_EVENTS",
            "Too many events in the request.",
        ));
        return out;
    }
    unspecified(
        &request["consent"],
        &["adUserData", "adPersonalization"],
        "consent",
        &mut out.faults,
    );
    let encoding = request["encoding"]
        .as_str()
        .filter(|name| *name != "ENCODING_UNSPECIFIED");
    let with_data = list.iter().any(|event| event.get("userData").is_some());
    if with_data && encoding.is_none() {
        out.faults.push(Fault::new(
            "encoding",
            "REQUIRED_FIELD_MISSING",
            "Required field is missing.",
        ));
    }
    let context = Context {
        google,
        destinations,
        encoding,
        consent: &request["consent"],
        now,
    };
    for (index, event) in list.iter().enumerate() {
        let path = format!("events.events[{index}]");
        let before = out.faults.len();
        let checked = context.event(index, event, &path, &mut out);
        if out.faults.len() == before {
            out.events.extend(checked);
        }
    }
    out
}

pub(super) fn missing(field: String) -> Fault {
    Fault::new(field, "REQUIRED_FIELD_MISSING", "Required field is missing.")
}

/// Enum fields must not be sent with their "unspecified" name.
fn unspecified(value: &Value, names: &[&str], path: &str, faults: &mut Vec<Fault>) {
    for name in names {
        if value[*name].as_str().is_some_and(|text| text.ends_with("_UNSPECIFIED")) {
            let field = format!("{path}.{}", crate::google::schema::snake(name));
            faults.push(Fault::new(field, "INVALID_ENUM_VALUE", "Invalid enum value."));
        }
    }
}

impl Context<'_> {
    fn event(&self, index: usize, event: &Value, path: &str, out: &mut Checked) -> Option<Event> {
        let targets = self.targets(event, path, &mut out.faults);
        let transaction = transaction_id(event, path, &mut out.faults);
        let at = self.time(event, path, &mut out.faults);
        self.source(event, &targets, path, &mut out.faults);
        self.last_updated(event, path, &mut out.faults);
        let (value, currency) = money(event, path, &mut out.faults);
        unspecified(
            &event["consent"],
            &["adUserData", "adPersonalization"],
            &format!("{path}.consent"),
            &mut out.faults,
        );
        unspecified(
            &event["userProperties"],
            &["customerType", "customerValueBucket"],
            &format!("{path}.user_properties"),
            &mut out.faults,
        );
        let identifiers = Reader {
            encoding: self.encoding,
        }
        .read(event, path, &mut out.faults);
        let click = click(event, path, &mut out.faults);
        Self::some_identifier(event, click.is_some() || !identifiers.is_empty(), path, &mut out.faults);
        for extra in ["mobileDeviceId", "dclid", "impressionId", "matchId", "leadId"] {
            if event["adIdentifiers"].get(extra).is_some() {
                let field = format!("{path}.ad_identifiers.{}", crate::google::schema::snake(extra));
                out.warnings.push(Warning {
                    field,
                    reason: "WARNING_REASON_ADIDENTIFIER_NOT_USED",
                    description: "The identifier is not used.",
                });
            }
        }
        let consent = event["consent"]
            .get("adUserData")
            .or_else(|| self.consent.get("adUserData"));
        Some(Event {
            index: u32::try_from(index).ok()?,
            transaction_id: transaction?,
            time: at?,
            value,
            currency,
            click,
            identifiers,
            consent: consent.and_then(Value::as_str).map(str::to_owned),
            targets,
        })
    }

    /// Positions of the destinations the event goes to.
    fn targets(&self, event: &Value, path: &str, faults: &mut Vec<Fault>) -> Vec<usize> {
        let Some(references) = event["destinationReferences"]
            .as_array()
            .filter(|list| !list.is_empty())
        else {
            return (0..self.destinations.len()).collect();
        };
        let mut out = Vec::new();
        for (position, reference) in references.iter().enumerate() {
            let name = reference.as_str().unwrap_or_default();
            let known = self
                .destinations
                .iter()
                .position(|d| d.reference == name && !name.is_empty());
            match known {
                Some(target) if !out.contains(&target) => out.push(target),
                _ => {
                    let field = format!("{path}.destination_references[{position}]");
                    faults.push(Fault::new(
                        field,
                        "INVALID_DESTINATION",
                        "No such destination in the request, or named twice.",
                    ));
                }
            }
        }
        out
    }

    fn time(&self, event: &Value, path: &str, faults: &mut Vec<Fault>) -> Option<Timestamp> {
        let field = format!("{path}.event_timestamp");
        let Some(at) = event["eventTimestamp"].as_str().and_then(time) else {
            faults.push(missing(field));
            return None;
        };
        if at > self.now {
            faults.push(Fault::new(field, "EVENT_TIME_INVALID", "The event lies in the future."));
        }
        Some(at)
    }

    fn last_updated(&self, event: &Value, path: &str, faults: &mut Vec<Fault>) {
        if event["lastUpdatedTimestamp"]
            .as_str()
            .and_then(time)
            .is_some_and(|at| at > self.now)
        {
            let field = format!("{path}.last_updated_timestamp");
            faults.push(Fault::new(field, "EVENT_TIME_INVALID", "The time lies in the future."));
        }
    }

    /// Offline actions need a source; web actions take only WEB.
    fn source(&self, event: &Value, targets: &[usize], path: &str, faults: &mut Vec<Fault>) {
        let field = format!("{path}.event_source");
        let source = event["eventSource"]
            .as_str()
            .filter(|name| *name != "EVENT_SOURCE_UNSPECIFIED");
        for action in targets
            .iter()
            .filter_map(|t| self.google.actions.get(&self.destinations[*t].action))
        {
            match (action.kind.as_str(), source) {
                ("UPLOAD_CLICKS", None) => return faults.push(missing(field)),
                ("WEBPAGE", Some(other)) if other != "WEB" => {
                    let text = "The event source does not fit the destination.";
                    return faults.push(Fault::new(field, "EVENT_SOURCE_AND_DESTINATION_MISMATCH", text));
                }
                _ => {}
            }
        }
    }

    fn some_identifier(event: &Value, has: bool, path: &str, faults: &mut Vec<Fault>) {
        let identifiers = &event["adIdentifiers"];
        let set = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        let other = set(&identifiers["sessionAttributes"])
            || set(&identifiers["landingPageDeviceInfo"]["ipAddress"])
            || set(&event["eventDeviceInfo"]["ipAddress"]);
        let parts = [format!("{path}.user_data"), format!("{path}.ad_identifiers")];
        let refused_already = faults
            .iter()
            .any(|fault| parts.iter().any(|part| fault.field.starts_with(part)));
        if !has && !other && !refused_already {
            faults.push(Fault::new(
                path,
                "NO_IDENTIFIERS_PROVIDED",
                "The event has no identifier.",
            ));
        }
    }
}

fn transaction_id(event: &Value, path: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let field = format!("{path}.transaction_id");
    let id = event["transactionId"].as_str().unwrap_or_default();
    if id.is_empty() {
        faults.push(missing(field));
        return None;
    }
    if id.chars().count() > MAX_TRANSACTION_ID {
        faults.push(Fault::new(
            field,
            "FIELD_VALUE_TOO_LONG",
            "The transaction id is too long.",
        ));
    } else if id.contains('@') || id.chars().any(|c| c.is_control() || c.is_whitespace()) {
        faults.push(Fault::new(
            field,
            "INVALID_FORMAT",
            "The transaction id must not hold personal data or white space.",
        ));
    }
    Some(id.to_owned())
}

fn money(event: &Value, path: &str, faults: &mut Vec<Fault>) -> (Option<f64>, Option<String>) {
    let value = event.get("conversionValue").and_then(double);
    let currency = event["currency"].as_str();
    if value.is_some_and(|value| !value.is_finite() || value < 0.0) {
        faults.push(Fault::new(
            format!("{path}.conversion_value"),
            "INVALID_NUMBER_FORMAT",
            "The value must be finite and not negative.",
        ));
    }
    match (value, currency) {
        (Some(_), None) => faults.push(missing(format!("{path}.currency"))),
        (None, Some(_)) => faults.push(missing(format!("{path}.conversion_value"))),
        (_, Some(code)) if !is_currency(code) => {
            faults.push(Fault::new(
                format!("{path}.currency"),
                "INVALID_CURRENCY_CODE",
                "Not an ISO 4217 code.",
            ));
        }
        _ => {}
    }
    (value, currency.map(str::to_owned))
}

fn click(event: &Value, path: &str, faults: &mut Vec<Fault>) -> Option<(ClickKind, String)> {
    let kinds = [
        ("gclid", ClickKind::Gclid),
        ("gbraid", ClickKind::Gbraid),
        ("wbraid", ClickKind::Wbraid),
    ];
    let mut found = None;
    for (name, kind) in kinds {
        let Some(text) = event["adIdentifiers"][name].as_str() else {
            continue;
        };
        let field = format!("{path}.ad_identifiers.{name}");
        if text.is_empty() || text.chars().any(char::is_whitespace) {
            faults.push(Fault::new(field, "INVALID_FORMAT", "Not a click identifier."));
        } else if found.is_some() {
            faults.push(Fault::new(
                field,
                "INVALID_EVENT",
                "Exactly one of gclid, gbraid and wbraid may be set.",
            ));
        } else {
            found = Some((kind, text.to_owned()));
        }
    }
    found
}
