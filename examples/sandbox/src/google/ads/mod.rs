//! The Google Ads API, v26: what stands before every call, and the calls.

pub mod accounts;
pub mod action;
pub mod adjustments;
pub mod catalog;
pub mod clicks;
pub mod failure;
pub mod fields;
pub mod gaql;
pub mod gaql_check;
pub mod goals;
pub mod mutate;
pub mod names;
pub mod report;
pub mod search;
pub mod upload;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::auth::{ADWORDS, Principal, Unusable};
use super::encoding::is_customer_id;
use super::reply::{self, Refusal};
use super::schema::{self, Message};
use super::state::Google;
use super::with_google;
use crate::world::Shared;
use failure::{AdsError, refusal};

/// The version that is served.
const VERSION: &str = "v26";
const SERVICE: &str = "googleads.googleapis.com";

/// A call that has passed authentication, with what its handler needs.
pub struct Call<'a> {
    /// Google's state.
    pub google: &'a mut Google,
    /// The present.
    pub now: Timestamp,
    /// Id of the request.
    pub request_id: &'a str,
    /// Who calls.
    pub principal: &'a Principal,
    /// Account in the path.
    pub customer: &'a str,
    /// Request body.
    pub body: &'a [u8],
}

/// Why a call was refused.
pub enum Denial {
    /// Errors of the Google Ads API.
    Errors(Vec<AdsError>),
    /// An answer of the front end.
    Front(Refusal),
}

impl From<AdsError> for Denial {
    fn from(error: AdsError) -> Self {
        Self::Errors(vec![error])
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Self::Front(refusal)
    }
}

impl Call<'_> {
    /// Reads the body strictly.
    pub fn parse(&self, message: &Message) -> Result<Value, Denial> {
        schema::parse(self.body, message).map_err(|violations| Denial::Front(reply::malformed(&violations)))
    }

    /// Counts operations against the project's day.
    pub fn book(&mut self, cost: usize) -> Result<(), Denial> {
        let test = self
            .google
            .accounts
            .get(self.customer)
            .is_some_and(|account| account.test_account);
        book(self.google, self.principal, test, self.now, cost)
    }
}

fn book(google: &mut Google, principal: &Principal, test: bool, now: Timestamp, cost: usize) -> Result<(), Denial> {
    google
        .book_operations(&principal.project, test, now, cost as u64)
        .map_err(|wait: SignedDuration| {
            let error = AdsError::new("quotaError", "RESOURCE_EXHAUSTED", "Too many requests. Retry later.");
            error.retry_after(wait.as_secs().max(1)).into()
        })
}

fn finish(answer: Result<Value, Denial>, request_id: &str) -> Response {
    let mut response = match answer {
        Ok(body) => Json(body).into_response(),
        Err(Denial::Errors(errors)) => refusal(&errors, request_id).into_response(),
        Err(Denial::Front(refusal)) => refusal.into_response(),
    };
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response
            .headers_mut()
            .insert(HeaderName::from_static("request-id"), value);
    }
    response
}

/// Authentication, scope and the API's own switch.
fn admit(google: &Google, headers: &HeaderMap, now: Timestamp) -> Result<Principal, Denial> {
    let principal = google.credentials.principal(headers, now).map_err(|why| {
        let name = match why {
            Unusable::Missing => "AUTHENTICATION_ERROR",
            Unusable::Invalid => "OAUTH_TOKEN_INVALID",
            Unusable::Expired => "OAUTH_TOKEN_EXPIRED",
            Unusable::Revoked => "OAUTH_TOKEN_REVOKED",
        };
        AdsError::new("authenticationError", name, "Authentication of the request failed.")
    })?;
    if google.settings.google_ads_disabled {
        return Err(reply::service_disabled(SERVICE, "Google Ads API", &principal.project).into());
    }
    if !principal.scopes.contains(ADWORDS) {
        return Err(reply::scope_insufficient(SERVICE).into());
    }
    Ok(principal)
}

/// The manager named by `login-customer-id`, if any.
fn login_customer(headers: &HeaderMap) -> Result<Option<String>, Denial> {
    let Some(value) = headers.get("login-customer-id") else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(text) if is_customer_id(text) => Ok(Some(text.to_owned())),
        _ => Err(AdsError::new(
            "headerError",
            "INVALID_LOGIN_CUSTOMER_ID",
            "The login customer ID is not ten digits.",
        )
        .into()),
    }
}

/// Whether the caller may use the account, and the account may be used.
fn authorize(google: &Google, principal: &Principal, login: Option<&str>, customer: &str) -> Result<(), Denial> {
    if !is_customer_id(customer) {
        let error = AdsError::new(
            "requestError",
            "INVALID_CUSTOMER_ID",
            format!("Invalid customer ID '{customer}'."),
        );
        return Err(error.into());
    }
    if !google.can_reach(&principal.identity, login, customer) {
        let message = "User doesn't have permission to access customer. Note: If you're accessing a client customer, the \
                       manager's customer id must be set in the 'login-customer-id' header.";
        return Err(AdsError::new("authorizationError", "USER_PERMISSION_DENIED", message).into());
    }
    let Some(account) = google.accounts.get(customer) else {
        return Ok(());
    };
    if account.status != "ENABLED" {
        let message = "The customer account can't be accessed because it is not yet enabled or has been deactivated.";
        return Err(AdsError::new("authorizationError", "CUSTOMER_NOT_ENABLED", message).into());
    }
    if let Some((key, name)) = account.refuse_with.as_deref().and_then(|text| text.split_once('.')) {
        let key = super::admin::ARMABLE_KEYS
            .iter()
            .find(|known| **known == key)
            .copied()
            .unwrap_or("authorizationError");
        return Err(AdsError::new(key, name, "The account refuses this call.").into());
    }
    Ok(())
}

/// `GET /v26/customers:listAccessibleCustomers`.
pub async fn list_accessible(
    State(shared): State<Shared>,
    Path(version): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if version != VERSION || method != Method::GET {
        return reply::not_found();
    }
    with_google(&shared, |google, now| {
        let request_id = google.fresh_id();
        let answer = admit(google, &headers, now).and_then(|principal| {
            reply::query(uri.query(), &[])?;
            book(google, &principal, false, now, 1)?;
            let names: Vec<String> = google
                .accounts
                .keys()
                .filter(|id| google.is_user(&principal.identity, id))
                .map(|id| format!("customers/{id}"))
                .collect();
            Ok(if names.is_empty() {
                json!({})
            } else {
                json!({"resourceNames": names})
            })
        });
        finish(answer, &request_id)
    })
}

type Handler = fn(&mut Call<'_>) -> Result<Value, Denial>;

fn handler_of(rest: &str) -> Option<(&str, Handler)> {
    let (customer, call): (&str, Handler) = if let Some((customer, tail)) = rest.split_once('/') {
        let handler: Handler = match tail {
            "googleAds:search" => search::search,
            "googleAds:searchStream" => search::stream,
            "conversionActions:mutate" => mutate::mutate,
            "customerConversionGoals:mutate" => goals::mutate,
            _ => return None,
        };
        (customer, handler)
    } else {
        let (customer, call) = rest.split_once(':')?;
        let handler: Handler = match call {
            "uploadClickConversions" => clicks::upload,
            "uploadConversionAdjustments" => adjustments::upload,
            _ => return None,
        };
        (customer, handler)
    };
    Some((customer, call))
}

/// Every call under `/{version}/customers/`.
pub async fn handle(
    State(shared): State<Shared>,
    Path((version, rest)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if version != VERSION || method != Method::POST {
        return reply::not_found();
    }
    let Some((customer, run)) = handler_of(&rest) else {
        return reply::not_found();
    };
    with_google(&shared, |google, now| {
        let request_id = google.fresh_id();
        let answer = admit(google, &headers, now).and_then(|principal| {
            let login = login_customer(&headers)?;
            authorize(google, &principal, login.as_deref(), customer)?;
            reply::query(uri.query(), &[])?;
            reply::require_json(&headers)?;
            run(&mut Call {
                google,
                now,
                request_id: &request_id,
                principal: &principal,
                customer,
                body: &body,
            })
        });
        finish(answer, &request_id)
    })
}
