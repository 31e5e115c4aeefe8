#![allow(clippy::unwrap_used)]

use jiff::SignedDuration;

use super::*;
use crate::domain::contact::LAST_MODIFIED;
use crate::ports::test_support::at;

/// What is later than second 10,000 is no time of HubSpot's clock.
const LATEST: i64 = 10_000;

fn stages() -> [DatedStage; 2] {
    ["customer", "lead"].map(DatedStage::new)
}

/// A contact of a search, in the stage "lead", with these properties beside.
fn found(modified: Option<i64>, properties: &[(&str, String)]) -> Contact {
    let modified = modified.map(|second| (LAST_MODIFIED, at(second).to_string()));
    let stage = (LIFECYCLE_STAGE, "lead".to_owned());
    let all = properties.iter().cloned().chain(modified).chain([stage]);
    Contact {
        requested_id: ContactId(5),
        id: ContactId(5),
        updated_at: None,
        as_of: None,
        properties: all.collect(),
        history: Vec::new(),
        flaw: None,
    }
}

fn entered(stage: &str, second: i64) -> (&'static str, String) {
    let property = if stage == "lead" {
        "hs_v2_date_entered_lead"
    } else {
        "hs_v2_date_entered_customer"
    };
    (property, at(second).to_string())
}

/// Notes that the history was read after this was found.
fn record(history: &mut ReadHistory, contact: &Contact) {
    let stages = stages();
    let candidate = Candidate::new(contact, &stages, at(LATEST));
    history.record(&candidate.read_mark(&stages, &[]));
}

#[rstest::rstest]
#[case::the_same_state(Some(100), &[entered("lead", 50)], false, false)]
#[case::modified_later(Some(101), &[entered("lead", 50)], false, true)]
#[case::an_older_answer(Some(99), &[entered("lead", 50)], false, false)]
#[case::entered_again(Some(101), &[entered("lead", 60)], true, true)]
#[case::entered_another_stage(Some(101), &[entered("lead", 50), entered("customer", 90)], true, true)]
#[case::the_entry_is_gone(Some(100), &[], true, false)]
#[case::the_modification_is_not_told(None, &[entered("lead", 50)], false, true)]
#[case::the_modification_is_no_time_of_that_clock(Some(LATEST + 1), &[entered("lead", 50)], false, true)]
fn what_is_read_once_more(
    #[case] modified: Option<i64>,
    #[case] properties: &[(&str, String)],
    #[case] by_entry: bool,
    #[case] by_modification: bool,
) {
    let mut history = ReadHistory::default();
    let before = found(Some(100), &[entered("lead", 50)]);
    let (stages, now) = (stages(), found(modified, properties));
    let candidate = Candidate::new(&now, &stages, at(LATEST));
    assert!(
        history.new_entry(&candidate) && history.new_modification(&candidate),
        "not read yet"
    );
    record(&mut history, &before);
    let wanted = (history.new_entry(&candidate), history.new_modification(&candidate));
    assert_eq!(wanted, (by_entry, by_modification));
    history.forget(ContactId(6));
    assert_eq!(history.new_entry(&candidate), by_entry, "another contact was forgotten");
    history.forget(ContactId(5));
    assert!(
        history.new_entry(&candidate) && history.new_modification(&candidate),
        "forgotten"
    );
    record(&mut history, &before);
    history.forget_all();
    assert!(
        history.new_entry(&candidate) && history.new_modification(&candidate),
        "all forgotten"
    );
}

#[test]
fn a_contact_that_is_put_aside_is_read_anyway() {
    let (mut history, stages) = (ReadHistory::default(), stages());
    let contact = found(None, &[]);
    record(&mut history, &contact);
    let candidate = Candidate::new(&contact, &stages, at(LATEST));
    assert!(
        history.new_modification(&candidate) && history.new_entry(&candidate),
        "it shows nothing"
    );
    history
        .aside
        .put_aside(ContactId(5), SignedDuration::from_mins(5), at(0));
    assert!(!history.new_modification(&candidate) && !history.new_entry(&candidate));
}

#[rstest::rstest]
#[case::in_a_stage(&found(Some(1), &[]), true)]
#[case::in_no_stage(&Contact { properties: [(LAST_MODIFIED, at(1).to_string())].into_iter().collect(), ..found(None, &[]) }, false)]
#[case::was_in_a_stage(
    &Contact {
        properties: [(LAST_MODIFIED, at(1).to_string()), entered("customer", 1)].into_iter().collect(),
        ..found(None, &[])
    },
    true,
)]
#[case::nobody_can_tell(&Contact { properties: Vec::<(&str, &str)>::new().into_iter().collect(), ..found(None, &[]) }, true)]
fn who_may_ever_have_been_in_a_stage(#[case] contact: &Contact, #[case] expected: bool) {
    let stages = stages();
    assert_eq!(
        Candidate::new(contact, &stages, at(LATEST)).may_concern(&stages),
        expected
    );
}

#[test]
fn what_a_search_shows_of_a_contact() {
    let stages = stages();
    let ahead = entered("customer", LATEST + 1);
    let contact = found(Some(LATEST), &[entered("lead", 50), ahead]);
    let candidate = Candidate::new(&contact, &stages, at(LATEST));
    assert_eq!(candidate.modified, Some(at(LATEST)));
    assert_eq!(candidate.entered_at("lead"), Some(at(50)));
    assert_eq!(candidate.entered_at("other"), None);
    assert!(candidate.is_in("lead") && !candidate.is_in("customer"));
    let shown = candidate.read_mark(&stages, &[]).shown;
    let expected = ShownState {
        modified: Some(at(LATEST)),
        entered: vec![("lead".to_owned(), at(50))],
        stage: Some("lead".to_owned()),
    };
    assert_eq!(shown, expected, "no read can show an entry of a time that has not come");
}

#[test]
fn a_read_is_confirmed_by_a_search_that_shows_the_same_values() {
    let stages = stages();
    let with = |consent: &str| found(Some(1), &[("consent", consent.to_owned())]);
    let searched = with("yes");
    let of = |properties: &[&str]| {
        let names: Vec<String> = properties.iter().copied().map(str::to_owned).collect();
        let mark = Candidate::new(&searched, &stages, at(LATEST)).read_mark(&stages, &names);
        move |read: &Contact| mark.confirms(read, &names)
    };
    let confirms = of(&["consent", LIFECYCLE_STAGE]);
    assert!(confirms(&with("yes")));
    assert!(!confirms(&with("no")) && !confirms(&found(Some(1), &[])));
    assert!(of(&[LIFECYCLE_STAGE])(&with("no")), "nobody asks for this one");
}

#[test]
fn a_merged_id_is_confirmed_for_the_contact_that_names_it() {
    let mut history = ReadHistory::default();
    history.record_confirmed([(ContactId(1), ContactId(2))]);
    let pairs = [(1, 2), (2, 1), (1, 3)];
    let known = pairs.map(|(own, id)| history.is_confirmed(ContactId(own), ContactId(id)));
    assert_eq!(known, [true, false, false]);
    history.forget_all();
    assert!(history.is_confirmed(ContactId(1), ContactId(2)), "that stays so");
}
