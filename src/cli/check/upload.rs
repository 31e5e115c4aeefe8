//! One upload that is only judged by Google: it proves the way to
//! it, from the token to the conversion action, and counts nothing.

use jiff::Timestamp;

use super::report::Probe;
use crate::api::reasons::reason;
use crate::cli::offline::NotDone;
use crate::controller::shared::account::fault::{CredentialUse, account_fault};
use crate::domain::action::{ENABLED, WEBPAGE};
use crate::domain::batch::Complaint;
use crate::domain::codes::{Class, Code, Matter};
use crate::domain::delivering::refused_message;
use crate::domain::ids::{ActionId, ActionKey};
use crate::domain::trigger::TriggerKind;
use crate::ports::sink::{DummyIdentity, IngestError, UploadRequest};
use crate::registry::GoogleAccount;

const UPLOAD: &str = "upload";

/// Where a validated upload goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Destination {
    action: ActionKey,
    /// It is the event's own action.
    own: bool,
}

/// What decides about an upload that is only validated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TestUpload {
    /// Decides the route that it goes by.
    pub(super) trigger_kind: TriggerKind,
    /// Google's type of the actions that take it.
    pub(super) action_kind: &'static str,
    /// The event's own action, if it exists.
    pub(super) action: Option<ActionId>,
}

/// Has Google validate one dummy conversion, which is never counted.
pub(super) async fn check_upload(
    account: &GoogleAccount,
    secret: Option<&str>,
    upload: TestUpload,
    now: Timestamp,
) -> Probe {
    let TestUpload {
        trigger_kind,
        action_kind,
        action,
    } = upload;
    let (Some(routes), Some(destination)) = (account.for_loops().routes, destination(account, action_kind, action))
    else {
        return Probe::skipped(
            UPLOAD,
            format!(
                "Not tried, because the account has no conversion action yet that {}.",
                purpose_of(action_kind)
            ),
        );
    };
    let route = routes.route_for(trigger_kind);
    let by = DummyIdentity::for_trigger(trigger_kind);
    let dummy = UploadRequest::dummy(destination.action.clone(), by, now);
    let answer = route.validate_request(&dummy).await;
    let service = account.service_name(trigger_kind);
    judge(answer, &destination, service, secret, trigger_kind)
}

/// The event's own action, else any other that takes such uploads: nothing is counted there.
fn destination(account: &GoogleAccount, kind: &str, action: Option<ActionId>) -> Option<Destination> {
    let snapshot = account.snapshot.as_ref()?;
    let usable = |id: &ActionId| {
        let found = snapshot.actions.iter().find(|known| known.id == *id);
        found.is_some_and(|known| known.status == ENABLED)
    };
    let own = action.filter(usable);
    let any = || {
        let mut others = snapshot.actions.iter();
        let takes = others.find(|a| a.status == ENABLED && a.kind == kind && !a.attributes_externally());
        takes.map(|action| action.id)
    };
    Some(Destination {
        action: snapshot.customer.conversion_customer.action_key(own.or_else(any)?),
        own: own.is_some(),
    })
}

fn judge(
    answer: Result<Vec<Complaint>, IngestError>,
    destination: &Destination,
    service: &str,
    secret: Option<&str>,
    trigger_kind: TriggerKind,
) -> Probe {
    let (codes, error) = match answer {
        Ok(complaints) => (codes_of(complaints, None), None),
        Err(IngestError {
            error,
            code,
            complaints,
        }) => (codes_of(complaints, code), Some(error)),
    };
    // What Google says of the action that only stands in is not the event's matter.
    let concerns = |found: &(&Code, Matter)| destination.own || found.1 != Matter::Action;
    if let Some((code, matter)) = codes.iter().filter_map(blocked).find(concerns) {
        return Probe::finding(UPLOAD, reason_of(matter), refused_message(code, trigger_kind));
    }
    match error {
        // What is wrong with the dummy conversion itself does not matter.
        Some(error) if codes.is_empty() || error.is_transient() || error.needs_a_person() => {
            let fault = account_fault(&error, CredentialUse { secret, proven: true });
            if error.is_transient() {
                Probe::not_done(UPLOAD, &NotDone::of_fault(&fault))
            } else {
                Probe::finding(UPLOAD, &fault.reason, &fault.message)
            }
        }
        _ => {
            let to = if destination.own {
                format!("conversion action {}", destination.action.id)
            } else {
                format!(
                    "the account (tried with its conversion action {})",
                    destination.action.id
                )
            };
            Probe::fine(
                UPLOAD,
                format!("{service} takes conversions for {to}: one was validated only, and counts nothing."),
            )
        }
    }
}

fn codes_of(complaints: Vec<Complaint>, code: Option<Code>) -> Vec<Code> {
    let of_rows = complaints.into_iter().filter_map(|complaint| complaint.code);
    code.into_iter()
        .chain(of_rows)
        .filter(|code| code.class != Class::SaysNothing)
        .collect()
}

const fn blocked(code: &Code) -> Option<(&Code, Matter)> {
    match code.class {
        Class::Blocked(matter) => Some((code, matter)),
        _ => None,
    }
}

const fn reason_of(matter: Matter) -> &'static str {
    match matter {
        Matter::Account => reason::ACCESS_DENIED,
        Matter::NotAllowlisted => reason::NOT_ALLOWLISTED,
        Matter::Terms => reason::TERMS_NOT_ACCEPTED,
        Matter::Enhancements | Matter::Action => reason::REFUSED,
    }
}

/// What a conversion action of this type is for.
fn purpose_of(kind: &str) -> &'static str {
    if kind == WEBPAGE {
        "measures a website, as events of forms need"
    } else {
        "imports clicks, as events of lifecycle stages need"
    }
}

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
