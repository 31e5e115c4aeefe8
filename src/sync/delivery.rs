//! What the results of an event's rows in one answer say about its delivery, and how that is reported: the outcome of a
//! single row is no failure of the event's; an answer in which nothing of the event was taken is.

use jiff::Timestamp;

use crate::domain::batch::RowResult;
use crate::domain::codes::{Class, Code, Matter};
use crate::domain::delivering::refused_message;
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::reason;
use crate::domain::trigger::TriggerKind;
use crate::ports::sink::RouteInfo;
use crate::ports::{Cause, UpstreamError};
use crate::registry::{ErrorNote, Notice, RefusedAt, Registry};

/// What one answer says of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The way to the conversion action is open: rows were taken, or refused for reasons of their own.
    Open,
    /// Nothing is taken for this action or account; a person must act.
    Refused(Code),
    /// Nothing could be taken just now: a pending reason, the verbatim code.
    Failed(&'static str, String),
}

impl Delivery {
    /// From the results of all rows of the event in an answer; `None` if there are none.
    pub fn from_results<'a>(row_results: impl IntoIterator<Item = &'a RowResult>) -> Option<Self> {
        let mut found = None;
        for row_result in row_results {
            let next = match row_result {
                RowResult::Blocked(code) => Self::Refused(code.clone()),
                RowResult::Wait(why @ (reason::QUOTA_EXHAUSTED | reason::UPSTREAM_UNAVAILABLE), code) => {
                    Self::Failed(why, code.clone())
                }
                RowResult::Wait(..) | RowResult::Uploaded | RowResult::Rejected(..) | RowResult::Unknown(_) => {
                    return Some(Self::Open);
                }
            };
            // A refusal says more than a failure.
            if found.is_none() || matches!((&found, &next), (Some(Self::Failed(..)), Self::Refused(_))) {
                found = Some(next);
            }
        }
        found
    }
}

/// Reports what an answer of one of an ad network's services means for an event.
pub fn report_delivery(
    registry: &Registry,
    event: &ObjectKey,
    (at, route): (RefusedAt, RouteInfo),
    delivery: &Delivery,
    now: Timestamp,
) {
    // What was sent before the event took another route says nothing of the way that rows take now.
    let via = route.service;
    let of_today = delivery_service(registry, event) == Some(via);
    // Of an event that is gone nobody reads what is said.
    let kind = registry
        .find_event(event)
        .map_or(TriggerKind::Stage, |event| event.rules.trigger_kind);
    let mut news = false;
    registry.update_report(event, |report| {
        let flips = match delivery {
            Delivery::Open => {
                let sent = at == RefusedAt::Upload && report.upload.record_success(now);
                of_today && report.record_taken(at, via) || sent
            }
            Delivery::Refused(code) => {
                report.push_error(refused_note(code, kind, now));
                news = of_today && report.record_refused(at, via, code, now);
                news
            }
            Delivery::Failed(why, code) => {
                let note = failed_note(route.network, (why, code), now);
                report.push_error(note.clone());
                report.upload.record_failure(note)
            }
        };
        Notice::Soon.or_now(flips)
    });
    // Terms may have been withdrawn or the action removed: what is known of them is read again, once.
    if let (true, Some(event)) = (news, registry.find_event(event)) {
        registry.ad_account_refused(&event.google);
    }
}

/// The service that takes the event's conversions; `None` if event or account are not known.
fn delivery_service(registry: &Registry, event: &ObjectKey) -> Option<&'static str> {
    let event = registry.find_event(event)?;
    let account = registry.ad_account(&event.google)?;
    Some(account.service_name(event.rules.trigger_kind))
}

fn refused_note(code: &Code, kind: TriggerKind, now: Timestamp) -> ErrorNote {
    ErrorNote {
        time: now,
        reason: code.reason.clone(),
        message: refused_message(code, kind),
        contact: None,
    }
}

fn failed_note(network: &str, (why, code): (&str, &str), now: Timestamp) -> ErrorNote {
    let reason = match why {
        reason::QUOTA_EXHAUSTED => crate::api::reasons::reason::RATE_LIMITED,
        _ => crate::api::reasons::reason::UPSTREAM_UNAVAILABLE,
    };
    ErrorNote {
        time: now,
        reason: reason.to_owned(),
        message: format!("{network} could not take the conversions and asks to send them again: {code}."),
        contact: None,
    }
}

/// The refusal as an error of the account, if it is one of the whole account.
pub fn account_error(code: &Code, route: RouteInfo) -> Option<UpstreamError> {
    let cause = match code.class {
        Class::Blocked(Matter::NotAllowlisted) => Cause::NotAllowlisted,
        Class::Blocked(Matter::Account) => Cause::AccessDenied,
        _ => return None,
    };
    let by = match cause {
        Cause::NotAllowlisted => " by this route",
        _ => "",
    };
    let message = format!(
        "{}: {} accepts no conversion of this account{by}",
        code.name, route.network
    );
    Some(UpstreamError {
        code: Some(code.name.clone()),
        ..UpstreamError::new(route.service, cause, message)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::{ResumePolicy, UploadApi, Uploads};
    use crate::domain::eligibility::{ClickProperties, EventRules};
    use crate::domain::trigger::Trigger;
    use crate::registry::test_support::google_account;
    use crate::registry::{Event, GoogleAccount};
    use crate::sync::test_support::route_info;

    /// An event whose account has been switched to the other interface for both kinds of events.
    fn switched(trigger_kind: TriggerKind) -> (Registry, ObjectKey) {
        let (registry, _) = Registry::new();
        let (key, google) = (ObjectKey::new("a", "event"), ObjectKey::new("a", "google"));
        registry.set_google(GoogleAccount {
            key: google.clone(),
            uploads: Uploads {
                click_conversions: UploadApi::GoogleAds,
                enhancements: UploadApi::DataManager,
            },
            ..google_account(None)
        });
        registry.set_event(Event {
            key: key.clone(),
            uid: "1".into(),
            hubspot: ObjectKey::new("a", "hubspot"),
            google,
            trigger: Trigger::Stage("customer".into()),
            start: Timestamp::UNIX_EPOCH,
            action: None,
            rules: EventRules {
                value: None,
                consent: None,
                share: vec![],
                clicks: ClickProperties {
                    gclid: "gclid".into(),
                    gbraid: None,
                    wbraid: None,
                },
                trigger_kind,
            },
            suspended: false,
            resume_policy: ResumePolicy::CatchUp,
        });
        (registry, key)
    }

    #[rstest::rstest]
    fn a_late_answer_of_the_old_way_neither_sets_nor_ends_a_refusal_of_the_new_way(
        #[values(TriggerKind::Stage, TriggerKind::Form)] kind: TriggerKind,
        #[values(RefusedAt::Upload, RefusedAt::Result)] late: RefusedAt,
    ) {
        let (registry, event) = switched(kind);
        let (data_manager, google_ads) = (
            UploadApi::DataManager.service_name(),
            UploadApi::GoogleAds.service_name(),
        );
        let (old, new) = match kind {
            TriggerKind::Stage => (data_manager, google_ads),
            TriggerKind::Form => (google_ads, data_manager),
        };
        let refused = |name: &str| Delivery::from_results(&[blocked(name)]).unwrap();
        let hear = |at, service, delivery: &Delivery| {
            let route = RouteInfo {
                service,
                ..route_info("route")
            };
            report_delivery(&registry, &event, (at, route), delivery, Timestamp::UNIX_EPOCH);
            registry.event_report(&event)
        };
        let account = ObjectKey::new("a", "google");
        let heard = hear(late, old, &refused("LATE"));
        assert_eq!(heard.refused, None);
        assert_eq!(heard.errors.len(), 1, "people still read of it");
        assert!(!registry.take_ad_account_refused(&account), "nothing to read again");
        let heard = hear(RefusedAt::Upload, new, &refused("NEW"));
        let standing = heard.refused.unwrap();
        assert_eq!((standing.via, standing.code.name.as_str()), (new, "NEW"));
        assert!(registry.take_ad_account_refused(&account));
        for delivery in [Delivery::Open, refused("LATE")] {
            let heard = hear(late, old, &delivery);
            assert_eq!(heard.refused.as_ref(), Some(&standing), "{delivery:?}");
            assert!(!heard.taken, "{delivery:?}");
        }
        assert_eq!(hear(RefusedAt::Upload, new, &Delivery::Open).refused, None);
    }

    fn blocked(name: &str) -> RowResult {
        RowResult::Blocked(Code::test(name, Class::Blocked(Matter::Account)))
    }

    #[test]
    fn one_row_that_google_looked_at_shows_that_the_way_is_open() {
        let wait = |why| RowResult::Wait(why, "CODE".to_owned());
        let open = [
            RowResult::Uploaded,
            RowResult::Unknown(0),
            RowResult::Rejected("TooBad".into(), "TOO_BAD".into()),
            wait(reason::CLICK_TOO_RECENT),
            wait(reason::ACTION_TOO_NEW),
            wait(reason::AWAITING_WEB_CONVERSION),
        ];
        for row_result in &open {
            let row_results = [blocked("A"), wait(reason::QUOTA_EXHAUSTED), row_result.clone()];
            assert_eq!(
                Delivery::from_results(&row_results),
                Some(Delivery::Open),
                "{row_result:?}"
            );
        }
        let failed = Delivery::Failed(reason::QUOTA_EXHAUSTED, "CODE".into());
        assert_eq!(Delivery::from_results(&[wait(reason::QUOTA_EXHAUSTED)]), Some(failed));
        let refused = Delivery::from_results(&[wait(reason::UPSTREAM_UNAVAILABLE), blocked("A"), blocked("B")]);
        assert!(matches!(refused, Some(Delivery::Refused(code)) if code.name == "A"));
        assert_eq!(Delivery::from_results(&[]), None);
    }
}
