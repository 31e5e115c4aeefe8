use std::sync::Arc;

use super::*;
use crate::domain::contact::Properties;
use crate::domain::test_support::at;
use crate::sync::contact_cache::tests::contact;
use crate::sync::test_support::FakePortal;

fn with_address(id: u64, address: Option<&str>) -> Contact {
    Contact {
        properties: address.map(|address| ("email", address)).into_iter().collect(),
        ..Contact::clone(&contact(id, 1))
    }
}

fn answer(shown: &[&str], unreadable: &[&str]) -> AddressBatch {
    let contacts = (1..).zip(shown);
    AddressBatch {
        contacts: contacts
            .map(|(id, address)| ((*address).to_owned(), with_address(id, Some(address))))
            .collect(),
        unreadable: unreadable.iter().map(|a| ((*a).to_owned(), "odd".to_owned())).collect(),
    }
}

fn somebody() -> Beside {
    Beside::Somebody(vec!["known@x".to_owned()])
}

/// Who was asked for beside, who is shown, who can't be read; whether
/// the answer tells of the others, and whether it was in vain.
#[rstest::rstest]
#[case::nobody_of_anybody(Beside::Unknown, &[], &[], (false, false))]
#[case::somebody_by_chance(Beside::Unknown, &["a@x"], &[], (true, false))]
#[case::the_one_beside(somebody(), &["known@x"], &[], (true, false))]
#[case::another_than_that(somebody(), &["a@x"], &[], (true, false))]
#[case::nobody_though_there_is_somebody(somebody(), &[], &[], (false, true))]
#[case::none_that_can_be_read(somebody(), &[], &["a@x", "known@x"], (false, true))]
#[case::nobody_has_an_address(Beside::Nobody, &[], &[], (true, false))]
fn an_answer_tells_of_others_if_it_shows_somebody(
    #[case] beside: Beside,
    #[case] shown: &[&str],
    #[case] unreadable: &[&str],
    #[case] wanted: (bool, bool),
) {
    let mut found = FoundAddresses::default();
    let tells = found.take_answer(&beside, &answer(shown, unreadable), at(1));
    assert_eq!((tells, found.fruitless.is_running()), wanted);
}

#[test]
fn fruitless_answers_last_until_one_shows_somebody() {
    let mut found = FoundAddresses::default();
    found.take_answer(&somebody(), &answer(&[], &[]), at(1));
    found.take_answer(&Beside::Unknown, &answer(&[], &[]), at(2));
    assert!(found.fruitless.is_running(), "that one tells nothing");
    found.take_answer(&Beside::Unknown, &answer(&["a@x"], &[]), at(3));
    assert!(!found.fruitless.is_running());
}

async fn beside(found: &FoundAddresses, contacts: Vec<Contact>) -> Beside {
    let portal: Arc<FakePortal> = FakePortal::new(contacts);
    found.find_beside(portal.as_ref()).await
}

#[tokio::test]
async fn those_whom_a_search_lists_are_asked_for_until_an_answer_has_shown_others() {
    let mut found = FoundAddresses::default();
    let lists = |addresses: &[&str]| Beside::Somebody(addresses.iter().map(|a| (*a).to_owned()).collect());
    let all = [None, Some("no address"), Some("a@x;b@x"), Some(" C@x "), Some("d@x")];
    let contacts = || (1..).zip(all).map(|(id, address)| with_address(id, address)).collect();
    assert_eq!(beside(&found, contacts()).await, lists(&["c@x", "d@x"]));
    let six: Vec<Contact> = (1..=6).map(|id| with_address(id, Some(&format!("{id}@x")))).collect();
    assert_eq!(beside(&found, six).await, lists(&["1@x", "2@x", "3@x", "4@x"]));
    found.take_answer(&Beside::Unknown, &answer(&["e@x"], &[]), at(1));
    assert_eq!(beside(&found, contacts()).await, lists(&["e@x"]));
    found.take_answer(&lists(&["e@x"]), &answer(&[], &[]), at(2));
    assert_eq!(
        beside(&found, contacts()).await,
        lists(&["c@x", "d@x"]),
        "that one may be gone"
    );
}

#[tokio::test]
async fn a_portal_without_addresses_has_nobody_to_ask_for() {
    let found = FoundAddresses::default();
    assert_eq!(beside(&found, Vec::new()).await, Beside::Nobody);
    assert_eq!(beside(&found, vec![with_address(1, None)]).await, Beside::Nobody);
    assert_eq!(
        beside(&found, vec![with_address(1, Some("odd"))]).await,
        Beside::Unknown
    );
    let mut withheld = with_address(1, None);
    withheld.properties = Properties::default().without(["email".to_owned()].into());
    assert_eq!(beside(&found, vec![withheld]).await, Beside::Unknown);
}
