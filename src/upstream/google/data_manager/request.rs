//! An ingest request of the Data Manager API in JSON, written
//! straight from the rows (docs/reference/google.md 6.2, 6.3).
//!
//! Optional members are left out, never null or empty. No `Debug` anywhere: click ids and hashes are in here.

use std::fmt::{self, Display};

use jiff::Timestamp;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::domain::ids::{ActionKey, CustomerId, OrderId};
use crate::ports::CallKind;
use crate::ports::sink::{ClickId, Conversion, UploadRequest, UserIdentifier};

/// Why rows are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadPurpose {
    /// To be counted.
    Count,
    /// To be validated only: nothing is stored (`validateOnly`).
    Judge,
}

impl UploadPurpose {
    /// A request that is only validated changes nothing.
    pub(crate) const fn call_kind(self) -> CallKind {
        match self {
            Self::Count => CallKind::Changes,
            Self::Judge => CallKind::Reads,
        }
    }
}

/// The body of an ingest by way of this manager; `None` if a row points at no destination.
pub fn ingest_body(request: &UploadRequest, login: Option<&CustomerId>, purpose: UploadPurpose) -> Option<Vec<u8>> {
    if request
        .rows
        .iter()
        .any(|row| row.destination >= request.destinations.len())
    {
        return None;
    }
    let has_user_data = request.rows.iter().any(|row| !row.identifiers.is_empty());
    let body = Body {
        destinations: Destinations {
            actions: &request.destinations,
            login,
        },
        encoding: has_user_data.then_some("HEX"),
        validate_only: purpose == UploadPurpose::Judge,
        events: Events(&request.rows),
    };
    // About 400 bytes a row, so that the buffer seldom grows.
    let mut bytes = Vec::with_capacity(512 + request.rows.len() * 400);
    serde_json::to_writer(&mut bytes, &body).ok()?;
    Some(bytes)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    destinations: Destinations<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    validate_only: bool,
    events: Events<'a>,
}

struct Destinations<'a> {
    actions: &'a [ActionKey],
    login: Option<&'a CustomerId>,
}

impl<'a> Serialize for Destinations<'a> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let login = self.login.map(|login| AccountReference(login.as_str()));
        let wire = |(index, destination): (usize, &'a ActionKey)| DestinationWire {
            reference: Text(Reference(index)),
            operating_account: AccountReference(&destination.account.id),
            login_account: login,
            product_destination_id: &destination.id,
        };
        serializer.collect_seq(self.actions.iter().enumerate().map(wire))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DestinationWire<'a> {
    reference: Text<Reference>,
    operating_account: AccountReference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_account: Option<AccountReference<'a>>,
    product_destination_id: &'a str,
}

/// A Google Ads account.
#[derive(Clone, Copy)]
struct AccountReference<'a>(&'a str);

impl Serialize for AccountReference<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("accountType", "GOOGLE_ADS")?;
        map.serialize_entry("accountId", self.0)?;
        map.end()
    }
}

struct Events<'a>(&'a [Conversion]);

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Row::from_conversion))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    destination_references: [Text<Reference>; 1],
    transaction_id: Text<&'a OrderId>,
    event_timestamp: Text<Rfc3339>,
    event_source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversion_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ad_identifiers: Option<AdIdentifiers<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<UserData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Consent>,
}

impl<'a> Row<'a> {
    fn from_conversion(row: &'a Conversion) -> Self {
        Self {
            destination_references: [Text(Reference(row.destination))],
            transaction_id: Text(&row.order),
            event_timestamp: Text(Rfc3339(row.at)),
            event_source: "WEB",
            currency: row.value.as_ref().map(|(_, currency)| currency.as_str()),
            // By way of the decimal text, which gives the nearest double to the declared amount.
            conversion_value: row.value.as_ref().and_then(|(value, _)| value.to_string().parse().ok()),
            ad_identifiers: row.click.as_ref().map(AdIdentifiers),
            user_data: (!row.identifiers.is_empty()).then(|| UserData {
                user_identifiers: Identifiers(&row.identifiers),
            }),
            consent: row.consent_granted.then_some(Consent {
                ad_user_data: "CONSENT_GRANTED",
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Consent {
    ad_user_data: &'static str,
}

/// Exactly one click id.
struct AdIdentifiers<'a>(&'a ClickId);

impl Serialize for AdIdentifiers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (name, id) = match self.0 {
            ClickId::Gclid(id) => ("gclid", id),
            ClickId::Gbraid(id) => ("gbraid", id),
            ClickId::Wbraid(id) => ("wbraid", id),
        };
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(name, id)?;
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserData<'a> {
    user_identifiers: Identifiers<'a>,
}

struct Identifiers<'a>(&'a [UserIdentifier]);

impl Serialize for Identifiers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for identifier in self.0 {
            list.serialize_element(&IdentifierWire::from_identifier(identifier))?;
        }
        list.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum IdentifierWire<'a> {
    EmailAddress(&'a str),
    PhoneNumber(&'a str),
    #[serde(rename_all = "camelCase")]
    Address {
        given_name: &'a str,
        family_name: &'a str,
        region_code: &'a str,
        postal_code: &'a str,
    },
}

impl<'a> IdentifierWire<'a> {
    fn from_identifier(identifier: &'a UserIdentifier) -> Self {
        match identifier {
            UserIdentifier::Email(hash) => Self::EmailAddress(hash),
            UserIdentifier::Phone(hash) => Self::PhoneNumber(hash),
            UserIdentifier::Address {
                given_name,
                family_name,
                region,
                postal_code,
                street: _,
                city: _,
                state: _,
            } => Self::Address {
                given_name,
                family_name,
                region_code: region,
                postal_code,
            },
        }
    }
}

/// How rows name a destination of the request.
struct Reference(usize);

impl Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

/// UTC with milliseconds, as HubSpot keeps them.
struct Rfc3339(Timestamp);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

/// Anything with `Display` as a JSON string, without a copy.
pub(crate) struct Text<T: Display>(pub(crate) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
