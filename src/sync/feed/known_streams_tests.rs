#![allow(clippy::unwrap_used)]

use jiff::{SignedDuration, Timestamp};

use super::super::recent_entries::{FirstReads, NotedIn};
use super::*;
use crate::domain::ids::ContactId;
use crate::ports::test_support::{FixedClock, at};
use crate::sync::test_support::{context, event, portal};

/// Feeds of accounts of one portal, which ask for the streams of their events.
struct Setting {
    ctx: SyncContext,
    clock: Arc<FixedClock>,
}

impl Setting {
    async fn new() -> Self {
        let (ctx, clock) = context().await;
        Self { ctx, clock }
    }

    fn after_minutes(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }

    async fn find(&self, feed: &mut KnownStreams, event: &Event) -> StreamId {
        self.find_all(feed, &[Arc::new(event.clone())]).await[0]
    }

    async fn find_all(&self, feed: &mut KnownStreams, events: &[Arc<Event>]) -> Vec<StreamId> {
        let now = self.ctx.clock.now();
        feed.find_streams(&self.ctx, portal().id, events, now).await.unwrap()
    }

    fn note(&self, stream: StreamId, entered: Timestamp, contact: u64) {
        let time = (stream, entered.as_millisecond());
        self.ctx.recent_entries.record(time, ContactId(contact));
    }

    /// Where it is known who entered then.
    fn noted_in(&self, stream: StreamId, entered: Timestamp) -> NotedIn {
        FirstReads::default().noted_in(&self.ctx.recent_entries, stream, entered, None)
    }

    fn noted(&self, stream: StreamId, entered: Timestamp) -> Vec<u64> {
        let noted = self.ctx.recent_entries.contacts_at((stream, entered.as_millisecond()));
        noted.into_iter().map(|id| id.0).collect()
    }
}

fn without_action(name: &str) -> Event {
    let mut event = event(name);
    event.action = None;
    event
}

fn with_uid(uid: &str, mut event: Event) -> Event {
    event.uid = uid.to_owned();
    event
}

#[tokio::test]
async fn what_is_noted_on_a_stream_is_remembered_while_nothing_else_may_come_to_it() {
    let (setting, mut feed) = (Setting::new().await, KnownStreams::default());
    for event in [event("won"), without_action("led")] {
        let stream = setting.find(&mut feed, &event).await;
        assert_eq!(setting.noted_in(stream, at(120)), NotedIn::Ledger);
        setting.after_minutes(3);
    }
}

/// Its rows move to the stream of its action, where nothing of them is remembered.
#[tokio::test]
async fn of_an_event_whose_action_becomes_known_the_ledger_is_asked() {
    let (setting, mut feed) = (Setting::new().await, KnownStreams::default());
    let own = setting.find(&mut feed, &without_action("won")).await;
    setting.after_minutes(3);
    let entered = setting.ctx.clock.now();
    setting.find(&mut feed, &without_action("won")).await;
    assert_eq!(setting.noted_in(own, entered), NotedIn::Memory);
    setting.note(own, entered, 1);
    let of_action = setting.find(&mut feed, &event("won")).await;
    assert_ne!(own, of_action);
    assert_eq!(setting.noted_in(of_action, entered), NotedIn::Ledger);
    // The pass that has begun before still knows it.
    assert_eq!(setting.noted(own, entered), [1]);
    // Once it is known nothing moves any more.
    setting.after_minutes(3);
    let later = setting.ctx.clock.now();
    setting.find(&mut feed, &event("won")).await;
    assert_eq!(setting.noted_in(of_action, later), NotedIn::Memory);
}

/// Somebody else has noted what entered meanwhile: another feed of the process, or an event of the same name.
#[tokio::test]
async fn of_an_event_that_comes_back_nothing_is_missed() {
    let (setting, mut one, mut other) = (Setting::new().await, KnownStreams::default(), KnownStreams::default());
    let stream = setting.find(&mut one, &event("won")).await;
    setting.after_minutes(3);
    let moved = with_uid("uid-of-the-second", event("won"));
    assert_eq!(setting.find(&mut other, &moved).await, stream);
    setting.after_minutes(3);
    let entered = setting.ctx.clock.now();
    setting.note(stream, entered, 1);
    // The first feed may still be in a pass in which it was there.
    assert_eq!(setting.noted_in(stream, entered), NotedIn::Memory);
    assert_eq!(setting.noted(stream, entered), [1]);
    let back = with_uid("uid-of-the-third", without_action("won"));
    let own = setting.find(&mut one, &back).await;
    setting.note(own, entered, 2);
    let back = with_uid("uid-of-the-third", event("won"));
    assert_eq!(setting.find(&mut one, &back).await, stream);
    assert_eq!(setting.noted_in(stream, entered), NotedIn::Ledger);
}

/// Two events share a stream while it is being settled whose it is.
#[tokio::test]
async fn rows_of_another_event_may_come_to_a_stream_that_is_read_already() {
    let (setting, mut feed) = (Setting::new().await, KnownStreams::default());
    let both = [event("won"), without_action("second")].map(Arc::new);
    let streams = setting.find_all(&mut feed, &both).await;
    setting.after_minutes(3);
    let entered = setting.ctx.clock.now();
    setting.note(streams[1], entered, 1);
    let mut second = event("second");
    second.action = both[0].action.clone();
    let both = [both[0].clone(), Arc::new(second)];
    let shared = setting.find_all(&mut feed, &both).await;
    assert_eq!(shared, [streams[0], streams[0]]);
    assert_eq!(setting.noted_in(streams[0], entered), NotedIn::Ledger);
}
