#![allow(clippy::unwrap_used)]

use super::super::contact::HistoryEntry;
use super::super::ids::ContactId;
use super::*;
use crate::domain::test_support::at;
use crate::domain::trigger::TriggerKind;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const GCLID: &str = "hs_google_click_id";

/// A contact with these click ids (value, second), read at `as_of` by HubSpot's clock.
fn contact(clicks: &[(&str, i64)], properties: &[(&str, &str)], as_of: i64) -> Contact {
    let entry = |(value, second): &(&str, i64)| HistoryEntry {
        value: (*value).to_owned(),
        at: at(*second),
        by_merge: false,
    };
    Contact {
        requested_id: ContactId(1),
        id: ContactId(1),
        updated_at: Some(at(0)),
        as_of: Some(at(as_of)),
        properties: properties.iter().copied().collect(),
        history: vec![(GCLID.to_owned(), clicks.iter().map(entry).collect())],
        flaw: None,
    }
}

fn rules(share: &[SharedData], consent: bool) -> EventRules {
    EventRules {
        value: None,
        consent: consent.then(|| ConsentRule {
            property: "ads_consent".to_owned(),
            granted: vec!["true".to_owned()],
        }),
        share: share.to_vec(),
        clicks: ClickProperties {
            gclid: GCLID.to_owned(),
            gbraid: None,
            wbraid: None,
        },
        trigger_kind: TriggerKind::Stage,
    }
}

/// Settle a minute, grace an hour, clicks six hours old.
const WAITS: EntryWaits = EntryWaits {
    settle: SignedDuration::from_secs(60),
    click_grace: SignedDuration::from_hours(1),
    too_recent: SignedDuration::from_hours(6),
    window: SignedDuration::from_mins(10),
};

/// Decides by these rules and [`WAITS`].
fn by(event: &EventRules, window: ClickWindow) -> EntryRules<'_> {
    EntryRules {
        event,
        waits: &WAITS,
        window,
        region: None,
    }
}

/// The change was at second 0 and seen at once; what is decided at `now` by our clock: `send` with the click id, a
/// reason, or a reason and when it ends.
fn decided(contact: Option<&Contact>, rules: &EventRules, now: i64) -> (String, Option<i64>) {
    let occurrence = Occurrence {
        at: at(0),
        first_seen: at(0),
    };
    match decide_entry(
        contact,
        occurrence,
        &by(rules, ClickWindow::of_days(30, 40).unwrap()),
        KnownTime::undisputed(at(now)),
    ) {
        Ok(Decision::Send(prepared)) => match prepared.click {
            Some(ClickId::Gclid(id) | ClickId::Gbraid(id) | ClickId::Wbraid(id)) => (id, None),
            None => ("identifiers".to_owned(), None),
        },
        Ok(Decision::Wait { reason, due }) => (reason.to_owned(), Some(due.duration_since(at(0)).as_secs())),
        Err(SuspectedSkip { click: Some(click), .. }) => {
            ("Outside".to_owned(), Some(click.duration_since(at(0)).as_secs()))
        }
        Ok(Decision::Skip { reason }) | Err(SuspectedSkip { reason, .. }) => (reason.to_owned(), None),
    }
}

#[rstest::rstest]
#[case::settles(&[("a", -DAY)], 30, 30, ("NotDue", Some(60)))]
#[case::goes(&[("a", -DAY)], 60, 60, ("a", None))]
#[case::the_last_before(&[("a", -DAY), ("b", -7 * HOUR), ("c", 50)], 90, 90, ("b", None))]
#[case::a_later_one_inside_the_grace(&[("c", 50)], 7 * HOUR, 7 * HOUR, ("c", None))]
#[case::a_later_one_outside(&[("c", 2 * HOUR)], 7 * HOUR, 7 * HOUR, ("NoClickId", None))]
#[case::cleared(&[("a", -DAY), ("", -HOUR)], 90, 90, ("a", None))]
#[case::an_address_is_none(&[("ada@example.com", -DAY)], HOUR, HOUR, ("NoClickId", None))]
#[case::a_number_is_none(&[("a", -DAY), ("+49-30-901820", -7 * HOUR)], 90, 90, ("a", None))]
#[case::none_yet(&[], 90, 90, ("AwaitingClickId", Some(HOUR)))]
#[case::none_at_all(&[], HOUR, HOUR, ("NoClickId", None))]
#[case::young(&[("a", -HOUR)], 90, 90, ("ClickTooRecent", Some(5 * HOUR)))]
#[case::old_enough(&[("a", -HOUR)], 5 * HOUR, 5 * HOUR, ("a", None))]
#[case::window(&[("a", -41 * DAY)], 90, 90, ("Outside", Some(-41 * DAY)))]
#[case::window_of_its_first_row(&[("a", -42 * DAY), ("a", -DAY)], 90, 90, ("Outside", Some(-42 * DAY)))]
#[case::outside_by_one_read(&[("a", -31 * DAY)], 90, 90, ("NotDue", Some(90 + 600)))]
#[case::as_old_as_its_first_row(&[("a", -31 * DAY), ("a", -DAY)], 90, 90, ("NotDue", Some(90 + 600)))]
// Our clock is ten minutes behind, then ahead: how long something has lasted, HubSpot's tells.
#[case::grace_over_though_we_are_behind(&[], HOUR, HOUR - 60, ("NoClickId", None))]
#[case::grace_over_by_the_read_alone(&[], HOUR, HOUR - 600, ("AwaitingClickId", Some(HOUR - 300)))]
#[case::grace_not_over_though_we_are_ahead(&[], HOUR - 60, HOUR + 540, ("AwaitingClickId", Some(HOUR + 600)))]
#[case::click_old_enough_though_we_are_behind(&[("a", -HOUR)], 5 * HOUR, 5 * HOUR - 600, ("a", None))]
#[case::click_too_young_though_we_are_ahead(&[("a", -HOUR)], 5 * HOUR - 60, 5 * HOUR + 540, ("ClickTooRecent", Some(5 * HOUR + 600)))]
fn clicks_and_waits(
    #[case] clicks: &[(&str, i64)],
    #[case] as_of: i64,
    #[case] now: i64,
    #[case] expected: (&str, Option<i64>),
) {
    let contact = contact(clicks, &[], as_of);
    let (what, due) = decided(Some(&contact), &rules(&[], false), now);
    assert_eq!((what.as_str(), due), expected);
}

/// A change at second 0 that is first seen later, by our clock, and read then: how long it waits.
#[rstest::rstest]
#[case::long_past(DAY, DAY, None)]
#[case::just_settled(60, 60, None)]
#[case::not_settled(59, 59, Some(60))]
// How far it lay back, HubSpot's clock tells, not ours.
#[case::fresh_though_we_are_ahead(5, 605, Some(60))]
#[case::past_though_we_are_behind(DAY, DAY - 600, None)]
fn what_is_long_past_when_first_seen_has_settled(
    #[case] as_of: i64,
    #[case] first_seen: i64,
    #[case] waits_for: Option<i64>,
) {
    let contact = contact(&[("a", -DAY)], &[], as_of);
    let occurrence = Occurrence {
        at: at(0),
        first_seen: at(first_seen),
    };
    let rules = rules(&[], false);
    let first = first_wait(&contact, occurrence, &rules.clicks, &WAITS, at(first_seen));
    let waited = first.map(|(_, due)| due.duration_since(at(first_seen)).as_secs());
    assert_eq!(waited, waits_for);
    // By the read that found it, some seconds later.
    let decide = |now| {
        decide_entry(
            Some(&contact),
            occurrence,
            &by(&rules, ClickWindow::WIDEST),
            KnownTime::undisputed(at(now)),
        )
        .unwrap()
    };
    let settled = as_of >= 60 + 20;
    assert_eq!(matches!(decide(first_seen + 20), Decision::Send(_)), settled);
    assert!(matches!(decide(first_seen + 60), Decision::Send(_)));
}

/// The read says that it was made a day after the change, which has no click id.
#[rstest::rstest]
#[case::all_agree(DAY, DAY, None)]
#[case::clocks_are_some_seconds_apart(HOUR, HOUR - 60, None)]
#[case::the_read_alone_is_ahead(10, 10, Some(10 + 300))]
#[case::soon_over(HOUR, HOUR - 70, Some(HOUR + 10))]
#[case::somebody_says_that_it_is_earlier(DAY, 10, Some(DAY + 300))]
#[case::nobody_has_told_the_time(DAY, -30_000 * DAY, Some(DAY + 300))]
fn nobody_is_given_up_for_a_click_by_a_disputed_time(#[case] now: i64, #[case] certain: i64, #[case] due: Option<i64>) {
    let contact = contact(&[], &[], DAY);
    let occurrence = Occurrence {
        at: at(0),
        first_seen: at(0),
    };
    let time = KnownTime {
        now: at(now),
        certain: at(certain),
    };
    let rules = rules(&[], false);
    let waits_until = match decide_entry(Some(&contact), occurrence, &by(&rules, ClickWindow::WIDEST), time) {
        Ok(Decision::Wait { reason: why, due }) => {
            assert_eq!(why, reason::AWAITING_CLICK_ID);
            Some(due)
        }
        Err(why) => {
            assert_eq!(why.reason, reason::NO_CLICK_ID);
            None
        }
        Ok(_) => unreachable!("there is nothing to send"),
    };
    assert_eq!(waits_until, due.map(at));
}

/// By HubSpot's clock: ours may be behind.
#[rstest::rstest]
#[case::a_month_to_come(30 * DAY, 90, 90, ("NotDue", Some(30 * DAY)))]
#[case::though_we_are_ahead(HOUR, 0, 2 * HOUR, ("NotDue", Some(3 * HOUR)))]
#[case::come(HOUR, HOUR, HOUR, ("a", None))]
#[case::come_though_we_are_behind(HOUR, HOUR, 90, ("a", None))]
fn nothing_goes_before_its_time(
    #[case] entered: i64,
    #[case] as_of: i64,
    #[case] now: i64,
    #[case] expected: (&str, Option<i64>),
) {
    let contact = contact(&[("a", -DAY)], &[], as_of);
    let occurrence = Occurrence {
        at: at(entered),
        first_seen: at(0),
    };
    let wait = first_wait(&contact, occurrence, &rules(&[], false).clicks, &WAITS, at(now));
    let said = wait.map_or(("a", None), |(why, due)| {
        (why, Some(due.duration_since(at(0)).as_secs()))
    });
    assert_eq!(said, expected);
    let rules = rules(&[], false);
    let decision = decide_entry(
        Some(&contact),
        occurrence,
        &by(&rules, ClickWindow::WIDEST),
        KnownTime::undisputed(at(now)),
    );
    assert_eq!(matches!(decision, Ok(Decision::Send(_))), expected.1.is_none());
}

#[rstest::rstest]
#[case::consent_before_all(&[], &[("email", "a@example.com")], true, "NoConsent")]
#[case::granted(&[], &[("email", "a@example.com"), ("ads_consent", "true")], true, "identifiers")]
#[case::one_of_several(&[], &[("email", "a@example.com"), ("ads_consent", "no;true")], true, "identifiers")]
#[case::nothing_usable(&[], &[("email", "nonsense")], false, "NoSharedData")]
#[case::the_click_beside(&[("a", -DAY)], &[("email", "a@example.com")], false, "a")]
#[case::the_window_counts_with_identifiers_too(&[("a", -41 * DAY)], &[("email", "a@example.com")], false, "Outside")]
#[case::one_read_of_the_window_holds_identifiers_too(&[("a", -31 * DAY)], &[("email", "a@example.com")], false, "NotDue")]
#[case::consent_before_a_doubtful_window(&[("a", -31 * DAY)], &[("email", "a@example.com")], true, "NoConsent")]
fn the_first_reason_counts(
    #[case] clicks: &[(&str, i64)],
    #[case] properties: &[(&str, &str)],
    #[case] consent: bool,
    #[case] expected: &str,
) {
    let contact = contact(clicks, properties, 2 * HOUR);
    assert_eq!(
        decided(Some(&contact), &rules(&[SharedData::Email], consent), 2 * HOUR).0,
        expected
    );
}

/// Where no history exists the current value counts, unless it cannot be a click id: then the row goes by identifiers
/// alone.
#[rstest::rstest]
#[case("click-1", "click-1")]
#[case("ada@example.com", "identifiers")]
#[case("+4930901820", "identifiers")]
fn the_current_value(#[case] value: &str, #[case] expected: &str) {
    let mut contact = contact(&[], &[(GCLID, value), ("email", "a@example.com")], 2 * HOUR);
    contact.history.clear();
    assert_eq!(
        decided(Some(&contact), &rules(&[SharedData::Email], false), 2 * HOUR).0,
        expected
    );
}

#[test]
fn a_deleted_contact_comes_before_every_other_reason() {
    assert_eq!(decided(None, &rules(&[], true), 0).0, "ContactDeleted");
}
