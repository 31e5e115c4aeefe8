//! Finds out whether a refusal of the token is really about the token. HubSpot may refuse a call because of a single
//! record, form or submission, with the error that it has for a token which is invalid or lacks a scope. Then it still
//! answers the same call if that asks for nobody.

use std::time::{Duration, Instant};

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::client::{Call, HubSpot};
use super::errors::ErrorBody;
use super::limits::Bucket;
use super::token_portal::TokenPurpose;
use super::wire::Results;
use crate::domain::ids::ContactId;
use crate::ports::{Cause, UpstreamError};
use crate::upstream::http::body::AnswerLimit;
use crate::upstream::http::text::bounded_message;

/// How long an answered call for nobody counts, so that not each of many refusals costs another call.
const VERDICT: Duration = Duration::from_secs(5);

/// True if HubSpot itself says that the token is not good for the call of this name. A batch that it denies, or of
/// which it finds nothing, is cut down in any case; a search can't be.
fn blames_token(error: &UpstreamError, name: &str) -> bool {
    let blames = match error.cause {
        Cause::CredentialsRejected | Cause::MissingScope => true,
        Cause::AccessDenied | Cause::NotFound => name == "search",
        _ => false,
    };
    blames && error.is_coded_answer()
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

/// The result of the same call for nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ForNobody {
    /// It is answered: the token is good for such calls.
    Answered,
    /// It is refused too, by HubSpot itself: the reason is nothing that the first call asked for.
    Refused,
    /// It has no answer that proves anything (a limit, a failure that may pass, a web page, no token), and why.
    Open(String),
}

/// What a failed call for nobody of this name proves.
fn judge_failure(error: &UpstreamError, name: &str) -> ForNobody {
    let is_hubspots = error.is_coded_answer();
    match error.cause {
        // "No such record" is an answer, and so is "no record can have such an id".
        Cause::Refused if is_hubspots => ForNobody::Answered,
        Cause::NotFound if is_hubspots && name != "search" => ForNobody::Answered,
        Cause::CredentialsRejected | Cause::MissingScope | Cause::AccessDenied | Cause::NotFound if is_hubspots => {
            ForNobody::Refused
        }
        _ => ForNobody::Open(error.without_request_id()),
    }
}

/// What the rows of an answer for nobody prove.
fn judge_rows(rows: &Results<IgnoredAny>) -> ForNobody {
    let errors: Vec<ErrorBody> = rows.item_errors().iter().map(ErrorBody::from_value).collect();
    if errors.iter().any(ErrorBody::blames_token) {
        ForNobody::Refused
    } else if errors.iter().any(ErrorBody::concerns_the_call) {
        ForNobody::Open("a limit was met".to_owned())
    } else {
        ForNobody::Answered
    }
}

impl HubSpot {
    /// The error of a failed call of this name. If HubSpot blames the token, the same call is made for nobody right
    /// after it, and only if that is refused too, the error is about the token. If it is answered, a part of the call
    /// may be the reason; without an answer the question stays open, and the next failure asks again. Both of these
    /// errors may pass.
    pub(crate) async fn weigh_refusal(
        &self,
        error: UpstreamError,
        (name, bucket): (&'static str, Bucket),
    ) -> UpstreamError {
        if !blames_token(&error, name) {
            return error;
        }
        let Some(call) = call_for_nobody(name, self.api_version()) else {
            return error;
        };
        let is_recent = |at: &Instant| at.elapsed() < VERDICT;
        let known = self.answered_for_nobody.lock().get(name).is_some_and(is_recent);
        let verdict = if known {
            ForNobody::Answered
        } else {
            // Boxed, since it is rare and its future is large.
            Box::pin(self.ask_for_nobody((name, bucket), call)).await
        };
        let remark = match verdict {
            ForNobody::Refused => return error,
            ForNobody::Answered if known => "is answered".to_owned(),
            ForNobody::Answered => {
                self.answered_for_nobody.lock().insert(name, Instant::now());
                "is answered".to_owned()
            }
            ForNobody::Open(why) => format!("has no answer, so it is not known whether the token is meant ({why})"),
        };
        UpstreamError {
            cause: Cause::Unavailable,
            message: bounded_message(format!("{}; the same call for nobody {remark}", error.message)),
            ..error
        }
    }

    async fn ask_for_nobody(
        &self,
        (name, bucket): (&'static str, Bucket),
        (path, body): (String, Option<Value>),
    ) -> ForNobody {
        let body = body.map(|body| body.to_string());
        let call = Call {
            name,
            bucket,
            limit: AnswerLimit::RECORDS,
            path,
            body: body.as_deref(),
        };
        let token = match self.auth.current_token(&self.transport, TokenPurpose::Read).await {
            Ok(token) => token,
            Err(error) => return ForNobody::Open(error.without_request_id()),
        };
        let rows: Result<Results<IgnoredAny>, _> = match self.send_with(&token, &call, 0).await {
            Ok(answer) => answer.parse_rows(),
            Err(error) => return judge_failure(&error, name),
        };
        match rows {
            Ok(rows) => judge_rows(&rows),
            Err(error) => ForNobody::Open(error.without_request_id()),
        }
    }
}
