//! An event is read before its conversion action is known.

use adconversion_operator::api::ResumePolicy;
use adconversion_operator::domain::ids::{ContactId, OccurrenceKey, PortalId};
use adconversion_operator::domain::outcome::{Outcome, reason};
use adconversion_operator::ports::ledger::{ActionKey, NewRow, StreamRequest};
use adconversion_operator::registry::Event;
use jiff::Timestamp;

use crate::support::loops::{World, ledger};
use crate::support::memory::Memory;

const CONTACTS: usize = 20;

async fn world() -> World {
    World::new(ledger().await, Memory::new(CONTACTS as u64), CONTACTS)
}

/// As the controller counts: the rows move to the stream of the action.
fn track_of(event: &Event, action: Option<ActionKey>) -> StreamRequest {
    StreamRequest::new(
        event.key.clone(),
        event.uid.clone(),
        PortalId(1),
        &event.trigger,
        action,
    )
}

/// A conversion that is seen while its event is suspended.
fn missed_row(now: Timestamp) -> NewRow {
    NewRow {
        keys: vec![OccurrenceKey::for_lifecycle(
            PortalId(1),
            ContactId(1),
            "customer",
            now.as_millisecond(),
        )],
        contact: ContactId(1),
        submission: None,
        occurred_at: now,
        first_seen: now,
        outcome: Outcome::Pending,
        reason: reason::NOT_DUE.into(),
        due: now,
        while_suspended: true,
        shown: None,
    }
}

#[tokio::test]
async fn conversions_go_as_soon_as_the_action_is_known() {
    let world = world().await;
    let mut event = world.event();
    let action = event.action.take();
    world.registry.set_event(event.clone());
    let running = world.run();
    running.noted(&event.key, CONTACTS).await;

    event.action = action;
    let world = &running.world;
    world.registry.set_event(event.clone());
    let request = track_of(&event, event.action.as_ref().map(|action| action.key.clone()));
    world.ledger.stream_for(&request).await.expect("the action's stream");
    running.sent(CONTACTS).await;
    assert_eq!(running.stop().await.sink.taken().len(), CONTACTS);
}

/// Nothing is created for a suspended event: its rows wait on a stream of its own. One may have moved to the stream of
/// the action before the resume was settled on the event's.
#[tokio::test]
async fn what_was_missed_before_the_action_was_known_is_skipped_on_both_tracks() {
    let world = world().await;
    let mut event = world.event();
    let action = event.action.take();
    event.suspended = true;
    event.resume_policy = ResumePolicy::SkipMissed;
    world.registry.set_event(event.clone());
    let running = world.run();
    running.noted(&event.key, CONTACTS).await;

    event.suspended = false;
    running.world.registry.set_event(event.clone());
    running.skipped(&event.key, CONTACTS).await;

    let request = track_of(&event, action.as_ref().map(|action| action.key.clone()));
    let world = &running.world;
    let stream = world.ledger.stream_for(&request).await.expect("the action's stream");
    let moved = missed_row(Timestamp::now());
    world.ledger.record_occurrences(stream, &[moved]).await.expect("a row");
    event.action = action;
    world.registry.set_event(event.clone());
    running.skipped(&event.key, CONTACTS + 1).await;
    let taken = running.stop().await.sink.taken();
    assert!(taken.is_empty(), "{} sent", taken.len());
}

/// A suspension may begin and end between two rounds of the uploader.
#[tokio::test]
async fn what_is_missed_during_a_suspension_that_no_round_saw_is_skipped() {
    let world = world().await;
    let mut event = world.event();
    event.resume_policy = ResumePolicy::SkipMissed;
    world.registry.set_event(event.clone());
    let running = world.run();
    running.sent(CONTACTS).await;

    let world = &running.world;
    let stream = world.registry.event_report(&event.key).stream.expect("a stream");
    let missed = missed_row(Timestamp::now());
    world.ledger.record_occurrences(stream, &[missed]).await.expect("a row");
    running.skipped(&event.key, 1).await;
    assert_eq!(running.stop().await.sink.taken().len(), CONTACTS);
}
