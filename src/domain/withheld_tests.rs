use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::api::Money;
use crate::domain::click_window::ClickWindow;
use crate::domain::contact::LIFECYCLE_STAGE;
use crate::domain::eligibility::{
    ClickProperties, ConsentRule, Decision, EntryRules, EntryWaits, Occurrence, SuspectedSkip, decide_entry,
    properties_of,
};
use crate::domain::enhancement::{Person, SubmissionRules, SubmissionWaits, Submitted, decide_submission};
use crate::domain::ids::ContactId;
use crate::domain::outcome::reason;
use crate::domain::steady_time::KnownTime;
use crate::domain::trigger::TriggerKind;
use crate::ports::test_support::at;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// An event that needs one property for each purpose.
fn rules(trigger_kind: TriggerKind) -> EventRules {
    EventRules {
        value: Some(ValueRule::DealAmount {
            default: Money {
                amount: 1.into(),
                currency: "EUR".to_owned(),
            },
        }),
        consent: Some(ConsentRule {
            property: "ads_consent".to_owned(),
            granted: vec!["yes".to_owned()],
        }),
        share: vec![SharedData::Email, SharedData::Address],
        clicks: ClickProperties {
            gclid: "gclid".to_owned(),
            gbraid: Some("gbraid".to_owned()),
            wbraid: None,
        },
        trigger_kind,
    }
}

/// A contact with a click, consent or none, and an address, read without these properties.
fn contact(consent: Option<&str>, withheld: &[&str]) -> Contact {
    let all = [
        ("gclid", Some("click")),
        ("ads_consent", consent),
        ("email", Some("ada@example.com")),
    ];
    let given = all
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(name, _)| !withheld.contains(name));
    let names: BTreeSet<String> = withheld.iter().map(|name| (*name).to_owned()).collect();
    let properties: crate::domain::contact::Properties = given.collect();
    Contact {
        requested_id: ContactId(1),
        id: ContactId(1),
        updated_at: None,
        as_of: Some(at(900_000)),
        properties: properties.withholding((!names.is_empty()).then(|| Arc::new(names))),
        history: Vec::new(),
        flaw: None,
    }
}

#[rstest::rstest]
#[case::consent("ads_consent", Some("consent.property"), Some("consent.property"))]
#[case::click("gclid", Some("clickIds.gclidProperty"), None)]
#[case::another_click("gbraid", Some("clickIds.gbraidProperty"), None)]
#[case::deals(DEAL_COUNT, Some("value.dealAmount"), Some("value.dealAmount"))]
#[case::shared("email", Some("shareData"), Some("shareData"))]
#[case::part_of_an_address("zip", Some("shareData"), Some("shareData"))]
#[case::street("city", None, Some("shareData"))]
#[case::of_another_event("bad_prop", None, None)]
fn what_an_event_needs(#[case] name: &str, #[case] stage: Option<&str>, #[case] form: Option<&str>) {
    assert_eq!(
        [TriggerKind::Stage, TriggerKind::Form].map(|kind| rules(kind).field_of(name)),
        [stage, form]
    );
}

/// Whatever is read for an event, but for the stage and the lineage, has a field that it is read for.
#[test]
fn every_property_that_is_read_is_needed() {
    for kind in [TriggerKind::Stage, TriggerKind::Form] {
        let (plain, history) = properties_of([&rules(kind)]);
        for name in plain.iter().chain(&history) {
            let own = [LIFECYCLE_STAGE, crate::domain::contact::MERGED_IDS].contains(&name.as_str());
            assert_eq!(rules(kind).field_of(name).is_none(), own, "{name}");
        }
    }
}

fn entry(contact: &Contact) -> Decision {
    let waits = EntryWaits {
        settle: MINUTE,
        click_grace: MINUTE,
        too_recent: MINUTE,
        window: MINUTE,
    };
    let occurrence = Occurrence {
        at: at(1_000),
        first_seen: at(1_000),
    };
    let by = EntryRules {
        event: &rules(TriggerKind::Stage),
        waits: &waits,
        window: ClickWindow::WIDEST,
        region: None,
    };
    decide_entry(Some(contact), occurrence, &by, KnownTime::undisputed(at(900_000))).unwrap_or_else(SuspectedSkip::skip)
}

#[rstest::rstest]
#[case::all_is_known(Some("yes"), &[], "send")]
#[case::no_consent(None, &[], reason::NO_CONSENT)]
#[case::consent_is_not_known(None, &["ads_consent"], "wait")]
#[case::consent_was_given_before(Some("yes"), &["ads_consent"], "wait")]
#[case::the_click_is_not_known(Some("yes"), &["gclid"], "wait")]
#[case::nor_the_second_one(Some("yes"), &["gbraid"], "wait")]
#[case::shared_data_is_not_known(Some("yes"), &["email"], "wait")]
#[case::nor_whether_there_are_deals(Some("yes"), &[DEAL_COUNT], "wait")]
#[case::what_others_need(Some("yes"), &["bad_prop"], "send")]
#[case::without_consent_too(None, &["bad_prop"], reason::NO_CONSENT)]
fn nothing_is_decided_from_what_was_not_read(
    #[case] consent: Option<&str>,
    #[case] withheld: &[&str],
    #[case] expected: &str,
) {
    let decided = match entry(&contact(consent, withheld)) {
        Decision::Send(prepared) => {
            assert!(prepared.consent_granted);
            "send"
        }
        Decision::Wait { reason, due } => {
            assert_eq!((reason, due), (reason::UPSTREAM_UNAVAILABLE, at(900_060)));
            "wait"
        }
        Decision::Skip { reason } => reason,
    };
    assert_eq!(decided, expected);
}

#[rstest::rstest]
#[case::known(&[], 2_000, "send")]
#[case::consent(&["ads_consent"], 2_000, reason::UNREADABLE_RECORD)]
#[case::shared(&["email"], 2_000, reason::UNREADABLE_RECORD)]
#[case::at_the_end(&["ads_consent"], 90_000, reason::DEADLINE_MISSED)]
#[case::of_others(&["bad_prop"], 2_000, "send")]
fn nor_about_a_submission(#[case] withheld: &[&str], #[case] now: i64, #[case] expected: &str) {
    let contact = contact(Some("yes"), withheld);
    let waits = SubmissionWaits {
        settle: MINUTE,
        grace: MINUTE,
        deadline: SignedDuration::from_hours(24),
        pause: MINUTE,
    };
    let submitted = Submitted {
        at: at(1_000),
        first_seen: at(1_000),
        named: true,
    };
    let person = Person::Known(&contact);
    let by = SubmissionRules {
        event: &rules(TriggerKind::Form),
        waits: &waits,
        region: None,
    };
    let decided = decide_submission(&person, submitted, &by, KnownTime::undisputed(at(now)));
    let decided = match decided.unwrap_or_else(SuspectedSkip::skip) {
        Decision::Send(_) => "send",
        Decision::Wait { reason, .. } | Decision::Skip { reason } => reason,
    };
    assert_eq!(decided, expected);
}

#[test]
fn an_event_says_what_it_lacks_and_where_it_is_named() {
    let withheld = |name: &str, seconds| {
        let known = Withheld {
            why: "HTTP 403 MISSING_SCOPES".to_owned(),
            again: SignedDuration::from_secs(seconds),
        };
        (name.to_owned(), known)
    };
    let others = WithheldProperties::from([withheld("bad_prop", 1)]);
    assert_eq!(rules(TriggerKind::Stage).describe_withheld(&others), None);
    let own = WithheldProperties::from([
        withheld("bad_prop", 1),
        withheld("ads_consent", 9),
        withheld("email", 5),
    ]);
    let described = rules(TriggerKind::Stage).describe_withheld(&own);
    let (message, again) = described.unwrap_or_else(|| panic!("it needs two of them"));
    assert_eq!(again, SignedDuration::from_secs(5));
    for part in [
        "\"ads_consent\" (spec.consent.property)",
        "HTTP 403 MISSING_SCOPES",
        "other events go on",
    ] {
        assert!(message.contains(part), "{message}");
    }
}
