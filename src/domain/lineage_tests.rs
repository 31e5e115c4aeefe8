#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn ids(ids: &[u64]) -> Vec<ContactId> {
    ids.iter().copied().map(ContactId).collect()
}

fn known(pairs: &[(u64, u64)]) -> KnownLineages {
    let canonical = pairs
        .iter()
        .map(|(id, canonical)| (ContactId(*id), ContactId(*canonical)));
    KnownLineages::from_canonical(canonical.collect())
}

fn shown(records: &[(u64, u64)], unreadable: &[u64]) -> ShownIds {
    ShownIds {
        records: records
            .iter()
            .map(|(id, record)| (ContactId(*id), ContactId(*record)))
            .collect(),
        unreadable: ids(unreadable).into_iter().collect(),
    }
}

#[rstest]
#[case("", &[])]
#[case(" 7 ;8;; ", &[Some(7), Some(8)])]
#[case("7:1690000000000;8", &[Some(7), Some(8)])]
#[case("0;-1;x;9223372036854775807;9223372036854775808;:5", &[None, None, None, Some(9_223_372_036_854_775_807), None, None])]
fn ids_that_a_property_lists(#[case] listed: &str, #[case] found: &[Option<u64>]) {
    let parsed: Vec<_> = parse_ids(listed).map(|id| id.map(|id| id.0)).collect();
    assert_eq!(parsed, found);
}

#[rstest]
// Nothing is named, or all is known as one already.
#[case(9, &[9], &[], &[])]
#[case(9, &[9], &[(9, 1), (1, 1), (2, 1)], &[])]
#[case(9, &[1, 2, 9], &[(1, 1), (2, 1), (9, 1)], &[])]
// Nothing is known, or not of the record itself.
#[case(9, &[1, 2, 9], &[], &[1, 2])]
#[case(9, &[1, 2, 9], &[(1, 1), (2, 1)], &[1, 2])]
// Known as others: a merge of two contacts that were met.
#[case(9, &[1, 2, 9], &[(1, 1), (2, 2)], &[1, 2])]
#[case(9, &[1, 2, 9], &[(1, 1), (2, 2), (9, 1)], &[2])]
// What hangs on an id that is named is joined with it.
#[case(9, &[5, 9], &[(5, 3), (3, 3), (4, 3), (7, 7)], &[3, 4, 5])]
#[case(9, &[5, 9], &[(5, 3), (3, 3), (4, 3), (9, 9)], &[3, 4, 5])]
fn ids_that_hubspot_is_asked_about(
    #[case] own: u64,
    #[case] lineage: &[u64],
    #[case] canonical: &[(u64, u64)],
    #[case] doubtful: &[u64],
) {
    let found = known(canonical).doubtful_ids(ContactId(own), &ids(lineage)).unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ids(doubtful));
}

#[rstest]
#[case::leads_to_it(&[(9, 9), (1, 9)], &[], Ok(()))]
#[case::not_found(&[(9, 9)], &[], Ok(()))]
#[case::alive(&[(9, 9), (1, 1)], &[], Err(Contradiction::Alive(ContactId(1))))]
#[case::of_another(&[(9, 9), (1, 7)], &[], Err(Contradiction::OfAnother(ContactId(1))))]
#[case::unreadable(&[(9, 9)], &[1], Err(Contradiction::Unreadable(ContactId(1))))]
#[case::nobody_at_all(&[], &[], Err(Contradiction::NotShown))]
#[case::merged_meanwhile(&[(9, 10), (1, 10)], &[], Err(Contradiction::NotShown))]
#[case::left_out(&[(1, 9)], &[], Err(Contradiction::NotShown))]
fn what_hubspot_shows_of_an_id(
    #[case] records: &[(u64, u64)],
    #[case] unreadable: &[u64],
    #[case] said: Result<(), Contradiction>,
) {
    assert_eq!(
        compare_id(ContactId(9), ContactId(1), &shown(records, unreadable)),
        said
    );
}

proptest! {
    /// Every pair is asked about once, with both its ids in one read, and no read is larger than it may be.
    #[test]
    fn reads_hold_every_pair(
        doubts in proptest::collection::vec((1_u64..60, proptest::collection::btree_set(100_u64..400, 1..40)), 0..30),
        limit in 2_usize..20,
    ) {
        let doubts: Vec<_> = doubts.into_iter()
            .map(|(own, doubtful)| (ContactId(own), doubtful.into_iter().map(ContactId).collect::<BTreeSet<_>>()))
            .collect();
        let reads = cut_reads(&doubts, limit);
        for read in &reads {
            let ids: BTreeSet<_> = read.iter().flat_map(|(own, id)| [*own, *id]).collect();
            prop_assert!(ids.len() <= limit && !read.is_empty());
        }
        let wanted: Vec<_> = doubts.iter().flat_map(|(own, ids)| ids.iter().map(|id| (*own, *id))).collect();
        prop_assert_eq!(reads.concat(), wanted);
    }

    /// Whatever is named: all of it is doubtful that the ledger does not know
    /// as the record's, and once it is joined with the record nothing is.
    #[test]
    fn nothing_is_doubtful_once_it_is_joined(
        own in 1_u64..12,
        lineage in proptest::collection::btree_set(1_u64..12, 0..6),
        canonical in proptest::collection::hash_map(1_u64..12, 1_u64..5, 0..12),
    ) {
        let mut canonical: CanonicalById = canonical.iter().map(|(id, canonical)| (ContactId(*id), ContactId(*canonical))).collect();
        let own = ContactId(own);
        let lineage: Vec<_> = lineage.into_iter().map(ContactId).chain([own]).collect();
        let doubtful = KnownLineages::from_canonical(canonical.clone()).doubtful_ids(own, &lineage).unwrap();
        prop_assert!(!doubtful.contains(&own));
        for id in &lineage {
            let same = canonical.contains_key(&own) && canonical.get(id) == canonical.get(&own);
            prop_assert!(doubtful.contains(id) || *id == own || same);
        }
        let joined = lineage.iter().chain(&doubtful).filter_map(|id| canonical.get(id)).copied().collect::<BTreeSet<_>>();
        canonical.iter_mut().filter(|(_, canonical)| joined.contains(canonical)).for_each(|(_, canonical)| *canonical = ContactId(99));
        canonical.extend(lineage.iter().map(|id| (*id, ContactId(99))));
        prop_assert!(KnownLineages::from_canonical(canonical).doubtful_ids(own, &lineage).unwrap().is_empty());
    }

    /// However many are named: those that fit are asked about, the fewest first, and nobody is lost.
    #[test]
    fn a_crowd_of_doubts_waits_in_part(sizes in proptest::collection::vec(0_usize..MAX_LINEAGE, 0..40)) {
        let many = |size: usize| (0..size as u64).map(ContactId).collect::<BTreeSet<_>>();
        let mut doubts: Vec<_> = (1_u64..).zip(&sizes).map(|(own, size)| (ContactId(own), many(*size))).collect();
        let queued = take_queued(&mut doubts);
        let sum: usize = doubts.iter().map(|(_, ids)| ids.len()).sum();
        prop_assert!(sum <= MAX_DOUBTS);
        prop_assert!(!queued.is_empty() || sum == sizes.iter().sum::<usize>());
        let all: BTreeSet<_> = queued.into_iter().chain(doubts.iter().map(|(own, _)| *own)).collect();
        prop_assert_eq!(all.len(), sizes.len());
    }
}

#[test]
fn more_ids_than_a_contact_can_have_are_not_believed() {
    let lineage: Vec<_> = (1..=MAX_LINEAGE as u64 + 1).map(ContactId).collect();
    let nothing = KnownLineages::default();
    assert_eq!(nothing.doubtful_ids(ContactId(1), &lineage).unwrap().len(), MAX_LINEAGE);
    assert_eq!(
        nothing.doubtful_ids(ContactId(9_999), &lineage),
        Err(Contradiction::TooMany)
    );
}
