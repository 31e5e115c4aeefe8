#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::contact::{HistoryEntry, LIFECYCLE_STAGE};
use crate::ports::test_support::at;

const LONGEST: SignedDuration = SignedDuration::from_mins(5);
const PAUSES: AsidePauses = AsidePauses {
    longest: LONGEST,
    patience: SignedDuration::from_hours(1),
};

fn ids(aside: &Aside) -> Option<Vec<ContactId>> {
    let unsaved = aside.unsaved_contacts()?;
    Some(unsaved.into_iter().map(|contact| contact.id).collect())
}

fn plain(id: u64) -> AsideContact {
    AsideContact {
        id: ContactId(id),
        shown: ShownState::default(),
        behind_since: None,
    }
}

/// A contact, modified at this time, that entered the stage at these.
fn read(id: u64, modified: i64, entries: &[i64]) -> Contact {
    let row = |second: &i64| HistoryEntry {
        value: "customer".to_owned(),
        at: at(*second),
        by_merge: false,
    };
    Contact {
        requested_id: ContactId(id),
        id: ContactId(id),
        updated_at: Some(at(modified)),
        as_of: None,
        properties: [(LIFECYCLE_STAGE, "customer")].into_iter().collect(),
        history: vec![(LIFECYCLE_STAGE.to_owned(), entries.iter().map(row).collect())],
        flaw: None,
    }
}

fn shown(modified: i64, entered: i64) -> ShownState {
    ShownState {
        modified: Some(at(modified)),
        entered: vec![("customer".to_owned(), at(entered))],
        stage: Some("customer".to_owned()),
    }
}

#[test]
fn read_again_with_growing_pauses_until_it_can_be_read() {
    let (mut aside, one) = (Aside::default(), ContactId(200));
    assert_eq!(aside.put_aside(one, LONGEST, at(0)), PutAside::First);
    assert_eq!(ids(&aside), Some(vec![one]));
    aside.mark_saved();
    assert!(aside.due_contacts(at(0)).is_empty());
    assert_eq!(aside.due_contacts(at(1)), [one]);
    assert_eq!(aside.put_aside(one, LONGEST, at(1)), PutAside::Again);
    assert!(aside.due_contacts(at(2)).is_empty(), "two seconds now");
    assert_eq!(aside.due_contacts(at(3)), [one]);
    assert_eq!(ids(&aside), None, "the ledger has it");
    aside.release(one);
    assert!(aside.due_contacts(at(999)).is_empty() && !aside.is_aside(one));
    assert_eq!(ids(&aside), Some(vec![]));
}

#[test]
fn what_the_ledger_remembers_is_due_at_once() {
    let mut aside = Aside::default();
    aside.load(vec![plain(7), plain(8)]);
    assert_eq!(aside.due_contacts(at(0)), [7, 8].map(ContactId));
    assert_eq!(ids(&aside), None);
}

#[test]
fn there_is_an_end_to_it() {
    let mut aside = Aside::default();
    for id in 0..MOST as u64 {
        assert!(!aside.is_full());
        assert_eq!(aside.put_aside(ContactId(id), LONGEST, at(0)), PutAside::First);
    }
    assert!(aside.is_full());
    assert_eq!(aside.put_aside(ContactId(5), LONGEST, at(0)), PutAside::Again);
    assert_eq!(aside.put_aside(ContactId(u64::MAX), LONGEST, at(0)), PutAside::Full);
    assert_eq!(aside.due_contacts(at(9)).len(), AT_ONCE);
    let old = aside.take_read(&read(u64::MAX, 1, &[1]), Some(&shown(9, 1)), PAUSES, at(9));
    assert_eq!(old, Some(PutAside::Full), "it is not to be taken for read");
}

#[test]
fn a_read_that_is_behind_the_search_is_taken_when_it_has_caught_up() {
    let (old, new) = (read(1, 0, &[0]), read(1, 1000, &[0, 1000]));
    let mut aside = Aside::default();
    let put = aside.take_read(&old, Some(&shown(1000, 1000)), PAUSES, at(1000));
    assert_eq!(put, Some(PutAside::First));
    assert_eq!(aside.due_contacts(at(1001)), [ContactId(1)]);
    // Read again, not by a search: what the search showed is remembered.
    assert_eq!(aside.take_read(&old, None, PAUSES, at(1001)), Some(PutAside::Again));
    assert_eq!(aside.tries_of(ContactId(1)), 1);
    assert_eq!(aside.take_read(&new, None, PAUSES, at(1003)), None);
    assert!(!aside.is_aside(ContactId(1)));
}

#[test]
fn a_read_that_is_behind_stays_put_aside_across_a_restart() {
    let old = read(1, 0, &[0]);
    let mut before = Aside::default();
    before.take_read(&old, Some(&shown(1000, 1000)), PAUSES, at(1000));
    let mut aside = Aside::default();
    aside.load(before.unsaved_contacts().unwrap());
    assert_eq!(aside.take_read(&old, None, PAUSES, at(1100)), Some(PutAside::Again));
    assert_eq!(aside.take_read(&old, None, PAUSES, at(4599)), Some(PutAside::Again));
    assert_eq!(
        aside.take_read(&old, None, PAUSES, at(4600)),
        None,
        "an hour after the first"
    );
}

#[test]
fn a_new_state_is_waited_for_anew() {
    let old = read(1, 0, &[0]);
    let mut aside = Aside::default();
    aside.take_read(&old, Some(&shown(1000, 1000)), PAUSES, at(1000));
    aside.mark_saved();
    aside.take_read(&old, Some(&shown(1000, 1000)), PAUSES, at(1500));
    assert_eq!(ids(&aside), None, "nothing new to save");
    aside.take_read(&old, Some(&shown(4000, 4000)), PAUSES, at(4000));
    assert_eq!(ids(&aside), Some(vec![ContactId(1)]));
    assert_eq!(aside.take_read(&old, None, PAUSES, at(7599)), Some(PutAside::Again));
    let half = read(1, 1000, &[0, 1000]);
    assert_eq!(aside.take_read(&half, None, PAUSES, at(7599)), Some(PutAside::Again));
    assert_eq!(aside.take_read(&half, None, PAUSES, at(7600)), None);
}

#[test]
fn a_portal_whose_properties_tell_of_entries_that_are_none_is_believed() {
    let mut aside = Aside::default();
    for id in 0..MOST_LACKING as u64 {
        let put = aside.take_read(&read(id, 9000, &[1]), Some(&shown(9000, 9000)), PAUSES, at(9000));
        assert_eq!(put, Some(PutAside::First));
    }
    let lacking = aside.take_read(&read(7000, 9000, &[1]), Some(&shown(9000, 9000)), PAUSES, at(9000));
    assert_eq!(lacking, None);
    let older = aside.take_read(&read(7001, 8999, &[1]), Some(&shown(9000, 1)), PAUSES, at(9000));
    assert_eq!(older, Some(PutAside::First), "this one says itself that it is old");
}

#[test]
fn what_cannot_be_read_is_to_show_what_the_search_showed_once_it_can() {
    let mut aside = Aside::default();
    aside.put_aside(ContactId(1), LONGEST, at(1000));
    aside.expect_state(ContactId(1), &shown(1000, 1000));
    aside.expect_state(ContactId(2), &shown(1000, 1000));
    assert!(!aside.is_aside(ContactId(2)));
    assert_eq!(
        aside.take_read(&read(1, 0, &[0]), None, PAUSES, at(90_000)),
        Some(PutAside::Again)
    );
    assert_eq!(aside.take_read(&read(1, 1000, &[1000]), None, PAUSES, at(90_001)), None);
}

/// Of a read that lacks an entry the others may be at the wrong time.
#[test]
fn entries_of_a_read_that_is_behind_count_once_a_second_one_shows_the_same() {
    let mut aside = Aside::default();
    let (wrong, right) = (read(1, 9_000, &[100]), read(1, 9_000, &[5_000]));
    let state = shown(9_000, 5_000);
    assert!(aside.may_count(&right, Some(&state)));
    assert!(!aside.may_count(&wrong, Some(&state)));
    assert_eq!(
        aside.take_read(&wrong, Some(&state), PAUSES, at(0)),
        Some(PutAside::First)
    );
    let other = read(1, 9_000, &[200]);
    assert!(!aside.may_count(&other, None), "it shows another time");
    assert!(aside.may_count(&wrong, None), "two agree");
    assert!(aside.may_count(&right, None));
    // Where many lack one, that is the portal's way.
    for id in 10..10 + u64::try_from(MOST_LACKING).unwrap() {
        aside.take_read(&read(id, 9_000, &[100]), Some(&state), PAUSES, at(0));
    }
    assert!(aside.may_count(&read(2, 9_000, &[100]), Some(&state)));
}

#[test]
fn entries_that_one_read_alone_tells_of_wait_for_another_that_shows_the_same() {
    let hour = SignedDuration::from_hours(1);
    let (mut aside, state) = (Aside::default(), shown(9_000, 9_000));
    let (odd, right) = (read(1, 9_000, &[100, 9_000]), read(1, 9_000, &[200, 9_000]));
    let doubtful =
        |aside: &Aside, read: &Contact, second| aside.is_doubtful(read, Some(&state), |_| true, (hour, at(second)));
    assert!(!aside.is_doubtful(&odd, Some(&state), |_| false, (hour, at(0))));
    assert!(doubtful(&aside, &odd, 0));
    assert_eq!(aside.take_doubtful(&odd, Some(&state), PAUSES, at(0)), PutAside::First);
    assert!(doubtful(&aside, &right, 10), "it shows something else");
    assert_eq!(aside.take_doubtful(&right, None, PAUSES, at(10)), PutAside::Again);
    assert!(
        doubtful(&aside, &odd, 3_599) && !doubtful(&aside, &odd, 3_600),
        "not for ever"
    );
    assert!(!doubtful(&aside, &right, 20), "two agree");
    aside.record_agreed(&right);
    assert_eq!(aside.take_read(&right, None, PAUSES, at(20)), None);
    assert!(!doubtful(&aside, &right, 30), "they did");
    assert!(doubtful(&aside, &odd, 30));
    for id in 2..=MOST_LACKING as u64 + 1 {
        aside.take_doubtful(&read(id, 9_000, &[100, 9_000]), Some(&state), PAUSES, at(40));
    }
    assert!(!doubtful(&aside, &odd, 50), "no room to wait");
}

/// How long a contact waits that may be another one, merged.
#[rstest::rstest]
#[case::others_are_shown(false, 9, &[100], true)]
#[case::and_a_later_read_agrees(false, 10, &[100], false)]
#[case::and_a_later_read_does_not(false, 10, &[101], true)]
#[case::one_is_not_shown(true, 3_599, &[100], true)]
#[case::and_that_lasts(true, 3_600, &[100], false)]
fn a_contact_that_may_have_been_merged_waits(
    #[case] is_strong: bool,
    #[case] after: i64,
    #[case] entries: &[i64],
    #[case] waits: bool,
) {
    let mut aside = Aside::default();
    let by = |second| (PAUSES.patience, at(second));
    let first = read(1, 100, &[100]);
    assert!(aside.is_suspicious(&first, is_strong, by(500)));
    assert_eq!(aside.take_doubtful(&first, None, PAUSES, at(500)), PutAside::First);
    let later = read(1, 100, entries);
    assert_eq!(aside.is_suspicious(&later, is_strong, by(500 + after)), waits);
}

#[test]
fn many_that_entered_when_others_did_wait_for_nothing() {
    let mut aside = Aside::default();
    let by = (PAUSES.patience, at(500));
    for id in 1..=20 {
        let contact = read(id, 100, &[100]);
        assert!(aside.is_suspicious(&contact, false, by), "{id}");
        aside.take_doubtful(&contact, None, PAUSES, at(500));
    }
    let another = read(21, 100, &[100]);
    assert!(!aside.is_suspicious(&another, false, by));
    assert!(aside.is_suspicious(&another, true, by), "one that is not shown does");
}
