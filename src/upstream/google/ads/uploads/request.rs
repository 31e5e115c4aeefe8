//! Uploads of the Google Ads API in JSON, written straight from the rows (docs/reference/google.md 4.2, 4.4).
//!
//! Optional members are left out, never null or empty. No `Debug` anywhere: click ids and hashes are in here.

use std::fmt::{self, Display};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::ids::{ActionKey, OrderId};
use crate::ports::sink::{ClickId, Conversion, UploadRequest, UserIdentifier};
use crate::upstream::google::ads::uploads::job::JobId;
use crate::upstream::google::data_manager::request::{Text, UploadPurpose};

/// Most user identifiers of one row (docs/reference/google.md 1.3).
const MAX_IDENTIFIERS: usize = 5;

/// The body of `uploadConversionAdjustments`, or nothing if a row points at no destination.
pub(crate) fn enhancements_body(request: &UploadRequest, purpose: UploadPurpose, job: JobId) -> Option<Vec<u8>> {
    let rows = map_rows(request, Enhancement::from_conversion)?;
    to_bytes(&EnhancementBody {
        conversion_adjustments: rows,
        partial_failure: true,
        job_id: job,
        validate_only: purpose == UploadPurpose::Judge,
    })
}

/// The body of `uploadClickConversions`, or nothing if a row points at no destination.
pub(crate) fn clicks_body(request: &UploadRequest, purpose: UploadPurpose, job: JobId) -> Option<Vec<u8>> {
    let rows = map_rows(request, Click::from_conversion)?;
    to_bytes(&ClickBody {
        conversions: rows,
        partial_failure: true,
        job_id: job,
        validate_only: purpose == UploadPurpose::Judge,
    })
}

fn map_rows<'a, T>(request: &'a UploadRequest, of: impl Fn(&'a Conversion, Action<'a>) -> T) -> Option<Vec<T>> {
    let row = |row: &'a Conversion| Some(of(row, Action(request.destinations.get(row.destination)?)));
    request.rows.iter().map(row).collect()
}

fn to_bytes(body: &impl Serialize) -> Option<Vec<u8>> {
    serde_json::to_vec(body).ok()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnhancementBody<'a> {
    conversion_adjustments: Vec<Enhancement<'a>>,
    partial_failure: bool,
    job_id: JobId,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    validate_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClickBody<'a> {
    conversions: Vec<Click<'a>>,
    partial_failure: bool,
    job_id: JobId,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    validate_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Enhancement<'a> {
    adjustment_type: &'static str,
    conversion_action: Text<Action<'a>>,
    order_id: Text<&'a OrderId>,
    gclid_date_time_pair: Pair<'a>,
    user_identifiers: Vec<Identifier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restatement_value: Option<Restatement<'a>>,
}

impl<'a> Enhancement<'a> {
    fn from_conversion(row: &'a Conversion, action: Action<'a>) -> Self {
        let gclid = match &row.click {
            Some(ClickId::Gclid(id)) => Some(id.as_str()),
            _ => None,
        };
        Self {
            adjustment_type: "ENHANCEMENT",
            conversion_action: Text(action),
            order_id: Text(&row.order),
            gclid_date_time_pair: Pair {
                gclid,
                conversion_date_time: Text(DateTime(row.at)),
            },
            user_identifiers: row
                .identifiers
                .iter()
                .map(Identifier::from_identifier)
                .take(MAX_IDENTIFIERS)
                .collect(),
            restatement_value: row.value.as_ref().map(|(value, currency)| Restatement {
                // By way of the decimal text: the nearest double to what was declared.
                adjusted_value: value.to_string().parse().unwrap_or_default(),
                currency_code: currency,
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pair<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    gclid: Option<&'a str>,
    conversion_date_time: Text<DateTime>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Restatement<'a> {
    adjusted_value: f64,
    currency_code: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Click<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    gclid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gbraid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wbraid: Option<&'a str>,
    conversion_action: Text<Action<'a>>,
    conversion_date_time: Text<DateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversion_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency_code: Option<&'a str>,
    order_id: Text<&'a OrderId>,
    conversion_environment: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    user_identifiers: Vec<Identifier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<Consent>,
}

impl<'a> Click<'a> {
    fn from_conversion(row: &'a Conversion, action: Action<'a>) -> Self {
        let (gclid, gbraid, wbraid) = match &row.click {
            Some(ClickId::Gclid(id)) => (Some(id.as_str()), None, None),
            Some(ClickId::Gbraid(id)) => (None, Some(id.as_str()), None),
            Some(ClickId::Wbraid(id)) => (None, None, Some(id.as_str())),
            None => (None, None, None),
        };
        // Click uploads take e-mail and phone only.
        let plain = |i: &&UserIdentifier| !matches!(i, UserIdentifier::Address { .. });
        Self {
            gclid,
            gbraid,
            wbraid,
            conversion_action: Text(action),
            conversion_date_time: Text(DateTime(row.at)),
            conversion_value: row.value.as_ref().and_then(|(value, _)| value.to_string().parse().ok()),
            currency_code: row.value.as_ref().map(|(_, currency)| currency.as_str()),
            order_id: Text(&row.order),
            conversion_environment: "WEB",
            user_identifiers: row
                .identifiers
                .iter()
                .filter(plain)
                .map(Identifier::from_identifier)
                .take(MAX_IDENTIFIERS)
                .collect(),
            consent: row.consent_granted.then_some(Consent {
                ad_user_data: "GRANTED",
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Consent {
    ad_user_data: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identifier<'a> {
    user_identifier_source: &'static str,
    #[serde(flatten)]
    of: Kind<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind<'a> {
    HashedEmail(&'a str),
    HashedPhoneNumber(&'a str),
    #[serde(rename_all = "camelCase")]
    AddressInfo {
        hashed_first_name: &'a str,
        hashed_last_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        hashed_street_address: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        city: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<&'a str>,
        postal_code: &'a str,
        country_code: &'a str,
    },
}

impl<'a> Identifier<'a> {
    fn from_identifier(identifier: &'a UserIdentifier) -> Self {
        let of = match identifier {
            UserIdentifier::Email(hash) => Kind::HashedEmail(hash),
            UserIdentifier::Phone(hash) => Kind::HashedPhoneNumber(hash),
            UserIdentifier::Address {
                given_name,
                family_name,
                region,
                postal_code,
                street,
                city,
                state,
            } => Kind::AddressInfo {
                hashed_first_name: given_name,
                hashed_last_name: family_name,
                hashed_street_address: street.as_deref(),
                city: city.as_deref(),
                state: state.as_deref(),
                postal_code,
                country_code: region,
            },
        };
        Self {
            user_identifier_source: "FIRST_PARTY",
            of,
        }
    }
}

/// The resource name of a conversion action.
struct Action<'a>(&'a ActionKey);

impl Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "customers/{}/conversionActions/{}", self.0.account.id, self.0.id)
    }
}

/// `yyyy-mm-dd hh:mm:ss+|-hh:mm`, in UTC.
struct DateTime(Timestamp);

impl Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%d %H:%M:%S+00:00"))
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
