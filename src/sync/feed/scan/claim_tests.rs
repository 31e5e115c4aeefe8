use std::collections::BTreeSet;

use super::*;
use crate::domain::contact::{HistoryEntry, MERGED_IDS};
use crate::domain::lineage::CanonicalById;
use crate::ports::ledger::StreamId;
use crate::ports::test_support::at;

const OWN: ContactId = ContactId(9);
const TIME: EntryTime = (StreamId(1), 5_000);

fn read(merged: &str, by_merge: bool) -> Contact {
    let row = HistoryEntry {
        value: "lead".to_owned(),
        at: at(1),
        by_merge,
    };
    Contact {
        requested_id: OWN,
        id: OWN,
        updated_at: None,
        as_of: None,
        properties: [(MERGED_IDS, merged)].into_iter().collect(),
        history: vec![(LIFECYCLE_STAGE.to_owned(), vec![row])],
        flaw: None,
    }
}

/// Of one read that shows an entry at the time, beside a search that names these ids.
fn claim(named: &str, shown: &[u64], noted_in: NotedIn) -> Claim {
    let mut claim = Claim::default();
    let entry = ReadEntry { time: TIME, noted_in };
    let shown: Vec<_> = shown.iter().copied().map(ContactId).collect();
    claim.add_read(&read(named, false), vec![entry], &shown);
    claim
}

fn known(pairs: &[(u64, u64)]) -> KnownLineages {
    let canonical = pairs.iter().map(|(id, of)| (ContactId(*id), ContactId(*of)));
    KnownLineages::from_canonical(canonical.collect::<CanonicalById>())
}

fn entered(contacts: impl IntoIterator<Item = u64>) -> KnownEntries {
    KnownEntries {
        contacts: [(TIME, contacts.into_iter().map(ContactId).collect())].into(),
        ..KnownEntries::default()
    }
}

/// Of whom the ledger is asked.
#[test]
fn what_nothing_speaks_for_is_not_in_question() {
    assert!(!claim("", &[], NotedIn::Nothing).is_in_question());
    let tells = [
        claim("1", &[], NotedIn::Nothing),
        claim("", &[1], NotedIn::Nothing),
        claim("", &[], NotedIn::Memory),
        claim("", &[], NotedIn::Ledger),
    ];
    assert!(tells.iter().all(Claim::is_in_question));
    let mut merged = Claim::default();
    merged.add_read(&read("", true), vec![], &[]);
    assert!(merged.is_in_question());
}

/// Which ids HubSpot is asked about, beside those that the read names.
#[rstest::rstest]
#[case::nothing_tells(claim("", &[], NotedIn::Nothing), known(&[]), entered([1]), &[])]
#[case::the_search_names_more(claim("", &[1, 2], NotedIn::Nothing), known(&[]), entered([]), &[1, 2])]
#[case::the_read_names_one_of_them(claim("2", &[1, 2], NotedIn::Nothing), known(&[]), entered([]), &[1])]
#[case::also_of_a_contact_that_is_known(claim("", &[1], NotedIn::Nothing), known(&[(9, 9)]), entered([]), &[1])]
#[case::joined_already(claim("", &[1], NotedIn::Nothing), known(&[(9, 1), (1, 1)]), entered([]), &[])]
#[case::the_very_time(claim("", &[], NotedIn::Memory), known(&[]), entered([1]), &[1])]
#[case::of_one_that_the_read_names(claim("1", &[], NotedIn::Memory), known(&[(1, 1)]), entered([1]), &[])]
#[case::of_one_joined_with_such(claim("1", &[], NotedIn::Memory), known(&[(1, 1), (3, 1)]), entered([3]), &[])]
#[case::one_left_out(claim("2", &[], NotedIn::Memory), known(&[(1, 1)]), entered([1]), &[1])]
#[case::its_own(claim("", &[], NotedIn::Memory), known(&[]), entered([9]), &[])]
#[case::of_a_contact_that_is_known(claim("", &[], NotedIn::Memory), known(&[(9, 9)]), entered([1]), &[1])]
#[case::of_one_joined_with_it(claim("", &[], NotedIn::Memory), known(&[(9, 9), (1, 9)]), entered([1]), &[])]
#[case::several(claim("", &[], NotedIn::Memory), known(&[]), entered(20..22), &[20, 21])]
#[case::by_themselves(claim("", &[], NotedIn::Memory), known(&[]), entered(20..40), &(20..40).collect::<Vec<_>>())]
fn ids_that_a_read_may_have_left_out(
    #[case] claim: Claim,
    #[case] known: KnownLineages,
    #[case] entered: KnownEntries,
    #[case] suspected: &[u64],
) {
    let expected = SuspectedIds {
        telling: suspected.iter().copied().map(ContactId).collect(),
        of_import: BTreeSet::new(),
    };
    assert_eq!(claim.suspected_ids(OWN, &known, &entered), expected);
}

/// Of those that an import has changed together one that leads to the contact tells, and nothing else.
#[rstest::rstest]
#[case::some(21, 21)]
#[case::many(500, 500)]
#[case::too_many_to_ask(501, 0)]
fn ids_that_have_entered_with_an_import(#[case] others: u64, #[case] asked: usize) {
    let (claim, entered) = (claim("", &[7], NotedIn::Memory), entered(1_000..1_000 + others));
    let found = claim.suspected_ids(OWN, &known(&[]), &entered);
    assert_eq!(found.of_import.len(), asked);
    assert_eq!(found.telling, BTreeSet::from([ContactId(7)]), "the search names it");
    assert_eq!(claim.suspicion(OWN, &known(&[]), &entered), None);
}

/// What speaks for a merge that no id explains.
#[rstest::rstest]
#[case::nothing("", false, &[], &[], None)]
#[case::a_merge_wrote_a_row("", true, &[], &[], Some(Suspicion::History))]
#[case::of_those_it_names("1", true, &[], &[], None)]
#[case::another_entered_then("", false, &[1], &[], Some(Suspicion::SameTime(TIME.1)))]
#[case::one_that_it_names("1", false, &[1], &[], None)]
#[case::somebody_archived_entered_then("", false, &[], &[TIME], Some(Suspicion::History))]
#[case::also_beside_those_it_names("1", false, &[1], &[TIME], Some(Suspicion::History))]
fn merges_without_ids(
    #[case] named: &str,
    #[case] by_merge: bool,
    #[case] contacts: &[u64],
    #[case] archived: &[EntryTime],
    #[case] expected: Option<Suspicion>,
) {
    let mut claim = Claim::default();
    let entry = ReadEntry {
        time: TIME,
        noted_in: NotedIn::Ledger,
    };
    claim.add_read(&read(named, by_merge), vec![entry], &[]);
    let entered = KnownEntries {
        archived: archived.iter().copied().collect(),
        ..entered(contacts.iter().copied())
    };
    assert_eq!(claim.suspicion(OWN, &known(&[]), &entered), expected);
    // A contact that is known has been merged before.
    let of_known = claim.suspicion(OWN, &known(&[(9, 9)]), &entered);
    assert_eq!(of_known, expected.filter(|_| !by_merge));
}

#[test]
fn too_many_ids_of_a_search_are_no_ids() {
    let ids: Vec<u64> = (10..=10 + MAX_LINEAGE as u64).collect();
    assert!(claim("", &ids, NotedIn::Nothing).shown().is_empty());
    assert_eq!(claim("", &ids[1..], NotedIn::Nothing).shown().len(), MAX_LINEAGE);
}
