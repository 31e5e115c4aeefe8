#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::contact::{HistoryEntry, LIFECYCLE_STAGE};
use crate::ports::test_support::at;

/// Longest pause between two reads.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(5);

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
pub fn read(id: u64, modified: i64, entries: &[i64]) -> Contact {
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

/// What a search has shown: modified and entered at these times.
pub fn shown(modified: i64, entered: i64) -> ShownState {
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
}

/// Those that can be read, and wait for another read, have room of their own.
#[test]
fn there_is_an_end_to_waiting_for_another_read() {
    let mut aside = Aside::default();
    let wait = |aside: &mut Aside, id| {
        let read = read(id, 1, &[1]);
        aside.wait_for_another(&read, Some(&shown(9, 1)), at(9), (LONGEST, at(9)))
    };
    for id in 0..MOST_BEHIND as u64 {
        assert!(!aside.is_full());
        assert_eq!(wait(&mut aside, id), PutAside::First);
    }
    assert!(aside.is_full());
    assert_eq!(wait(&mut aside, 5), PutAside::Again);
    assert_eq!(
        wait(&mut aside, u64::MAX),
        PutAside::Full,
        "it is not to be taken for read"
    );
    assert_eq!(aside.put_aside(ContactId(u64::MAX), LONGEST, at(0)), PutAside::First);
}
