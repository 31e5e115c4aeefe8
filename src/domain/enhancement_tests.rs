#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::super::eligibility::{ClickProperties, ConsentRule};
use super::super::ids::ContactId;
use super::*;
use crate::api::SharedData;
use crate::domain::trigger::TriggerKind;

const WAITS: SubmissionWaits = SubmissionWaits {
    settle: SignedDuration::from_secs(60),
    grace: SignedDuration::from_hours(1),
    deadline: SignedDuration::from_secs(85_500),
    pause: SignedDuration::from_secs(60),
};

fn t(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn rules() -> EventRules {
    EventRules {
        value: None,
        consent: Some(ConsentRule {
            property: "ads_consent".into(),
            granted: vec!["true".into()],
        }),
        share: vec![SharedData::Email],
        clicks: ClickProperties {
            gclid: "hs_google_click_id".into(),
            gbraid: None,
            wbraid: None,
        },
        trigger_kind: TriggerKind::Form,
    }
}

fn contact(properties: &[(&str, &str)]) -> Contact {
    Contact {
        requested_id: ContactId(1),
        id: ContactId(1),
        updated_at: Some(Timestamp::UNIX_EPOCH),
        as_of: None,
        properties: properties.iter().copied().collect(),
        history: Vec::new(),
        flaw: None,
    }
}

/// For so many seconds all looks have found that nobody has the address.
fn not_found(seconds: Option<i64>) -> Person<'static> {
    let nobodys_for = seconds.map(SignedDuration::from_secs);
    Person::NotFound { nobodys_for }
}

fn decided(
    person: &Person<'_>,
    submitted: Submitted,
    rules: &EventRules,
    waits: &SubmissionWaits,
    region: Option<&str>,
    now: Timestamp,
) -> Decision {
    let by = SubmissionRules {
        event: rules,
        waits,
        region,
    };
    decide_submission(person, submitted, &by, KnownTime::undisputed(now)).unwrap_or_else(SuspectedSkip::skip)
}

fn said(decision: &Decision) -> (&'static str, i64) {
    match decision {
        Decision::Send(_) => ("Send", 0),
        Decision::Wait { reason, due } => (reason, due.as_second()),
        Decision::Skip { reason } => (reason, 0),
    }
}

const CONSENTING: &[(&str, &str)] = &[("ads_consent", "true"), ("email", "ada@example.com")];
const SILENT: &[(&str, &str)] = &[("email", "ada@example.com")];
const BARE: &[(&str, &str)] = &[("ads_consent", "true")];

#[rstest]
#[case::settles(Some(CONSENTING), true, 30, ("NotDue", 70))]
#[case::sent(Some(CONSENTING), true, 70, ("Send", 0))]
#[case::sent_at_the_last_second(Some(CONSENTING), true, 85_499, ("Send", 0))]
#[case::too_late(Some(CONSENTING), true, 85_500, ("DeadlineMissed", 0))]
#[case::no_consent_yet(Some(SILENT), true, 70, ("AwaitingConsent", 130))]
#[case::no_consent_while_it_settles(Some(SILENT), true, 11, ("AwaitingConsent", 71))]
#[case::no_consent_in_time(Some(SILENT), true, 85_500, ("NoConsent", 0))]
#[case::neither_consent_nor_an_id(Some(SILENT), false, 85_500, ("NoConsent", 0))]
#[case::the_tag_never_reported(Some(CONSENTING), false, 85_500, ("DeadlineMissed", 0))]
#[case::nothing_to_share_in_time(Some(BARE), true, 85_500, ("NoSharedData", 0))]
#[case::never_found_in_time(None, true, 85_500, ("ContactDeleted", 0))]
#[case::nothing_to_share(Some(BARE), true, 70, ("NoSharedData", 0))]
#[case::without_an_id(Some(CONSENTING), false, 70, ("AwaitingWebConversion", 85_500))]
#[case::not_found_yet(None, true, 400, ("AwaitingConsent", 500))]
#[case::never_found(None, true, 3610, ("ContactDeleted", 0))]
fn decisions(
    #[case] properties: Option<&[(&str, &str)]>,
    #[case] named: bool,
    #[case] now: i64,
    #[case] expected: (&str, i64),
) {
    let contact = properties.map(contact);
    let person = contact.as_ref().map_or(not_found(Some(now - 10)), Person::Known);
    let submitted = Submitted {
        at: t(0),
        first_seen: t(10),
        named,
    };
    let decision = decided(&person, submitted, &rules(), &WAITS, None, t(now));
    assert_eq!(said(&decision), expected);
}

/// Whoever is asked about; looked at again when the time has come, and not all the while.
#[test]
fn nothing_goes_before_its_time() {
    let submitted = Submitted {
        at: t(1_000_000),
        first_seen: t(10),
        named: true,
    };
    let consenting = contact(CONSENTING);
    let of = |person: &Person<'_>, now| said(&decided(person, submitted, &rules(), &WAITS, None, t(now)));
    let silent = contact(SILENT);
    for person in [
        Person::Known(&consenting),
        Person::Known(&silent),
        not_found(Some(5_000_000)),
        Person::Unreadable,
    ] {
        for now in [20, 500_000, 999_999] {
            assert_eq!(of(&person, now), ("NotDue", 1_000_000));
        }
        assert_ne!(of(&person, 1_000_000).0, "NotDue");
    }
    assert_eq!(of(&Person::Known(&consenting), 1_000_000).0, "Send");
    assert_eq!(of(&Person::Deleted, 20).0, "ContactDeleted");
    // Ours is behind HubSpot's clock.
    let mut read = contact(CONSENTING);
    read.as_of = Some(t(1_000_001));
    assert_eq!(of(&Person::Known(&read), 999_000).0, "Send");
}

#[test]
fn nobody_is_gone_whom_one_answer_leaves_out_however_late_it_comes() {
    let submitted = Submitted {
        at: t(0),
        first_seen: t(10),
        named: true,
    };
    let of = |seconds, now| said(&decided(&not_found(seconds), submitted, &rules(), &WAITS, None, t(now))).0;
    for seconds in [None, Some(0), Some(3_599)] {
        assert_eq!(of(seconds, 40_000), "AwaitingConsent", "{seconds:?}");
        assert_eq!(of(seconds, 85_500), "DeadlineMissed", "{seconds:?}");
    }
    assert_eq!(of(Some(3_600), 40_000), "ContactDeleted");
}

#[test]
fn who_is_gone_or_gave_no_address_is_skipped_at_once() {
    let submitted = Submitted {
        at: t(0),
        first_seen: t(10),
        named: true,
    };
    let of = |person: &Person<'_>| said(&decided(person, submitted, &rules(), &WAITS, None, t(20))).0;
    assert_eq!(of(&Person::Deleted), "ContactDeleted");
    assert_eq!(of(&Person::Nameless), "NoSharedData");
}

#[test]
fn a_contact_that_cannot_be_read_is_waited_for_until_the_deadline() {
    let submitted = Submitted {
        at: t(0),
        first_seen: t(10),
        named: true,
    };
    let of = |now| said(&decided(&Person::Unreadable, submitted, &rules(), &WAITS, None, t(now)));
    assert_eq!(of(400), ("UnreadableRecord", 500));
    assert_eq!(
        of(4_000).0,
        "UnreadableRecord",
        "the grace is for contacts that nobody shows"
    );
    assert_eq!(of(85_500).0, "DeadlineMissed");
}

/// Late by a clock that somebody disputes is not late, and what waits meanwhile is looked at again in a while.
#[rstest]
#[case::sent(Some(CONSENTING), true, ("Send", 0))]
#[case::no_consent_yet(Some(SILENT), true, ("AwaitingConsent", 300))]
#[case::without_an_id(Some(CONSENTING), false, ("AwaitingWebConversion", 300))]
#[case::nothing_to_share(Some(BARE), true, ("NoSharedData", 0))]
#[case::not_found_yet(None, true, ("AwaitingConsent", 300))]
fn what_is_late_by_a_disputed_time_is_not_skipped_as_late(
    #[case] properties: Option<&[(&str, &str)]>,
    #[case] named: bool,
    #[case] (decision, pause): (&str, i64),
) {
    let contact = properties.map(contact);
    let person = contact.as_ref().map_or(not_found(None), Person::Known);
    let submitted = Submitted {
        at: t(0),
        first_seen: t(10),
        named,
    };
    let by = SubmissionRules {
        event: &rules(),
        waits: &WAITS,
        region: None,
    };
    for now in [85_500, 90_000, 9_000_000] {
        // By the certain time it is young, or nearly late, or that is not known.
        for (certain, pause) in [
            (Timestamp::MIN, pause),
            (t(400), pause.min(100)),
            (t(85_499), pause.min(1)),
        ] {
            let time = KnownTime { now: t(now), certain };
            let decided = decide_submission(&person, submitted, &by, time).unwrap_or_else(SuspectedSkip::skip);
            let due = if pause == 0 { 0 } else { now + pause };
            assert_eq!(said(&decided), (decision, due), "{now} {certain}");
        }
    }
    let unreadable = decide_submission(
        &Person::Unreadable,
        submitted,
        &by,
        KnownTime {
            now: t(90_000),
            certain: t(9),
        },
    );
    assert_eq!(
        said(&unreadable.unwrap_or_else(SuspectedSkip::skip)),
        ("UnreadableRecord", 90_060)
    );
}

#[test]
fn one_that_has_not_settled_at_its_deadline_is_not_looked_at_all_the_while() {
    let person = contact(CONSENTING);
    let submitted = Submitted {
        at: t(0),
        first_seen: t(85_490),
        named: true,
    };
    let by = SubmissionRules {
        event: &rules(),
        waits: &WAITS,
        region: None,
    };
    let decided = |now| {
        let time = KnownTime {
            now: t(now),
            certain: Timestamp::MIN,
        };
        decide_submission(&Person::Known(&person), submitted, &by, time).unwrap_or_else(SuspectedSkip::skip)
    };
    assert_eq!(said(&decided(85_491)), ("NotDue", 85_500));
    assert_eq!(said(&decided(85_501)), ("NotDue", 85_550));
    assert_eq!(said(&decided(85_550)), ("Send", 0));
}

/// Nobody is asked whose it is, so nobody has refused consent and no contact is missing.
#[test]
fn a_submission_first_seen_after_the_deadline_needs_no_grace() {
    let submitted = Submitted {
        at: t(0),
        first_seen: t(90_000),
        named: true,
    };
    let decision = decided(&not_found(Some(0)), submitted, &rules(), &WAITS, None, t(90_001));
    assert_eq!(said(&decision), ("DeadlineMissed", 0));
}

#[test]
fn what_is_sent() {
    let contact = contact(CONSENTING);
    let submitted = Submitted {
        at: t(0),
        first_seen: t(10),
        named: true,
    };
    let person = Person::Known(&contact);
    let Decision::Send(prepared) = decided(&person, submitted, &rules(), &WAITS, None, t(90)) else {
        panic!("sent");
    };
    assert_eq!(prepared.identifiers.len(), 1);
    assert!(prepared.consent_granted);
}

proptest! {
    /// Every look is later than now and none is after the deadline; before it there is one shortly before.
    #[test]
    fn looks_come_to_an_end(gone in 0_i64..90_000, pause in 1_i64..600, deadline in 10_i64..86_000) {
        let waits = SubmissionWaits {
            pause: SignedDuration::from_secs(pause),
            deadline: SignedDuration::from_secs(deadline),
            ..WAITS
        };
        let (end, mut now, mut looks) = (t(deadline), t(gone), Vec::new());
        while now < end {
            let next = next_look(t(0), &waits, KnownTime::undisputed(now));
            prop_assert!(next > now && next <= end);
            looks.push(next);
            now = next;
            prop_assert!(looks.len() < 10_000);
        }
        prop_assert!(next_look(t(0), &waits, KnownTime::undisputed(now)) > now, "also afterwards");
        let last_chance = looks.iter().rev().nth(1);
        prop_assert!(last_chance.is_none_or(|look| end.duration_since(*look) <= waits.deadline / 4));
    }
}
