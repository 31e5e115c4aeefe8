//! Events that need a contact property which HubSpot does not give:
//! they say so, and their rows wait until it is asked for again.

use jiff::{SignedDuration, Timestamp};

use super::context::SyncContext;
use crate::api::reasons::reason;
use crate::registry::{ErrorNote, Event, EventReport, Notice, Side};

/// What the event lacks, and how long until that is asked for again; `None`: nothing.
pub(super) fn withheld_of(ctx: &SyncContext, event: &Event) -> Option<(String, SignedDuration)> {
    let crm = ctx.registry.hubspot_account(&event.hubspot)?.crm?;
    event.rules.describe_withheld(&crm.withheld_properties())
}

/// HubSpot was read for the event, except for the `shortfall`, if there is one: notes that in its report.
pub(super) fn record_read(report: &mut EventReport, shortfall: Option<String>, now: Timestamp) -> Notice {
    let flips = report.ledger.record_success(now);
    let notice = match shortfall {
        Some(message) => {
            let note = ErrorNote {
                time: now,
                reason: reason::UPSTREAM_UNAVAILABLE.to_owned(),
                message,
                contact: None,
            };
            report.record_failure(Side::Feed, note)
        }
        None => Notice::Quiet.or_now(report.feed.record_success(now)),
    };
    notice.or_now(flips)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::test_support::at;

    #[test]
    fn an_event_fails_for_what_it_lacks_until_it_is_given() {
        let mut report = EventReport::default();
        let shortfall = || Some("bad_prop".to_owned());
        assert_eq!(record_read(&mut report, shortfall(), at(1)), Notice::Now);
        assert_eq!(record_read(&mut report, shortfall(), at(2)), Notice::Soon);
        assert_eq!((report.feed.failing_since, report.errors.len()), (Some(at(1)), 1));
        assert_eq!(record_read(&mut report, None, at(3)), Notice::Now);
        assert_eq!(report.feed.failing_since, None);
        assert_eq!(record_read(&mut report, None, at(4)), Notice::Quiet);
    }
}
