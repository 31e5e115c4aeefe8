//! Whether a refusal of the token is one. HubSpot may refuse a call for a single record, form or submission that it asks for, in
//! the words that it has for a token which is no good or lacks a scope. Then it answers the same call for nobody.

use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::client::{Call, HubSpot};
use super::errors::ErrorBody;
use super::limits::Bucket;
use super::token_portal::Purpose;
use super::wire::Results;
use crate::domain::ids::ContactId;
use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::body::Limit;

/// For so long an answer for nobody counts: where many are refused, not each costs another call.
const VERDICT: Duration = Duration::from_secs(5);

/// True where HubSpot itself says that the token is no good for the call of this name. A batch that it denies, or of which it
/// finds nothing, is cut down in any case; a search can't be.
fn blames_token(error: &UpstreamError, name: &str) -> bool {
    let blames = match error.cause {
        Cause::CredentialsRejected | Cause::MissingScope => true,
        Cause::AccessDenied | Cause::NotFound => name == "search",
        _ => false,
    };
    blames && error.code.is_some() && error.status.is_some()
}

/// The call of this name that needs the same scopes and asks for nobody: its path and body. `None`: there is none.
fn call_for_nobody(name: &str, version: &str) -> Option<(String, Option<Value>)> {
    let id = ContactId::NOBODY.to_string();
    let inputs = json!([{ "id": id }]);
    let of_records = |property| json!({ "properties": [property], "propertiesWithHistory": [], "inputs": inputs });
    match name {
        "read" => {
            let path = format!("/crm/objects/{version}/contacts/batch/read");
            Some((path, Some(of_records("lifecyclestage"))))
        }
        "deals" => Some((
            format!("/crm/objects/{version}/deals/batch/read"),
            Some(of_records("amount")),
        )),
        "associations" => Some((
            format!("/crm/associations/{version}/contacts/deals/batch/read"),
            Some(json!({ "inputs": inputs })),
        )),
        "search" => {
            let filter = |operator| json!({ "propertyName": "hs_object_id", "operator": operator, "value": id });
            let none = json!({ "filters": [filter("GT"), filter("LTE")] });
            let body = json!({ "filterGroups": [none], "sorts": [], "properties": [], "limit": 1, "after": "0" });
            Some((format!("/crm/objects/{version}/contacts/search"), Some(body)))
        }
        "submissions" => Some(("/marketing/v3/forms?limit=1&archived=false".to_owned(), None)),
        _ => None,
    }
}

impl HubSpot {
    /// The failure of a call of this name. Where HubSpot blames the token and answers the same call for nobody right after it, it
    /// is one that may pass, and that a part of the call may be the reason of.
    pub(crate) async fn weigh_refusal(
        &self,
        error: UpstreamError,
        (name, bucket): (&'static str, Bucket),
    ) -> UpstreamError {
        if !blames_token(&error, name) {
            return error;
        }
        let is_recent = |at: &Instant| at.elapsed() < VERDICT;
        let known = self.answered_for_nobody.lock().get(name).is_some_and(is_recent);
        if !known {
            // Seldom, and large.
            if !Box::pin(self.is_answered(name, bucket)).await {
                return error;
            }
            self.answered_for_nobody.lock().insert(name, Instant::now());
        }
        UpstreamError {
            cause: Cause::Unavailable,
            message: format!("{}; the same call for nobody is answered", error.message),
            ..error
        }
    }

    async fn is_answered(&self, name: &'static str, bucket: Bucket) -> bool {
        let Some((path, body)) = call_for_nobody(name, self.api_version()) else {
            return false;
        };
        let body = body.map(|body| body.to_string());
        let call = Call {
            name,
            bucket,
            limit: Limit::RECORDS,
            path,
            body: body.as_deref(),
        };
        let Ok(token) = self.auth.current_token(&self.transport, Purpose::Read).await else {
            return false;
        };
        // That there is no such record is an answer, and so is that none can have such an id.
        let answer = match self.send_with(&token, &call, 0).await {
            Ok(answer) => answer,
            Err(error) => return error.code.is_some() && error.cause == Cause::Refused,
        };
        let rows: Result<Results<IgnoredAny>, _> = answer.parse_rows();
        rows.is_ok_and(|rows| {
            let mut errors = rows.item_errors().iter().map(ErrorBody::from_value);
            !errors.any(|error| error.blames_token())
        })
    }
}
