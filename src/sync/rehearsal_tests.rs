#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::ids::{ContactId, OccurrenceKey};
use crate::domain::outcome::Outcome;
use crate::ports::ledger::{NewRow, StreamRequest};
use crate::ports::test_support::at;
use crate::registry::Notice;
use crate::registry::test_support::{google_account, hubspot_account};
use crate::sync::test_support::{FakePortal, STAGE, context, event, portal, unused_clients};

/// Rows that wait for this reason until this second, of an event whose rows may be sent.
async fn rehearsal(rows: impl IntoIterator<Item = (&'static str, i64)>) -> Rehearsal {
    let (ctx, _) = context().await;
    let (event, mut hubspot, mut google) = (event("event"), hubspot_account(), google_account(None));
    (hubspot.key, google.key) = (event.hubspot.clone(), event.google.clone());
    hubspot.crm = Some(FakePortal::new([]));
    google.clients = Some(unused_clients());
    let action = event.action.as_ref().map(|action| action.key.clone());
    let of = StreamRequest::new(
        event.key.clone(),
        event.uid.clone(),
        portal().id,
        &event.trigger,
        action,
    );
    let stream = ctx.ledger.stream_for(&of).await.unwrap();
    let new = |(number, (reason, due)): (u64, (&'static str, i64))| {
        let contact = ContactId(number);
        NewRow {
            keys: vec![OccurrenceKey::for_lifecycle(
                portal().id,
                contact,
                STAGE,
                at(0).as_millisecond(),
            )],
            contact,
            submission: None,
            occurred_at: at(0),
            first_seen: at(0),
            outcome: Outcome::Pending,
            reason: reason.into(),
            due: at(due),
            while_suspended: false,
            shown: None,
        }
    };
    let rows: Vec<_> = (1..).zip(rows).map(new).collect();
    ctx.ledger.record_occurrences(stream, &rows).await.unwrap();
    ctx.registry.set_hubspot(hubspot);
    ctx.registry.set_google(google);
    ctx.registry.set_event(event.clone());
    ctx.registry.update_report(&event.key, |report| {
        report.stream = Some(stream);
        Notice::Quiet
    });
    Rehearsal::new(Arc::new(ctx))
}

/// Reads of HubSpot take their time: what is due by now need not have been due when the last round of sending began.
#[rstest::rstest]
#[case::became_due_meanwhile(&[(reason::NOT_DUE, -5)], Some(-5))]
#[case::to_come(&[(reason::NOT_DUE, 60), (reason::NOT_DUE, 30)], Some(30))]
#[case::was_due_and_waits_for_something_else(&[(reason::NOT_DUE, -10)], None)]
#[case::waits_longer(&[(reason::NOT_DUE, 601)], None)]
#[case::does_not_wait_for_time_alone(&[(reason::CLICK_TOO_RECENT, 30)], None)]
#[tokio::test]
async fn the_next_look_is_at_what_the_last_one_did_not_see(
    #[case] rows: &[(&'static str, i64)],
    #[case] expected: Option<i64>,
) {
    let rehearsal = rehearsal(rows.iter().copied()).await;
    let next = rehearsal.next_look(at(-10), at(600)).await.unwrap();
    assert_eq!(next, expected.map(at));
}

#[tokio::test]
async fn it_is_found_behind_any_number_of_others() {
    let others = std::iter::repeat_n((reason::CLICK_TOO_RECENT, 30), LOOK * 4);
    let rehearsal = rehearsal(others.chain([(reason::NOT_DUE, 60)])).await;
    let next = rehearsal.next_look(at(0), at(600)).await.unwrap();
    assert_eq!(next, Some(at(60)));
}
