//! Two events are resumed, the second in the midst of the round that settles the resume of the first.

use std::sync::Arc;

use adconversion_operator::api::ResumePolicy;
use adconversion_operator::domain::ids::ObjectKey;

use crate::ledger_faults::faulty::Faulty;
use crate::support::loops::{World, ledger};
use crate::support::memory::Memory;

const CONTACTS: usize = 20;

#[tokio::test]
async fn what_the_second_missed_is_skipped_though_the_round_did_not_see_its_resume() {
    let ledger = Arc::new(Faulty::new(ledger().await, None));
    let world = World::new(ledger.clone(), Memory::new(CONTACTS as u64), CONTACTS);
    let mut first = world.event();
    first.suspended = true;
    first.resume_policy = ResumePolicy::SkipMissed;
    let mut second = first.clone();
    second.key = ObjectKey::new("b", "second");
    second.uid = "2".into();
    if let Some(action) = &mut second.action {
        action.key.id = "8".into();
    }
    for event in [&first, &second] {
        world.registry.set_event(event.clone());
    }
    let running = world.run();
    for event in [&first, &second] {
        running.noted(&event.key, CONTACTS).await;
    }

    let (registry, resumed) = (running.world.registry.clone(), second.clone());
    ledger.before("resume_rows", move || {
        let mut second = resumed.clone();
        second.suspended = false;
        registry.set_event(second);
    });
    first.suspended = false;
    running.world.registry.set_event(first.clone());
    for event in [&first, &second] {
        running.skipped(&event.key, CONTACTS).await;
    }
    let taken = running.stop().await.sink.taken();
    assert!(taken.is_empty(), "{} sent", taken.len());
}
