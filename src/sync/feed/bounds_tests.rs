use super::*;
use crate::domain::eligibility::{ConsentRule, ValueRule};
use crate::domain::trigger::{Trigger, TriggerKind};
use crate::ports::test_support::at;
use crate::sync::test_support::{GCLID, event};

/// An event that starts at second 1,000, on this stage, with what was covered: from when, up to when.
fn tracked(stage: &str, covered: Option<(i64, i64)>) -> Tracked {
    let mut event = event("event");
    (event.trigger, event.start) = (Trigger::Stage(stage.to_owned()), at(1_000));
    let mark = |(from, cursor)| Watermark {
        covered_from: at(from),
        cursor: at(cursor),
    };
    Tracked {
        event: Arc::new(event),
        stream: StreamId(1),
        mark: covered.map(mark),
    }
}

fn back(seconds: i64, reached: Option<i64>) -> Lookback {
    Lookback {
        by: SignedDuration::from_secs(seconds),
        reached: reached.map(at),
    }
}

#[rstest::rstest]
#[case::first_read(None, None, 1_000)]
#[case::first_read_whatever_others_have_reached(None, Some(9_000), 1_000)]
#[case::a_little_before_the_newest(Some((1_000, 5_000)), None, 4_880)]
#[case::a_little_before_what_was_reached(Some((1_000, 5_000)), Some(6_000), 5_880)]
#[case::never_further_back_than_the_newest(Some((1_000, 5_000)), Some(4_000), 4_880)]
#[case::never_before_the_start(Some((1_000, 1_010)), None, 1_000)]
#[case::an_earlier_start_reads_from_there(Some((2_000, 5_000)), Some(6_000), 1_000)]
#[case::a_gap_is_read(Some((100, 900)), Some(6_000), 1_000)]
fn where_a_pass_begins(#[case] covered: Option<(i64, i64)>, #[case] reached: Option<i64>, #[case] begins: i64) {
    assert_eq!(tracked("customer", covered).lower_bound(back(120, reached)), at(begins));
}

#[rstest::rstest]
#[case::first_read(None, 3_000, (1_000, 3_000))]
#[case::first_read_that_saw_nobody(None, -1, (1_000, 1_000))]
#[case::moves_on(Some((1_000, 5_000)), 5_500, (1_000, 5_500))]
#[case::never_back(Some((1_000, 5_000)), 4_900, (1_000, 5_000))]
#[case::nobody_seen(Some((1_000, 5_000)), -1, (1_000, 5_000))]
#[case::an_earlier_start_is_covered_too(Some((2_000, 5_000)), 5_500, (1_000, 5_500))]
#[case::what_lies_before_a_gap_no_longer_counts(Some((100, 900)), 5_500, (1_000, 5_500))]
fn where_the_mark_moves(#[case] covered: Option<(i64, i64)>, #[case] newest: i64, #[case] mark: (i64, i64)) {
    let newest = if newest < 0 { Timestamp::MIN } else { at(newest) };
    let after = tracked("customer", covered).mark_after(SignedDuration::from_secs(120), newest);
    assert_eq!((after.covered_from, after.cursor), (at(mark.0), at(mark.1)));
}

#[test]
fn a_stage_is_read_from_where_any_of_its_events_needs() {
    let events = [
        tracked("customer", Some((1_000, 5_000))),
        tracked("lead", Some((1_000, 4_000))),
        tracked("customer", None),
        tracked("customer", Some((1_000, 6_000))),
    ];
    let bounds = stage_bounds(&events, back(120, None));
    let expected = [("customer".to_owned(), at(1_000)), ("lead".to_owned(), at(3_880))];
    assert_eq!(bounds, expected.into());
}

#[test]
fn contacts_are_read_once_for_all_events_of_a_kind() {
    let (mut stage, mut form) = (event("stage"), event("form"));
    stage.rules.value = Some(ValueRule::DealAmount {
        default: crate::api::Money {
            amount: 1.into(),
            currency: "EUR".to_owned(),
        },
    });
    form.rules.trigger_kind = TriggerKind::Form;
    form.trigger = Trigger::Form("a-form".to_owned());
    form.rules.consent = Some(ConsentRule {
        property: "consent".to_owned(),
        granted: vec!["yes".to_owned()],
    });
    let events = [stage, form].map(Arc::new);
    let (plain, history) = contact_query(&events).as_ref().clone();
    assert_eq!(history, [GCLID, LIFECYCLE_STAGE]);
    assert_eq!(
        plain,
        [GCLID, "hs_merged_object_ids", LIFECYCLE_STAGE, "num_associated_deals"]
    );
    let (plain, history) = form_contact_query(&events).as_ref().clone();
    assert_eq!(history, [""; 0], "of a submission only its time counts");
    assert_eq!(plain, ["consent", "hs_merged_object_ids"]);
}
