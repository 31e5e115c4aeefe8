//! What of HubSpot and Google could not be read: every question is noted when it is
//! asked, and struck out once it is answered. What is left at the end makes a plan
//! incomplete, whatever the operator makes of it: it would keep what it knew, and wait.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::domain::brief::brief;
use crate::ports::{Cause, SecretData, UpstreamError};

/// Searches, which have another way if HubSpot refuses one.
pub(super) const SEARCH: &str = "contacts that changed";
/// What a token may lack the scope for; the events that need it stall then.
pub(super) const FORMS: &str = "forms";
pub(super) const DEALS: &str = "deals";

/// Which credentials a question was asked with. Accounts that share credentials share what could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CredentialsId(u64);

impl CredentialsId {
    /// Those of a Secret; `None`: those of whoever runs the command.
    pub(super) fn new(secret: Option<&SecretData>) -> Self {
        let mut hasher = DefaultHasher::new();
        for (name, value) in secret.into_iter().flatten() {
            (name, value.expose_secret()).hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnreadItem {
    /// `HubSpot` or `Google Ads`.
    pub(super) service: &'static str,
    /// What of it.
    pub(super) what: String,
    /// Why not.
    pub(super) message: String,
    /// Nobody is refused anything: it may be read later.
    #[serde(skip)]
    pub(super) may_pass: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ReadQuestion {
    by: CredentialsId,
    service: &'static str,
    what: &'static str,
    /// List or object, and the place in it.
    about: (String, String),
}

/// Unanswered questions: why, or nothing as long as they are waited for.
type OpenQuestions = BTreeMap<ReadQuestion, Option<UpstreamError>>;

/// The questions of one plan. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct ReadLog(Arc<Mutex<OpenQuestions>>);

impl ReadLog {
    /// Notes the questions that are asked of a service with these credentials.
    pub(super) fn reader(&self, service: &'static str, by: CredentialsId) -> QuestionReader {
        let log = self.clone();
        QuestionReader { log, service, by }
    }

    /// What could not be read with these credentials; each thing once.
    pub(super) fn unread(&self, service: &str, by: CredentialsId) -> Vec<UnreadItem> {
        let open = self.0.lock();
        let mut found: BTreeMap<&str, UnreadItem> = BTreeMap::new();
        for (question, error) in open.iter().filter(|(q, _)| q.by == by && q.service == service) {
            let unread = || UnreadItem {
                service: question.service,
                what: question.what.to_owned(),
                message: error.as_ref().map_or_else(
                    || "no answer came in time".to_owned(),
                    |error| brief(error.without_request_id()),
                ),
                may_pass: error.as_ref().is_none_or(|error| !error.needs_a_person()),
            };
            found.entry(question.what).or_insert_with(unread);
        }
        found.into_values().collect()
    }
}

/// Asks with one account's credentials.
#[derive(Clone)]
pub(super) struct QuestionReader {
    log: ReadLog,
    service: &'static str,
    by: CredentialsId,
}

impl QuestionReader {
    /// Waits for the answer to one question.
    ///
    /// # Errors
    /// Those of the call.
    pub(super) async fn ask<T>(
        &self,
        what: &'static str,
        about: impl ToString,
        call: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        self.ask_all(what, [(String::new(), about.to_string())], call).await
    }

    /// Waits for the answer to several questions at once: one that is asked alone later is answered then.
    ///
    /// # Errors
    /// Those of the call.
    pub(super) async fn ask_all<T>(
        &self,
        what: &'static str,
        about: impl IntoIterator<Item = (String, String)>,
        call: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let question = |about| ReadQuestion {
            by: self.by,
            service: self.service,
            what,
            about,
        };
        let asked: Vec<_> = about.into_iter().map(question).collect();
        let put = |error: &Option<UpstreamError>| {
            let mut open = self.log.0.lock();
            open.extend(asked.iter().map(|question| (question.clone(), error.clone())));
        };
        put(&None);
        // A call that is given up on stays asked.
        let answer = call.await;
        match &answer {
            Err(error) if !is_decision(what, error.cause) => put(&Some(error.clone())),
            _ => {
                let mut open = self.log.0.lock();
                for question in &asked {
                    open.remove(question);
                }
            }
        }
        answer
    }

    /// A list has been read to its end: whatever page of it failed before was read by other pages.
    pub(super) fn list_ended(&self, what: &str, list: &str) {
        let of_list = |q: &ReadQuestion| q.by == self.by && q.what == what && q.about.0 == list;
        self.log.0.lock().retain(|question, _| !of_list(question));
    }
}

/// True if the operator decides by the refusal.
fn is_decision(what: &str, cause: Cause) -> bool {
    match cause {
        Cause::Refused => what == SEARCH,
        Cause::MissingScope | Cause::AccessDenied => [FORMS, DEALS].contains(&what),
        _ => false,
    }
}

#[cfg(test)]
#[path = "reads_tests.rs"]
mod tests;
