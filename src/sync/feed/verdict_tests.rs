#![allow(clippy::unwrap_used)]

use super::super::aside::tests::{LONGEST, read, shown};
use super::*;
use crate::domain::ids::ContactId;
use crate::ports::test_support::at;

const PATIENCE: SignedDuration = SignedDuration::from_hours(1);

/// What becomes of reads at some second: judged together, and then put aside or taken back.
fn take(aside: &mut Aside, reads: &[(&Contact, Evidence<'_>)], unconfirmed: bool, second: i64) -> Vec<Verdict> {
    let mut judge = Judge::new(aside, PATIENCE, at(second));
    let verdicts = reads
        .iter()
        .map(|(read, evidence)| judge.judge(read, *evidence, |_| unconfirmed));
    let verdicts: Vec<_> = verdicts.collect();
    for ((read, evidence), verdict) in reads.iter().zip(&verdicts) {
        verdict.apply(aside, read, evidence.shown, (LONGEST, at(second)));
    }
    verdicts
}

/// What a read is worth beside what a search has shown.
fn beside(aside: &mut Aside, read: &Contact, shown: Option<&ShownState>, second: i64) -> Verdict {
    let evidence = Evidence { shown, suspicion: None };
    take(aside, &[(read, evidence)], false, second).remove(0)
}

fn outdated(agreed: bool, since: i64) -> Verdict {
    Verdict::Waits {
        since: at(since),
        doubt: Doubt::Outdated { agreed },
    }
}

const COUNTS: Verdict = Verdict::Counts { twice: false };

#[test]
fn a_read_that_is_behind_the_search_is_taken_when_it_has_caught_up() {
    let (old, new) = (read(1, 0, &[0]), read(1, 1000, &[0, 1000]));
    let mut aside = Aside::default();
    assert_eq!(
        beside(&mut aside, &old, Some(&shown(1000, 1000)), 1000),
        outdated(false, 1000)
    );
    assert_eq!(aside.due_contacts(at(1001)), [ContactId(1)]);
    // Read again, not by a search: what the search showed is remembered.
    assert_eq!(beside(&mut aside, &old, None, 1001), outdated(true, 1000));
    assert_eq!(aside.tries_of(ContactId(1)), 1);
    let newest = read(1, 1000, &[0, 1000]);
    assert_eq!(beside(&mut aside, &newest, None, 1003), COUNTS);
    assert_eq!(beside(&mut aside, &new, None, 1003), COUNTS);
    assert!(!aside.is_aside(ContactId(1)));
}

#[test]
fn a_read_that_is_behind_stays_put_aside_across_a_restart() {
    let old = read(1, 0, &[0]);
    let mut before = Aside::default();
    beside(&mut before, &old, Some(&shown(1000, 1000)), 1000);
    let mut aside = Aside::default();
    aside.load(before.unsaved_contacts().unwrap());
    assert_eq!(
        beside(&mut aside, &old, None, 1100),
        outdated(false, 1000),
        "what it showed is forgotten"
    );
    assert_eq!(beside(&mut aside, &old, None, 4599), outdated(true, 1000));
    assert_eq!(beside(&mut aside, &old, None, 4600), COUNTS, "an hour after the first");
}

#[test]
fn a_new_state_is_waited_for_anew() {
    let old = read(1, 0, &[0]);
    let mut aside = Aside::default();
    beside(&mut aside, &old, Some(&shown(1000, 1000)), 1000);
    aside.mark_saved();
    beside(&mut aside, &old, Some(&shown(1000, 1000)), 1500);
    assert!(aside.unsaved_contacts().is_none(), "nothing new to save");
    assert_eq!(
        beside(&mut aside, &old, Some(&shown(4000, 4000)), 4000),
        outdated(true, 4000)
    );
    assert!(aside.unsaved_contacts().is_some());
    assert_eq!(beside(&mut aside, &old, None, 7599), outdated(true, 4000));
    let half = read(1, 1000, &[0, 1000]);
    assert_eq!(beside(&mut aside, &half, None, 7599), outdated(false, 4000));
    assert_eq!(beside(&mut aside, &half, None, 7600), COUNTS);
}

/// What does not count is not passed over: in the end one of them is believed.
#[test]
fn reads_that_are_behind_and_never_agree_are_believed_after_a_while() {
    let mut aside = Aside::default();
    let (one, other) = (read(1, 0, &[0]), read(1, 0, &[1]));
    beside(&mut aside, &one, Some(&shown(1000, 1000)), 1000);
    assert_eq!(beside(&mut aside, &other, None, 3000), outdated(false, 1000));
    assert_eq!(beside(&mut aside, &one, None, 4599), outdated(false, 1000));
    assert_eq!(beside(&mut aside, &other, None, 4600), COUNTS);
}

/// Also where all of them are read together.
#[test]
fn a_portal_whose_properties_tell_of_entries_that_are_none_is_believed() {
    let mut aside = Aside::default();
    let state = shown(9000, 9000);
    let evidence = Evidence {
        shown: Some(&state),
        suspicion: None,
    };
    let lacking: Vec<_> = (0..=MOST_LACKING as u64).map(|id| read(id, 9000, &[1])).collect();
    let reads: Vec<_> = lacking.iter().map(|read| (read, evidence)).collect();
    let verdicts = take(&mut aside, &reads, false, 9000);
    let (last, first) = verdicts.split_last().unwrap();
    assert!(first.iter().all(|verdict| *verdict == outdated(false, 9000)));
    assert_eq!(*last, COUNTS);
    assert_eq!(beside(&mut aside, &read(7000, 9000, &[1]), Some(&state), 9000), COUNTS);
    let older = beside(&mut aside, &read(7001, 8999, &[1]), Some(&shown(9000, 1)), 9000);
    assert_eq!(older, outdated(true, 9000), "this one says itself that it is old");
}

#[test]
fn what_cannot_be_read_is_to_show_what_the_search_showed_once_it_can() {
    let mut aside = Aside::default();
    aside.put_aside(ContactId(1), LONGEST, at(1000));
    aside.expect_state(ContactId(1), &shown(1000, 1000));
    aside.expect_state(ContactId(2), &shown(1000, 1000));
    assert!(!aside.is_aside(ContactId(2)));
    assert_eq!(
        beside(&mut aside, &read(1, 0, &[0]), None, 90_000),
        outdated(false, 90_000)
    );
    assert_eq!(beside(&mut aside, &read(1, 1000, &[1000]), None, 90_001), COUNTS);
}

/// Of a read that lacks an entry the others may be at the wrong time.
#[test]
fn entries_of_a_read_that_is_behind_count_once_a_second_one_shows_the_same() {
    let (wrong, other, right) = (read(1, 9_000, &[100]), read(1, 9_000, &[200]), read(1, 9_000, &[5_000]));
    let state = shown(9_000, 5_000);
    assert_eq!(beside(&mut Aside::default(), &right, Some(&state), 0), COUNTS);
    for (second, agreed) in [(&other, false), (&wrong, true)] {
        let mut aside = Aside::default();
        let first = beside(&mut aside, &wrong, Some(&state), 0);
        assert!(!first.counts(&wrong, "customer", at(100)));
        let verdict = beside(&mut aside, second, None, 1);
        assert_eq!(verdict, outdated(agreed, 0));
        assert_eq!(verdict.counts(second, "customer", at(100)), agreed);
        assert_eq!(beside(&mut aside, &right, None, 2), COUNTS);
    }
}

#[test]
fn entries_that_one_read_alone_tells_of_wait_for_another_that_shows_the_same() {
    let (mut aside, state) = (Aside::default(), shown(9_000, 9_000));
    let (odd, right) = (read(1, 9_000, &[100, 9_000]), read(1, 9_000, &[200, 9_000]));
    let evidence = Evidence {
        shown: Some(&state),
        suspicion: None,
    };
    let mut taken = |read, second| take(&mut aside, &[(read, evidence)], true, second).remove(0);
    let waits = Verdict::Waits {
        since: at(0),
        doubt: Doubt::Unconfirmed(state.clone()),
    };
    assert_eq!(taken(&odd, 0), waits);
    assert_eq!(taken(&right, 10), waits, "it shows something else");
    assert_eq!(taken(&odd, 3_599), waits);
    assert_eq!(taken(&right, 3_600), Verdict::Counts { twice: true }, "not for ever");
    assert_eq!(taken(&right, 3_610), COUNTS, "they did agree");
    assert_eq!(
        taken(&odd, 3_620),
        Verdict::Waits {
            since: at(3_620),
            doubt: Doubt::Unconfirmed(state.clone())
        }
    );
    assert_eq!(taken(&odd, 3_630), Verdict::Counts { twice: true }, "two agree");
    let others: Vec<_> = (2..=MOST_LACKING as u64 + 1)
        .map(|id| read(id, 9_000, &[100, 9_000]))
        .collect();
    let reads: Vec<_> = others.iter().map(|read| (read, evidence)).collect();
    take(&mut aside, &reads, true, 3_640);
    let late = read(9_999, 9_000, &[100, 9_000]);
    assert_eq!(
        take(&mut aside, &[(&late, evidence)], true, 3_640),
        [COUNTS],
        "no room to wait"
    );
}

fn suspected(suspicion: Suspicion) -> Evidence<'static> {
    Evidence {
        shown: None,
        suspicion: Some(suspicion),
    }
}

/// How long a contact waits that may be another one, merged.
#[rstest::rstest]
#[case::others_are_shown(Suspicion::SameTime(5), 9, &[100], true)]
#[case::and_a_later_read_agrees(Suspicion::SameTime(5), 10, &[100], false)]
#[case::and_a_later_read_does_not(Suspicion::SameTime(5), 3_599, &[101], true)]
#[case::for_ever(Suspicion::SameTime(5), 3_600, &[101], false)]
#[case::a_merge_is_told(Suspicion::History, 3_599, &[100], true)]
#[case::and_nobody_named(Suspicion::History, 3_600, &[100], false)]
#[case::one_is_not_shown(Suspicion::Ids, 3_599, &[100], true)]
#[case::and_that_lasts(Suspicion::Ids, 3_600, &[100], false)]
fn a_contact_that_may_have_been_merged_waits(
    #[case] suspicion: Suspicion,
    #[case] after: i64,
    #[case] entries: &[i64],
    #[case] waits: bool,
) {
    let mut aside = Aside::default();
    let merge = Verdict::Waits {
        since: at(500),
        doubt: Doubt::Merge(suspicion),
    };
    let (first, later) = (read(1, 100, &[100]), read(1, 100, entries));
    let verdict = take(&mut aside, &[(&first, suspected(suspicion))], false, 500).remove(0);
    assert_eq!(verdict, merge);
    assert!(!verdict.counts(&first, "customer", at(100)));
    let verdict = take(&mut aside, &[(&later, suspected(suspicion))], false, 500 + after).remove(0);
    assert_eq!(verdict, if waits { merge } else { COUNTS });
}

/// The process that has put it aside was away for longer than anybody waits: one read says no more than before.
#[test]
fn a_contact_that_may_have_been_merged_is_read_for_a_while_after_a_start() {
    let (mut before, first) = (Aside::default(), read(1, 100, &[100]));
    take(&mut before, &[(&first, suspected(Suspicion::Ids))], false, 500);
    let mut aside = Aside::default();
    aside.load(before.unsaved_contacts().unwrap());
    let mut waits = |second| take(&mut aside, &[(&first, suspected(Suspicion::Ids))], false, second) != [COUNTS];
    assert_eq!([9_000, 9_059, 9_060].map(&mut waits), [true, true, false]);
}

/// What others wait for says nothing.
#[test]
fn a_contact_waits_for_those_of_its_time_whoever_else_waits() {
    let (mut aside, state) = (Aside::default(), shown(9_000, 9_000));
    for id in 1..=MOST_LACKING as u64 {
        beside(&mut aside, &read(id, 8_000, &[1]), Some(&state), 9_000);
    }
    let another = read(7_000, 100, &[100]);
    let verdict = take(
        &mut aside,
        &[(&another, suspected(Suspicion::SameTime(5)))],
        false,
        9_000,
    );
    assert_ne!(verdict, [COUNTS]);
}

/// Very many wait for one doubt, at one time: for another one, or at another time, nobody counts that had to wait else.
#[rstest::rstest]
fn those_who_wait_for_one_doubt_take_no_room_of_others(
    #[values(Some(Suspicion::SameTime(5)), Some(Suspicion::History), Some(Suspicion::Ids), None)] crowd: Option<
        Suspicion,
    >,
    #[values(Some(Suspicion::SameTime(6)), Some(Suspicion::History), Some(Suspicion::Ids), None)] one: Option<
        Suspicion,
    >,
    #[values(1, 600)] size: usize,
) {
    let (mut aside, state) = (Aside::default(), shown(9_000, 9_000));
    let evidence = |suspicion: Option<Suspicion>| Evidence {
        shown: suspicion.is_none().then_some(&state),
        suspicion,
    };
    let all: Vec<_> = (1..=600).map(|id| read(id, 9_000, &[100])).collect();
    let reads: Vec<_> = all.iter().map(|read| (read, evidence(crowd))).collect();
    for part in reads.chunks(size) {
        take(&mut aside, part, false, 9_000);
    }
    let another = read(7_000, 9_000, &[100]);
    let verdict = take(&mut aside, &[(&another, evidence(one))], false, 9_000);
    let is_full = crowd == one && crowd != Some(Suspicion::Ids);
    assert_eq!(verdict == [COUNTS], is_full, "{crowd:?} {one:?}");
}

/// Be they read one after the other or together.
#[rstest::rstest]
#[case::of_one_time(Suspicion::SameTime(5), MOST_AT_ONE_TIME)]
#[case::whose_history_tells(Suspicion::History, MOST_LACKING)]
#[case::of_whom_ids_tell(Suspicion::Ids, 600)]
fn of_very_many_only_those_wait_whom_an_id_speaks_against(
    #[case] suspicion: Suspicion,
    #[case] most: usize,
    #[values(1, 600)] size: usize,
) {
    let mut aside = Aside::default();
    let all: Vec<_> = (1..=600).map(|id| read(id, 100, &[100])).collect();
    let reads: Vec<_> = all.iter().map(|read| (read, suspected(suspicion))).collect();
    let parts = reads.chunks(size);
    let verdicts: Vec<_> = parts.flat_map(|part| take(&mut aside, part, false, 500)).collect();
    let waiting = verdicts.iter().take_while(|verdict| **verdict != COUNTS).count();
    assert_eq!(waiting, most);
    assert!(verdicts.iter().skip(waiting).all(|verdict| *verdict == COUNTS));
    assert_eq!(aside.count_behind(), most);
}

/// Whatever reads there are, in whatever order and together with whatever others: an entry counts, or its contact is
/// put aside and is read again.
#[test]
fn nobody_is_passed_over() {
    proptest::proptest!(|(reads in proptest::collection::vec((0..30_u64, 0..3_i64, 0..4_usize, proptest::bool::ANY), 1..80), size in 1..80_usize, step in 0..4_000_i64)| {
        let mut aside = Aside::default();
        let state = shown(2, 2);
        for (turn, part) in reads.chunks(size).enumerate() {
            let now = i64::try_from(turn).unwrap() * step;
            let contacts: Vec<_> = part.iter().map(|(id, modified, _, _)| read(*id, *modified, &[0, *modified])).collect();
            let evidence = part.iter().map(|(_, modified, kind, is_searched)| Evidence {
                shown: is_searched.then_some(&state),
                suspicion: [None, Some(Suspicion::SameTime(*modified)), Some(Suspicion::History), Some(Suspicion::Ids)][*kind],
            });
            let judged: Vec<_> = contacts.iter().zip(evidence).collect();
            let verdicts = take(&mut aside, &judged, turn % 2 == 0, now);
            let last: std::collections::BTreeMap<_, _> = judged.iter().map(|(read, _)| read.requested_id).zip(&verdicts).collect();
            for (id, verdict) in last {
                let waits = matches!(verdict, Verdict::Waits { .. });
                proptest::prop_assert_eq!(aside.is_aside(id), waits);
            }
        }
    });
}
