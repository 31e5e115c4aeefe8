#![allow(clippy::unwrap_used)]

use super::*;

/// Of imports of so many contacts each, of whom all were sent: one more contact has entered with each of them.
fn imports(contacts: impl IntoIterator<Item = u64>, size: u64) -> Suspects {
    let one = |own: u64| {
        let of_import = (own * 10_000..own * 10_000 + size).map(ContactId).collect();
        let suspected = SuspectedIds {
            telling: BTreeSet::new(),
            of_import,
        };
        (ContactId(own), suspected)
    };
    contacts.into_iter().map(one).collect()
}

fn ids(taken: &Suspects) -> Vec<u64> {
    taken.iter().map(|(own, _)| own.0).collect()
}

#[test]
fn who_had_no_turn_waits_and_comes_first_the_next_time() {
    let mut queue = SuspectQueue::default();
    let (taken, queued) = queue.take_turn(imports(1..=10, 500), 0);
    assert_eq!(ids(&taken), [1, 2, 3, 4, 5]);
    assert_eq!(queued, [6, 7, 8, 9, 10].map(ContactId));
    // Those of the first turn are read again for another reason.
    let (taken, queued) = queue.take_turn(imports([1, 2, 8, 9, 10, 11], 500), 0);
    assert_eq!(ids(&taken), [8, 9, 10, 1, 2]);
    assert_eq!(queued, [ContactId(11)]);
    let (taken, _) = queue.take_turn(imports([1, 2, 3, 6, 7, 11], 500), 0);
    assert_eq!(ids(&taken), [6, 7, 11, 1, 2]);
}

#[test]
fn of_one_time_all_have_their_turn_at_once() {
    let all: Suspects = imports([1; 400], 400);
    let (taken, queued) = SuspectQueue::default().take_turn(all, 0);
    assert_eq!((taken.len(), queued.len()), (400, 0));
}

#[test]
fn one_with_very_many_ids_has_its_turn_alone() {
    let mut queue = SuspectQueue::default();
    let (taken, queued) = queue.take_turn(imports([1, 2], 9_000), 0);
    assert_eq!((ids(&taken), queued), (vec![1], vec![ContactId(2)]));
    let (taken, _) = queue.take_turn(imports([1, 2], 9_000), 0);
    assert_eq!(ids(&taken), [2]);
}

#[test]
fn where_too_many_wait_nobody_waits_for_its_turn() {
    for waiting in [0, 400, MOST_WAIT] {
        let (taken, queued) = SuspectQueue::default().take_turn(imports(1..=1_500, 500), waiting);
        assert_eq!(taken.len() + queued.len(), 1_500);
        assert_eq!(queued.len(), MOST_WAIT - waiting);
    }
}

/// Whoever else comes, and whoever of those asked for stays in doubt: all have had their turn after some passes.
#[test]
fn nobody_waits_for_a_turn_that_never_comes() {
    proptest::proptest!(|(sizes in proptest::collection::vec(200..2_600_u64, 1..10), fresh in 0..6_u64)| {
        let mut queue = SuspectQueue::default();
        let all: Vec<u64> = (1_000..).take(sizes.len()).collect();
        let (mut asked, mut others) = (BTreeSet::new(), BTreeSet::new());
        for pass in 0..30_u64 {
            if all.iter().all(|own| asked.contains(own)) {
                break;
            }
            // The ids of those who come later are smaller.
            others.extend(500 - fresh * (pass + 1)..500 - fresh * pass);
            let own = all.iter().zip(&sizes).flat_map(|(own, size)| imports([*own], *size));
            let suspects: Suspects = imports(others.iter().copied(), 500).into_iter().chain(own).collect();
            let (taken, queued) = queue.take_turn(suspects, 0);
            let taken = ids(&taken);
            proptest::prop_assert!(!taken.is_empty());
            others.retain(|own| !taken.contains(own));
            asked.extend(taken);
            let is_left = |own: &u64| !asked.contains(own);
            proptest::prop_assert!(all.iter().filter(|own| is_left(own)).all(|own| queued.contains(&ContactId(*own))));
        }
        proptest::prop_assert!(all.iter().all(|own| asked.contains(own)));
    });
}
