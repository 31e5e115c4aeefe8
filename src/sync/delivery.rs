//! What the fates of an event's rows in one answer say about its delivery, and how that is reported: the outcome of a
//! single row is no failure of the event's; an answer in which nothing of the event was taken is.

use jiff::Timestamp;

use super::context::SyncContext;
use super::ports::{Cause, UpstreamError};
use super::registry::{ErrorNote, Notice, RefusedAt};
use crate::api::UploadApi;
use crate::domain::batch::Fate;
use crate::domain::codes::{Class, Code, Matter, camel_case};
use crate::domain::delivering::refused_message;
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::reason;

/// What one answer says of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The way to the conversion action is open: Google took rows, or refused them for reasons of their own.
    Open,
    /// Google takes nothing for this action or account; a person must act.
    Refused(Code),
    /// Google could not take anything just now: a pending reason, the verbatim code.
    Failed(&'static str, String),
}

impl Delivery {
    /// From the fates of all rows of the event in an answer; `None` where there are none.
    pub fn of<'a>(fates: impl IntoIterator<Item = &'a Fate>) -> Option<Self> {
        let mut found = None;
        for fate in fates {
            let next = match fate {
                Fate::Blocked(code) => Self::Refused(code.clone()),
                Fate::Wait(why @ (reason::QUOTA_EXHAUSTED | reason::UPSTREAM_UNAVAILABLE), code) => {
                    Self::Failed(why, code.clone())
                }
                Fate::Wait(..) | Fate::Uploaded | Fate::Rejected(..) | Fate::Unknown(_) => return Some(Self::Open),
            };
            // A refusal says more than a failure.
            if found.is_none() || matches!((&found, &next), (Some(Self::Failed(..)), Self::Refused(_))) {
                found = Some(next);
            }
        }
        found
    }
}

/// Reports what an answer of one of Google's interfaces said of an event.
pub fn report(
    ctx: &SyncContext,
    event: &ObjectKey,
    (at, via): (RefusedAt, UploadApi),
    delivery: &Delivery,
    now: Timestamp,
) {
    // What was sent before `spec.uploads` changed says nothing of the way that rows take now.
    let of_today = takes(ctx, event) == Some(via);
    let form = ctx.registry.event(event).is_some_and(|event| event.rules.form);
    let mut news = false;
    ctx.registry.update_report(event, |report| {
        let flips = match delivery {
            Delivery::Open => {
                let sent = at == RefusedAt::Upload && report.upload.succeeded(now);
                of_today && report.note_taken(at, via) || sent
            }
            Delivery::Refused(code) => {
                report.push_error(refused_note(code, form, now));
                news = of_today && report.note_refused(at, via, code, now);
                news
            }
            Delivery::Failed(why, code) => {
                let note = failed_note(why, code, now);
                report.push_error(note.clone());
                report.upload.failed(note)
            }
        };
        Notice::Soon.or_now(flips)
    });
    // Terms may have been withdrawn or the action removed: what is known of them is read again, once.
    if let (true, Some(event)) = (news, ctx.registry.event(event)) {
        ctx.registry.google_refused(&event.google);
    }
}

/// The interface that takes the event's uploads; `None` where event or account are not known.
fn takes(ctx: &SyncContext, event: &ObjectKey) -> Option<UploadApi> {
    let event = ctx.registry.event(event)?;
    let google = ctx.registry.google(&event.google)?;
    Some(google.uploads.of(event.rules.form))
}

fn refused_note(code: &Code, form: bool, now: Timestamp) -> ErrorNote {
    ErrorNote {
        time: now,
        reason: camel_case(&code.name),
        message: refused_message(code, form),
        contact: None,
    }
}

fn failed_note(why: &str, code: &str, now: Timestamp) -> ErrorNote {
    let reason = match why {
        reason::QUOTA_EXHAUSTED => crate::api::reasons::reason::RATE_LIMITED,
        _ => crate::api::reasons::reason::UPSTREAM_UNAVAILABLE,
    };
    ErrorNote {
        time: now,
        reason: reason.to_owned(),
        message: format!("Google could not take the conversions and asks to send them again: {code}."),
        contact: None,
    }
}

/// The refusal as an error of the account, where it is one of the whole account.
pub fn account_error(code: &Code, service: &'static str) -> Option<UpstreamError> {
    let cause = match code.class {
        Class::Blocked(Matter::NotAllowlisted) => Cause::NotAllowlisted,
        Class::Blocked(Matter::Account) => Cause::AccessDenied,
        _ => return None,
    };
    let what = match cause {
        Cause::NotAllowlisted => "no conversion of this account is taken this way",
        _ => "no conversion of this account is taken",
    };
    Some(UpstreamError {
        code: Some(code.name.clone()),
        ..UpstreamError::new(service, cause, format!("{}: {what}", code.name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(name: &str) -> Fate {
        Fate::Blocked(Code {
            name: name.to_owned(),
            class: Class::Blocked(Matter::Account),
        })
    }

    #[test]
    fn one_row_that_google_looked_at_shows_that_the_way_is_open() {
        let wait = |why| Fate::Wait(why, "CODE".to_owned());
        let open = [
            Fate::Uploaded,
            Fate::Unknown(0),
            Fate::Rejected("InvalidGclid".into(), "INVALID_GCLID".into()),
            wait(reason::CLICK_TOO_RECENT),
            wait(reason::ACTION_TOO_NEW),
            wait(reason::AWAITING_WEB_CONVERSION),
        ];
        for fate in &open {
            let fates = [blocked("A"), wait(reason::QUOTA_EXHAUSTED), fate.clone()];
            assert_eq!(Delivery::of(&fates), Some(Delivery::Open), "{fate:?}");
        }
        let failed = Delivery::Failed(reason::QUOTA_EXHAUSTED, "CODE".into());
        assert_eq!(Delivery::of(&[wait(reason::QUOTA_EXHAUSTED)]), Some(failed));
        let refused = Delivery::of(&[wait(reason::UPSTREAM_UNAVAILABLE), blocked("A"), blocked("B")]);
        assert!(matches!(refused, Some(Delivery::Refused(code)) if code.name == "A"));
        assert_eq!(Delivery::of(&[]), None);
    }
}
