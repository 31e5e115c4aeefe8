#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn a_code_of_googles_is_not_taken_for_a_reason_of_ours() {
    assert!(reason_message("NoConsent", "").contains("grantedValues"));
    let theirs = reason_message("NoConsent", "PROCESSING_ERROR_REASON_NO_CONSENT");
    assert!(theirs.contains("PROCESSING_ERROR_REASON_NO_CONSENT") && theirs.contains("spec.consent"));
    assert!(reason_message("Strange", "STRANGE").contains("STRANGE"));
}

#[test]
fn rows_of_one_reason_with_different_causes_are_one_line_that_names_each() {
    let plain = class(Outcome::Skipped, reason::NO_SHARED_DATA, 5, 0);
    let address = ClassCount {
        detail: super::super::outcome::ADDRESS_ALONE.into(),
        count: 3,
        ..plain.clone()
    };
    let message = |classes: &[ClassCount]| {
        let reasons = count_classes(classes, EventGates::default()).reasons;
        let total: u64 = classes.iter().map(|c| c.count).sum();
        assert_eq!((reasons.len(), reasons[0].count), (1, total));
        reasons[0].message.clone()
    };
    let (usual, cause) = (
        message(std::slice::from_ref(&plain)),
        message(std::slice::from_ref(&address)),
    );
    assert!(
        usual.contains("spec.shareData") && !usual.contains("of them"),
        "{usual}"
    );
    assert!(
        cause.contains("clickConversions") && !cause.contains("refused"),
        "{cause}"
    );
    let both = format!("5 of them: {usual} 3 of them: {cause}");
    assert_eq!(message(&[address, plain]), both);
}

#[test]
fn of_many_codes_with_one_reason_the_largest_are_named() {
    let of = |n: u64| ClassCount {
        detail: format!("CODE_{n}"),
        ..class(Outcome::Rejected, "Code", 10_000 - n, 0)
    };
    let classes: Vec<_> = (0..5_000).map(of).collect();
    let reasons = count_classes(&classes, EventGates::default()).reasons;
    let message = &reasons[0].message;
    assert!(
        message.contains("10000 of them") && message.contains("CODE_2."),
        "{message}"
    );
    assert!(
        !message.contains("CODE_3.") && message.contains("of 4997 other causes."),
        "{message}"
    );
    assert!(message.chars().count() <= MAX_MESSAGE, "{message}");
}

fn class(outcome: Outcome, reason: &str, count: u64, due: u64) -> ClassCount {
    ClassCount {
        outcome,
        reason: reason.into(),
        detail: String::new(),
        count,
        due,
        recent: 0,
        last: Timestamp::UNIX_EPOCH,
    }
}

fn shown(classes: &[ClassCount], gates: EventGates) -> Vec<(String, u64)> {
    count_classes(classes, gates)
        .reasons
        .into_iter()
        .map(|r| (r.reason, r.count))
        .collect()
}

#[test]
fn a_gate_covers_what_comes_after_it() {
    let rows = [
        class(Outcome::Pending, reason::IN_FLIGHT, 9, 9),
        class(Outcome::Pending, reason::AWAITING_CLICK_ID, 8, 0),
        class(Outcome::Pending, reason::NOT_DUE, 7, 2),
    ];
    let gate = |gates| shown(&rows, gates);
    assert_eq!(
        gate(EventGates::default()),
        [
            ("InFlight".into(), 9),
            ("AwaitingClickId".into(), 8),
            ("NotDue".into(), 7)
        ]
    );
    assert_eq!(
        gate(EventGates {
            suspended: true,
            ..EventGates::default()
        }),
        [("Suspended".into(), 15), ("InFlight".into(), 9)]
    );
    assert_eq!(
        gate(EventGates {
            action_too_new: true,
            ..EventGates::default()
        }),
        [
            ("InFlight".into(), 9),
            ("AwaitingClickId".into(), 8),
            ("NotDue".into(), 5),
            ("ActionTooNew".into(), 2)
        ]
    );
}

proptest! {
    #[test]
    fn whatever_comes_in_a_status_can_be_written(
        codes in proptest::collection::vec((0_usize..5, 0_usize..60, 1_u64..9, "[A-Za-z0-9_.-]{0,120}", "[ -~äß]{0,3000}"), 0..80),
        repeats in 1_usize..9,
    ) {
        let of = |(o, r, n, code, strange): &(usize, usize, u64, String, String), i: usize| ClassCount {
            detail: if i.is_multiple_of(2) { format!("{code}{i}") } else { strange.clone() },
            ..class(Outcome::ALL[*o], &format!("{r:0>100}"), *n, 1)
        };
        let classes: Vec<_> = (0..repeats).flat_map(|i| codes.iter().map(move |code| of(code, i))).collect();
        let reasons = count_classes(&classes, EventGates::default()).reasons;
        let lines: Vec<_> = reasons.iter().map(|r| (&r.reason, r.count, r.last.to_string(), &r.message)).collect();
        prop_assert!(reasons.iter().all(|r| r.message.chars().count() <= MAX_MESSAGE));
        prop_assert!(serde_json::to_string(&lines).unwrap().len() < 64 * 1024);
    }

    #[test]
    fn conservation(
        rows in proptest::collection::vec((0_usize..5, 0_usize..60, 0_u64..9, 0_u64..9), 0..80),
        suspended: bool,
        account_not_ready: bool,
        action_too_new: bool,
    ) {
        let classes: Vec<_> = rows
            .iter()
            .map(|(o, r, n, due)| class(Outcome::ALL[*o], &format!("R{r}"), *n, *due))
            .collect();
        let c = count_classes(&classes, EventGates { suspended, account_not_ready, action_too_new });
        prop_assert_eq!(c.observed, Outcome::ALL.iter().map(|o| c.count_of(*o)).sum::<u64>());
        for outcome in Outcome::ALL {
            let listed: u64 = c.reasons.iter().filter(|r| r.outcome == outcome).map(|r| r.count).sum();
            prop_assert_eq!(listed, if outcome == Outcome::Uploaded { 0 } else { c.count_of(outcome) });
        }
        prop_assert!(c.reasons.len() <= MAX_CLASSES + 4);
    }
}
