#![allow(clippy::unwrap_used)]

use rstest::rstest;

use super::super::contact::{HistoryEntry, LIFECYCLE_STAGE};
use super::super::eligibility::ValueRule;
use super::super::ids::ContactId;
use super::*;
use crate::api::Money;
use crate::domain::test_support::at;
use crate::domain::trigger::TriggerKind;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const GCLID: &str = "hs_google_click_id";
/// A click id, an address and a phone: none of them may be in a text.
const SECRETS: [(&str, &str); 4] = [
    (GCLID, "Cj0KCQ-secret"),
    ("email", "ada@example.com"),
    ("phone", "+49 30 901820"),
    ("ads_consent", "yes-secret"),
];

fn contact(stages: &[(&str, i64, bool)], click: Option<i64>) -> Contact {
    let stage = |(value, second, by_merge): &(&str, i64, bool)| HistoryEntry {
        value: (*value).to_owned(),
        at: at(*second),
        by_merge: *by_merge,
    };
    let click = click.map(|second| HistoryEntry {
        value: SECRETS[0].1.to_owned(),
        at: at(second),
        by_merge: false,
    });
    Contact {
        requested_id: ContactId(1),
        id: ContactId(1),
        updated_at: Some(at(0)),
        as_of: Some(at(10 * DAY)),
        properties: SECRETS.iter().copied().skip(usize::from(click.is_none())).collect(),
        history: vec![
            (LIFECYCLE_STAGE.to_owned(), stages.iter().map(stage).collect()),
            (GCLID.to_owned(), click.into_iter().collect()),
        ],
        flaw: None,
    }
}

fn event_rules(granted: &str) -> EventRules {
    EventRules {
        value: Some(ValueRule::Fixed(Money {
            amount: "250".parse().unwrap(),
            currency: "EUR".to_owned(),
        })),
        consent: Some(ConsentRule {
            property: "ads_consent".to_owned(),
            granted: vec![granted.to_owned()],
        }),
        share: vec![SharedData::Email, SharedData::Address],
        clicks: ClickProperties {
            gclid: GCLID.to_owned(),
            gbraid: None,
            wbraid: None,
        },
        trigger_kind: TriggerKind::Stage,
    }
}

const ENTRY_WAITS: EntryWaits = EntryWaits {
    settle: SignedDuration::from_secs(60),
    click_grace: SignedDuration::from_hours(1),
    too_recent: SignedDuration::from_hours(6),
    window: SignedDuration::from_mins(10),
};

const SUBMISSION_WAITS: enhancement::SubmissionWaits = enhancement::SubmissionWaits {
    settle: SignedDuration::from_secs(60),
    grace: SignedDuration::from_hours(1),
    deadline: SignedDuration::from_mins(23 * 60 + 45),
    pause: SignedDuration::from_secs(60),
};

fn rules(event: &EventRules, window_days: i64) -> ExplanationRules<'_> {
    ExplanationRules {
        event,
        entry_waits: &ENTRY_WAITS,
        submission_waits: &SUBMISSION_WAITS,
        window: ClickWindow::of_days(window_days, window_days),
        region: None,
        worth: ValueFacts {
            deals: None,
            company_currency: "",
            recorded: None,
        },
    }
}

const OCCURRENCE: fn() -> Occurrence = || Occurrence {
    at: at(0),
    first_seen: at(30),
};

#[test]
fn entries_that_are_no_conversion_say_why() {
    let stages = [
        ("customer", -10, false),
        ("customer", 1, false),
        ("lead", 2, false),
        ("customer", 3, true),
        ("lead", 4, false),
        ("customer", 5, false),
    ];
    let told = stage_story(&contact(&stages, None), "customer", at(0));
    let why: Vec<_> = told
        .iter()
        .map(|entry| entry.why_not.clone().unwrap_or_default())
        .collect();
    assert_eq!(why.len(), 4);
    assert!(why[0].contains("before the event's start"), "{}", why[0]);
    assert!(why[1].contains("already"), "{}", why[1]);
    assert!(why[2].contains("merge"), "{}", why[2]);
    assert_eq!(why[3], "");
}

#[test]
fn what_is_a_conversion_is_what_the_feed_takes_for_one() {
    let stages = [
        ("customer", -10, false),
        ("lead", 0, false),
        ("customer", 3, true),
        ("customer", 5, false),
    ];
    let contact = contact(&stages, None);
    let told = stage_story(&contact, "customer", at(0));
    let counted: Vec<_> = told
        .iter()
        .filter(|entry| entry.why_not.is_none())
        .map(|entry| entry.at)
        .collect();
    assert_eq!(
        counted,
        super::super::occurrence::stage_entries(&contact, "customer", at(0))
    );
}

#[rstest]
#[case::inside(Some(-3 * DAY), 30, "3.0 days before the stage change, inside the click window of 30 days")]
#[case::outside(Some(-3 * DAY), 2, "3.0 days before the stage change, outside the click window of 2 days")]
#[case::hours(Some(-90 * 60), 30, "1.5 hours before")]
#[case::minutes(Some(-60), 30, "1 minute before")]
#[case::after(Some(HOUR / 2), 30, "30 minutes after the stage change. It is sent")]
#[case::none(None, 30, "None: hs_google_click_id held no click id")]
fn clicks(#[case] click: Option<i64>, #[case] window: i64, #[case] says: &str) {
    let event = event_rules("yes-secret");
    let told = explain_entry(
        &contact(&[("customer", 0, false)], click),
        OCCURRENCE(),
        &rules(&event, window),
        at(10 * DAY),
    );
    assert!(told[0].says.contains(says), "{}", told[0].says);
}

#[test]
fn a_click_id_that_may_still_appear_is_waited_for() {
    let event = event_rules("yes-secret");
    let read = Contact {
        as_of: Some(at(HOUR - 1)),
        ..contact(&[("customer", 0, false)], None)
    };
    let told = explain_entry(&read, OCCURRENCE(), &rules(&event, 30), at(10 * DAY));
    let until = format!("One that appears until {:.0} counts.", at(HOUR));
    assert!(
        told[0].says.starts_with("None yet") && told[0].says.ends_with(&until),
        "{}",
        told[0].says
    );
}

#[rstest]
#[case::granted("yes-secret", Some(-3 * DAY), "It would be sent now.")]
#[case::not_granted("true", Some(-3 * DAY), "It would be skipped as NoConsent.")]
fn the_decision_of_today(#[case] granted: &str, #[case] click: Option<i64>, #[case] says: &str) {
    let event = event_rules(granted);
    let contact = contact(&[("customer", 0, false)], click);
    let told = decide_now(
        &contact,
        &not_due(),
        &rules(&event, 30),
        KnownTime::undisputed(at(10 * DAY)),
    );
    assert!(told.says.starts_with(says), "{}", told.says);
}

/// One that waits as this, and is looked at again then.
fn waiting(reason: &str, next: Option<Timestamp>) -> WaitingConversion<'_> {
    WaitingConversion {
        occurrence: OCCURRENCE(),
        named: false,
        reason,
        next,
    }
}

fn not_due() -> WaitingConversion<'static> {
    waiting("NotDue", None)
}

#[rstest]
#[case::due("NotDue", Some(-1), "It would be sent now.")]
#[case::later(
    "NotDue",
    Some(60),
    "The contact's data does not hold it back. It is judged with its next look."
)]
#[case::account("AccountNotReady", Some(-1), "The contact's data does not hold it back. It waits as AccountNotReady.")]
#[case::quota(
    "QuotaExhausted",
    Some(60),
    "The contact's data does not hold it back. It waits as QuotaExhausted."
)]
#[case::tag(
    "AwaitingWebConversion",
    None,
    "The contact's data does not hold it back. It waits as AwaitingWebConversion."
)]
fn what_else_holds_it_back_is_not_passed_over(#[case] reason: &str, #[case] next: Option<i64>, #[case] says: &str) {
    let event = event_rules("yes-secret");
    let contact = contact(&[("customer", 0, false)], Some(-3 * DAY));
    let waiting = waiting(reason, next.map(|second| at(10 * DAY + second)));
    let told = decide_now(
        &contact,
        &waiting,
        &rules(&event, 30),
        KnownTime::undisputed(at(10 * DAY)),
    );
    assert_eq!(told.says, says);
}

#[test]
fn usable_data_is_not_claimed_to_be_sent() {
    let event = EventRules {
        share: vec![SharedData::Email, SharedData::Phone],
        ..event_rules("yes-secret")
    };
    let shared = |contact: &Contact| {
        let told = explain_entry(contact, OCCURRENCE(), &rules(&event, 30), at(10 * DAY));
        told[2].says.clone()
    };
    let mut contact = contact(&[("customer", 0, false)], None);
    assert_eq!(shared(&contact), "Usable: Email, Phone (hashed if it is sent).");
    let without = |contact: &Contact, phone: Option<&'static str>| {
        let mut properties: Vec<(&str, &str)> = vec![SECRETS[1]];
        properties.extend(phone.map(|phone| ("phone", phone)));
        Contact {
            properties: properties.into_iter().collect(),
            ..contact.clone()
        }
    };
    contact = without(&contact, None);
    assert!(shared(&contact).ends_with("Not usable: Phone (phone and mobilephone are empty)."));
    let national = shared(&without(&contact, Some("030 901820")));
    assert!(national.contains("needs the contact's country"), "{national}");
}

#[test]
fn a_waiting_conversion_shows_one_time() {
    let event = event_rules("yes-secret");
    let read = Contact {
        as_of: Some(at(10)),
        ..contact(&[("customer", 0, false)], None)
    };
    let told = |reason, next| {
        decide_now(
            &read,
            &waiting(reason, next),
            &rules(&event, 30),
            KnownTime::undisputed(at(40)),
        )
        .says
    };
    let begin = "It waits as AwaitingClickId";
    let first = told("NotDue", None);
    assert!(first.starts_with(&format!("{begin} until ")), "{first}");
    let said = told("NotDue", Some(at(90)));
    assert!(
        said.starts_with(&format!("{begin}. ")) && !said.contains("2026-"),
        "{said}"
    );
    // What it means is said of its reason already.
    assert_eq!(told("AwaitingClickId", Some(at(90))), format!("{begin}."));
}

#[test]
fn a_submission_names_its_deadline() {
    let event = EventRules {
        trigger_kind: TriggerKind::Form,
        ..event_rules("yes-secret")
    };
    let contact = contact(&[], None);
    let deadline = |outcome| {
        let told = explain_submission(&contact, at(0), outcome, &rules(&event, 30));
        let found = told.into_iter().find(|line| line.about == "deadline");
        found.map(|line| line.says).unwrap_or_default()
    };
    let until = format!("{:.0}", at(0) + SUBMISSION_WAITS.deadline);
    let waits = deadline(Outcome::Pending);
    assert!(waits.starts_with(&format!("It can be sent until {until}.")), "{waits}");
    assert_eq!(deadline(Outcome::Skipped), format!("It could be sent until {until}."));
    for sent in [Outcome::Processing, Outcome::Uploaded, Outcome::Rejected] {
        assert_eq!(deadline(sent), "", "{sent:?}: no time is left for what was sent");
    }
    let named = WaitingConversion {
        named: true,
        ..not_due()
    };
    let late = decide_now(
        &contact,
        &named,
        &rules(&event, 30),
        KnownTime::undisputed(at(10 * DAY)),
    );
    assert!(late.says.contains("DeadlineMissed"), "{}", late.says);
}

#[test]
fn what_is_decided_was_not_decided_by_what_is_shown_of_today() {
    assert_eq!(explain_decision(Outcome::Pending, at(0)), None);
    for outcome in [
        Outcome::Skipped,
        Outcome::Processing,
        Outcome::Uploaded,
        Outcome::Rejected,
    ] {
        let told = explain_decision(outcome, at(0)).unwrap();
        assert!(told.says.contains("is shown here as it is today"), "{}", told.says);
        let stays = told.says.contains("It stays skipped");
        assert_eq!(stays, outcome == Outcome::Skipped, "{}", told.says);
    }
    let gone = decide_gone().says;
    assert!(gone.contains("skipped as ContactDeleted and not sent"), "{gone}");
}

#[test]
fn no_value_of_a_property_is_shown() {
    for granted in ["yes-secret", "true"] {
        for click in [None, Some(-DAY), Some(10)] {
            let event = event_rules(granted);
            let contact = contact(&[("customer", 0, false)], click);
            let rules = rules(&event, 30);
            let mut told = explain_entry(&contact, OCCURRENCE(), &rules, at(10 * DAY));
            told.extend(explain_submission(&contact, at(0), Outcome::Pending, &rules));
            told.push(decide_now(&contact, &not_due(), &rules, KnownTime::undisputed(at(DAY))));
            for line in told {
                for (name, value) in SECRETS {
                    assert!(!line.says.contains(value), "{name} in {}", line.says);
                }
            }
        }
    }
}
