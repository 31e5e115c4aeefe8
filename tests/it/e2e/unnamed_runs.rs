//! Many contacts that are merged in a short time, while answers name one of the two ids alone: what was sent of the old
//! contacts is sent once, also where somebody else has read them before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::Stage;
use super::judge::{crowd, exactly, occurrences, transactions};
use super::meddler::{Asked, Meddler, Meddling};
use super::one_portal::{account, tokens};
use super::stage::ago;

const DAY: i64 = 86_400;
const NAMED: &str = "hs_merged_object_ids";
const FLAGS: [(&str, &str); 2] = [("settle-delay", "500ms"), ("sweep-interval", "3s")];

/// Searches and reads that name the oldest one alone of the contacts that were merged into another one. The others of
/// the crowd have entered before: theirs is the entry that is left.
pub(super) struct HalfNamed {
    on: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
}

impl HalfNamed {
    pub(super) fn begin(meddler: &Meddler) -> Self {
        let (on, answers) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let (is_on, counted) = (on.clone(), answers.clone());
        let change = move |batch: &mut Value| {
            let changed = is_on.load(Ordering::Relaxed) && name_oldest_alone(batch);
            counted.fetch_add(usize::from(changed), Ordering::Relaxed);
        };
        meddler.always(shows_contacts, Meddling::change(change));
        Self { on, answers }
    }

    /// Waits for so many odd answers.
    pub(super) fn wait_for(&self, stage: &Stage, answers: usize) {
        stage.wait_for("the odd answers", || match self.answers.load(Ordering::Relaxed) {
            odd if odd >= answers => Ok(()),
            odd => Err(json!(odd)),
        });
    }

    /// After so many odd answers all that follow are right.
    pub(super) fn end_after(&self, stage: &Stage, answers: usize) {
        self.wait_for(stage, answers);
        self.on.store(false, Ordering::Relaxed);
    }
}

/// A search for contacts, or a read of some.
pub(super) fn shows_contacts(asked: &Asked) -> bool {
    let parts = ["/contacts/batch/read", "/contacts/search"];
    parts.iter().any(|part| asked.path.contains(part))
}

/// In this answer; false if nobody was merged.
pub(super) fn name_oldest_alone(batch: &mut Value) -> bool {
    let mut changed = false;
    for contact in batch["results"].as_array_mut().into_iter().flatten() {
        let named = contact["properties"][NAMED].as_str().unwrap_or_default();
        let ids: Vec<u64> = named.split(';').filter_map(|id| id.parse().ok()).collect();
        if let Some(oldest) = ids.iter().min().filter(|_| ids.len() > 1) {
            contact["properties"][NAMED] = json!(oldest.to_string());
            changed = true;
        }
    }
    changed
}

/// Merges all of them, two by two.
fn merge_pairs(stage: &Stage) {
    let contacts: Vec<String> = occurrences(stage, "customer").into_iter().map(|(id, _)| id).collect();
    for pair in contacts.chunks(2) {
        stage.post("/hubspot/merge", &json!({"ids": pair}));
    }
}

/// One more customer is seen behind all of that, and everything was sent once.
pub(super) fn sent_once(stage: &Stage, mut wanted: BTreeSet<String>) {
    let last = stage.contact(&[("customer", ago(1))], Some("click-last"), &json!({}));
    let entered = occurrences(stage, "customer").into_iter();
    wanted.extend(
        entered
            .filter(|(id, _)| *id == last)
            .map(|(_, transaction)| transaction),
    );
    let event = stage.settled("won", wanted.len() as u64);
    exactly(stage, &event, &wanted);
}

pub(super) fn customers(stage: &Stage) -> BTreeSet<String> {
    transactions(stage, "customer").into_iter().collect()
}

#[test]
fn however_many_are_merged_at_once_nothing_is_sent_again() {
    let mut stage = Stage::empty("dedupe", &["--no-rate-limits"], &FLAGS);
    let meddler = stage.meddled();
    crowd(&stage, 110);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(DAY)}));
    stage.settled("won", 110);
    let sent = customers(&stage);
    // All of them are read together.
    stage.kill_operator();
    let half = HalfNamed::begin(&meddler);
    merge_pairs(&stage);
    stage.start_operator();
    half.end_after(&stage, 20);
    sent_once(&stage, sent);
    stage.stop_operator();
}

#[test]
fn what_another_account_of_the_portal_has_joined_is_not_sent_again() {
    let (mut stage, other) = Stage::with_neighbour("shared", &FLAGS);
    let meddler = stage.meddled();
    crowd(&stage, 10);
    tokens(&stage, 62515, &["pat-second"]);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(DAY)}));
    let second = stage.neighbour(other);
    second.accounts();
    account(&second, "acme", "pat-second", json!({}));
    stage.settled("won", 10);
    let sent = customers(&stage);
    let half = HalfNamed::begin(&meddler);
    merge_pairs(&stage);
    // It reads them for the first time, and asks nobody.
    second.event(
        "theirs",
        "customer",
        &json!({"startTime": ago(DAY), "eventName": "Theirs"}),
    );
    half.end_after(&stage, 30);
    sent_once(&stage, sent);
    stage.stop_operator();
}

#[test]
fn what_was_noted_before_an_event_is_read_from_an_earlier_start_is_not_sent_again() {
    let mut stage = Stage::empty("earlier", &["--no-rate-limits"], &FLAGS);
    let meddler = stage.meddled();
    crowd(&stage, 10);
    stage.start_operator();
    stage.accounts();
    stage.event("won", "customer", &json!({"startTime": ago(DAY)}));
    stage.settled("won", 10);
    let sent = customers(&stage);
    stage.kill_operator();
    let half = HalfNamed::begin(&meddler);
    merge_pairs(&stage);
    stage.patch("adce/won", &json!({"spec": {"startTime": ago(DAY * 20)}}));
    stage.start_operator();
    half.end_after(&stage, 10);
    sent_once(&stage, sent);
    stage.stop_operator();
}
