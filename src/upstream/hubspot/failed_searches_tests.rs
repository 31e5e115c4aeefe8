use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

/// A portal whose searches fail with some contacts.
struct Fake {
    ids: BTreeSet<u64>,
    breaking: BTreeSet<u64>,
    /// All of them fail.
    down: bool,
    rows: usize,
    probes: usize,
}

impl Fake {
    fn new(ids: impl IntoIterator<Item = u64>, breaking: impl IntoIterator<Item = u64>, rows: usize) -> Self {
        Self {
            ids: ids.into_iter().collect(),
            breaking: breaking.into_iter().collect(),
            down: false,
            rows,
            probes: 0,
        }
    }

    /// The ids of a page and whether there are more, `None`: it fails.
    fn answer(&self, range: IdRange) -> Option<(Vec<u64>, bool)> {
        let upto = range.upto.unwrap_or(GREATEST).0;
        let all = || {
            self.ids
                .iter()
                .copied()
                .filter(|id| (range.above.0 + 1..=upto).contains(id))
        };
        let page: Vec<u64> = all().take(self.rows).collect();
        let fails = self.down || page.iter().any(|id| self.breaking.contains(id));
        (!fails).then(|| (page, all().count() > self.rows))
    }

    /// As the client searches, with so many probes at most; `None`: the search fails.
    fn search(
        &mut self,
        state: &mut FailedSearches,
        search: &ContactSearch,
        now: Instant,
        most: &mut usize,
    ) -> Option<(Vec<u64>, Option<ContactId>)> {
        loop {
            let known = match state.first_known(search, now) {
                Some((id, true)) => {
                    let fails = self.answer(IdRange::of_one(id)).is_none();
                    state.asked_again(search, id, fails, now);
                    continue;
                }
                known => known.map(|(id, _)| id),
            };
            let range = IdRange {
                above: search.after,
                upto: known.map(|id| ContactId(id.0 - 1)),
            };
            if let Some((mut ids, more)) = self.answer(range) {
                let mut next = more.then(|| ids.last().copied().map(ContactId)).flatten();
                if next.is_none()
                    && let Some(known) = known
                {
                    ids.push(known.0);
                    next = Some(known);
                }
                state.note_answered(search, next);
                return Some((ids, next));
            }
            if !self.hunt(state, search, range, now, most) {
                return None;
            }
        }
    }

    fn hunt(
        &mut self,
        state: &mut FailedSearches,
        search: &ContactSearch,
        range: IdRange,
        now: Instant,
        most: &mut usize,
    ) -> bool {
        let hunts = state.note_failed(search, range, now);
        while hunts && *most > 0 {
            *most -= 1;
            self.probes += 1;
            let (_, probe) = state.next_probe(search).unwrap();
            match state.note_probe(search, probe, self.answer(probe).is_none(), now) {
                ContactHuntProgress::Narrowed => {}
                ContactHuntProgress::Found(_) => return true,
                ContactHuntProgress::AllFail | ContactHuntProgress::Contradicted => return false,
            }
        }
        false
    }

    /// All pages, `None` if one fails.
    fn pass(&mut self, state: &mut FailedSearches, now: Instant, most: usize) -> Option<Vec<u64>> {
        let (mut search, mut all, mut most) = (by("stage", 100), Vec::new(), most);
        loop {
            let (ids, next) = self.search(state, &search, now, &mut most)?;
            all.extend(ids);
            match next {
                Some(next) => search.after = next,
                None => return Some(all),
            }
        }
    }
}

fn by(name: &str, since: i64) -> ContactSearch {
    ContactSearch {
        any_since: vec![(name.to_owned(), Timestamp::from_second(since).unwrap())],
        after: ContactId(0),
        properties: Vec::new(),
    }
}

const PLENTY: usize = usize::MAX;

/// How many passes fail before all contacts come, each once.
fn failing_passes(portal: &mut Fake, state: &mut FailedSearches, most: usize) -> usize {
    let (now, all) = (Instant::now(), Vec::from_iter(portal.ids.clone()));
    let failed = (0..10_000).take_while(|_| match portal.pass(state, now, most) {
        Some(found) => {
            assert_eq!(found, all);
            false
        }
        None => true,
    });
    failed.count()
}

#[rstest::rstest]
#[case::first(&[1], 4)]
#[case::last(&[20], 4)]
#[case::two(&[5, 17], 4)]
#[case::adjacent(&[7, 8, 9], 4)]
#[case::all(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20], 200)]
#[case::a_page_of_one(&[1, 2], 1)]
fn after_failures_that_may_pass_the_search_is_whole(#[case] breaking: &[u64], #[case] rows: usize) {
    let mut portal = Fake::new(1..=20, breaking.iter().copied(), rows);
    let mut state = FailedSearches::default();
    assert_eq!(failing_passes(&mut portal, &mut state, PLENTY), 2);
    let probes = portal.probes;
    assert_eq!(failing_passes(&mut portal, &mut state, PLENTY), 0);
    assert_eq!(portal.probes, probes, "they are known");
}

#[test]
fn a_search_that_fails_for_nobody_too_proves_nothing() {
    let (mut portal, mut state) = (Fake::new(1..=20, [], 4), FailedSearches::default());
    portal.down = true;
    for _ in 0..5 {
        assert_eq!(portal.pass(&mut state, Instant::now(), PLENTY), None);
    }
    assert_eq!(portal.probes, 3, "one for each pass after the second");
    portal.down = false;
    assert_eq!(failing_passes(&mut portal, &mut state, PLENTY), 0);
}

#[test]
fn a_failure_that_passes_leaves_nobody_out() {
    let (mut portal, mut state, now) = (Fake::new(1..=20, [7], 4), FailedSearches::default(), Instant::now());
    for most in [PLENTY, PLENTY, 8] {
        assert_eq!(portal.pass(&mut state, now, most), None);
    }
    portal.breaking.clear();
    assert_eq!(failing_passes(&mut portal, &mut state, PLENTY), 0);
    let search = by("stage", 100);
    assert!(state.first_known(&search, now).is_none() && state.next_probe(&search).is_none());
    // Another one fails by now, when all that is left to ask for is the first one alone.
    portal.breaking.insert(7);
    for most in [PLENTY, PLENTY, 8] {
        assert_eq!(portal.pass(&mut state, now, most), None);
    }
    assert_eq!(
        state.next_probe(&search).unwrap().1,
        IdRange::of_one(ContactId(7)),
        "bisected"
    );
    portal.breaking = [8].into();
    assert_eq!(failing_passes(&mut portal, &mut state, PLENTY), 3);
    assert_eq!(state.first_known(&search, now).unwrap().0, ContactId(8));
}

#[test]
fn one_that_is_known_is_asked_for_again() {
    let (mut portal, mut state, now) = (Fake::new(1..=20, [7], 4), FailedSearches::default(), Instant::now());
    failing_passes(&mut portal, &mut state, PLENTY);
    let search = by("stage", 100);
    let later = now + ASKED_AGAIN + Duration::from_mins(1);
    assert_eq!(state.first_known(&search, now), Some((ContactId(7), false)));
    assert_eq!(state.first_known(&search, later), Some((ContactId(7), true)));
    assert!(portal.pass(&mut state, later, PLENTY).is_some());
    assert_eq!(state.first_known(&search, later), Some((ContactId(7), false)));
    portal.breaking.clear();
    assert!(portal.pass(&mut state, later + ASKED_AGAIN, PLENTY).is_some());
    assert_eq!(state.first_known(&search, later), None);
}

#[test]
fn other_searches_tell_nothing_of_one_that_fails() {
    let (mut state, now) = (FailedSearches::default(), Instant::now());
    let whole = IdRange {
        above: ContactId(0),
        upto: None,
    };
    let behind = ContactSearch {
        after: ContactId(50),
        ..by("stage", 100)
    };
    let fails = |state: &mut FailedSearches| state.note_failed(&behind, whole, now);
    assert!(!fails(&mut state) && !fails(&mut state));
    // Of another property, a page before it, and one of fewer contacts.
    state.note_answered(&by("other", 1), None);
    state.note_answered(&by("stage", 100), Some(ContactId(50)));
    state.note_answered(&by("stage", 101), None);
    assert!(fails(&mut state));
    // The end of the same, or the page itself.
    for answered in [by("stage", 99), behind.clone()] {
        state.note_answered(&answered, None);
        assert!(!fails(&mut state) && !fails(&mut state) && fails(&mut state));
    }
    state.note_answered(&behind, Some(ContactId(70)));
    assert!(!fails(&mut state) && !fails(&mut state));
    let later = now + LONGEST_PAUSE + Duration::from_secs(1);
    assert!(!state.note_failed(&behind, whole, later), "long ago");
    assert!(state.first_known(&by("other", 1), now).is_none());
}

#[test]
fn beyond_a_number_of_contacts_it_is_not_about_them() {
    let most = MOST as u64;
    let mut state = FailedSearches::default();
    let mut portal = Fake::new(1..=most + 1, 1..=most, 200);
    assert_eq!(failing_passes(&mut portal, &mut state, PLENTY), 2);
    portal.breaking.insert(most + 1);
    for _ in 0..5 {
        assert_eq!(portal.pass(&mut state, Instant::now(), PLENTY), None);
    }
    // Nor are kinds of searches remembered without end.
    for n in 0..=MOST_KINDS {
        state.note_failed(&by(&format!("p{n}"), 1), IdRange::of_one(ContactId(1)), Instant::now());
    }
    assert!(state.0.len() <= MOST_KINDS);
}

#[rstest::rstest]
#[case::beyond_all(i64::MAX.unsigned_abs(), None)]
#[case::between_neighbours(6, Some(6))]
fn where_there_is_no_room_for_a_contact_nobody_is_looked_for(#[case] above: u64, #[case] upto: Option<u64>) {
    let mut state = FailedSearches::default();
    let range = IdRange {
        above: ContactId(above),
        upto: upto.map(ContactId),
    };
    let fails = (0..5).any(|_| state.note_failed(&by("stage", 100), range, Instant::now()));
    assert!(!fails);
}

proptest! {
    /// Whoever searches fail with, and however few probes a pass has: all contacts come, each once.
    #[test]
    fn all_contacts_come_once(
        near in proptest::collection::btree_set(1_u64..60, 0..30),
        far in proptest::collection::btree_set(1_u64..i64::MAX.unsigned_abs(), 0..12),
        choice in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        rows in 1_usize..9,
        most in 3_usize..40,
    ) {
        let ids: Vec<_> = near.union(&far).copied().collect();
        let breaking: BTreeSet<u64> = choice.iter().filter(|_| !ids.is_empty()).map(|at| *at.get(&ids)).collect();
        for most in [PLENTY, most] {
            let mut portal = Fake::new(ids.clone(), breaking.clone(), rows);
            let failed = failing_passes(&mut portal, &mut FailedSearches::default(), most);
            let bound = 72 * breaking.len();
            if most == PLENTY {
                prop_assert_eq!(failed, if breaking.is_empty() { 0 } else { 2 });
                prop_assert!(portal.probes <= bound, "{} probes", portal.probes);
            } else {
                // Each pass begins with a search for nobody.
                prop_assert!(failed <= 2 + bound / (most - 1) + 2 * breaking.len(), "{failed} passes");
            }
        }
    }
}
