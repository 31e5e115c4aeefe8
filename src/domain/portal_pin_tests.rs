#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const fn pin(declared: Option<u64>, pinned: Option<u64>) -> PortalPin {
    const fn portal(id: Option<u64>) -> Option<PortalId> {
        match id {
            Some(id) => Some(PortalId(id)),
            None => None,
        }
    }
    PortalPin {
        declared: portal(declared),
        pinned: portal(pinned),
        of_events: None,
    }
}

const fn of_events(declared: Option<u64>, portal: u64) -> PortalPin {
    PortalPin {
        of_events: Some(PortalId(portal)),
        ..pin(declared, None)
    }
}

/// The account details name portal 5.
fn heard(token: Option<u64>, before: Option<u64>) -> PortalWitnesses {
    PortalWitnesses {
        details: PortalId(5),
        token: token.map(PortalId),
        before: before.map(PortalId),
    }
}

const AGAIN: &str = "asked a second time";
const CONTRADICTION: &str = "belongs to portal 5, by what HubSpot says of the token to portal 6";

#[rstest]
#[case::first_and_both_agree(pin(None, None), heard(Some(5), None), None)]
#[case::first_of_one_witness(pin(None, None), heard(None, None), Some(AGAIN))]
#[case::second_of_one_witness(pin(None, None), heard(None, Some(5)), None)]
#[case::second_that_differs(pin(None, None), heard(None, Some(6)), Some(AGAIN))]
#[case::first_and_they_differ(pin(None, None), heard(Some(6), None), Some(CONTRADICTION))]
#[case::a_second_look_settles_no_contradiction(pin(None, None), heard(Some(6), Some(5)), Some(CONTRADICTION))]
#[case::declared(pin(Some(5), None), heard(None, None), None)]
#[case::declared_and_they_differ(pin(Some(5), None), heard(Some(6), None), Some(CONTRADICTION))]
#[case::declared_and_details_odd(pin(Some(6), None), heard(Some(6), None), Some(CONTRADICTION))]
#[case::pinned(pin(None, Some(5)), heard(None, None), None)]
#[case::pinned_and_token_odd(pin(None, Some(5)), heard(Some(6), None), None)]
#[case::pinned_and_details_odd(pin(None, Some(6)), heard(Some(6), None), Some(CONTRADICTION))]
#[case::pinned_other_heard_once(pin(None, Some(6)), heard(None, None), Some(AGAIN))]
#[case::that_of_its_events(of_events(None, 5), heard(None, None), None)]
#[case::another_than_its_events_heard_once(of_events(None, 6), heard(None, None), Some(AGAIN))]
#[case::declared_other_heard_once(pin(Some(6), None), heard(None, Some(6)), Some(AGAIN))]
fn one_odd_answer_decides_nothing(
    #[case] pin: PortalPin,
    #[case] heard: PortalWitnesses,
    #[case] retried: Option<&str>,
) {
    match retried {
        None => assert_eq!(pin.check_portal(heard), Ok(())),
        Some(words) => {
            let fault = pin.check_portal(heard).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Unavailable, "retried");
            assert!(fault.message.contains(words), "{}", fault.message);
        }
    }
}

#[rstest]
#[case::declared_other(pin(Some(6), None), "spec.portalId is 6")]
#[case::pinned_other(pin(None, Some(6)), "has read portal 6 so far")]
#[case::declared_after_the_pin(pin(Some(5), Some(6)), "has read portal 6 so far")]
#[case::events_of_another(of_events(None, 6), "conversions of portal 6")]
#[case::declared_and_events_of_another(of_events(Some(5), 6), "conversions of portal 6")]
#[case::declared_otherwise_than_its_events(of_events(Some(6), 5), "spec.portalId is 6")]
#[case::declared_otherwise_after_the_pin(pin(Some(6), Some(5)), "spec.portalId is 6")]
fn another_portal_stalls_once_two_witnesses_say_so(#[case] pin: PortalPin, #[case] words: &str) {
    for heard in [heard(Some(5), None), heard(None, Some(5))] {
        let fault = pin.check_portal(heard).unwrap_err();
        assert_eq!(
            (fault.kind, fault.reason.as_str()),
            (FaultKind::Denied, "PortalMismatch")
        );
        assert!(fault.message.contains(words) && fault.message.contains("belongs to HubSpot portal 5"));
    }
}

proptest! {
    /// Whatever is heard: what one answer alone says, and no other witness, is neither pinned nor stalls.
    #[test]
    fn nothing_is_believed_of_a_single_answer(
        declared in proptest::option::of(1_u64..4), pinned in proptest::option::of(1_u64..4),
        details in 1_u64..4, token in proptest::option::of(1_u64..4), before in proptest::option::of(1_u64..4),
    ) {
        let heard = PortalWitnesses { details: PortalId(details), token: token.map(PortalId), before: before.map(PortalId) };
        let result = pin(declared, pinned).check_portal(heard);
        let others = [declared, pinned, token, before];
        let alone = !others.contains(&Some(details));
        let final_word = result.as_ref().map_or_else(|fault| fault.kind.stalls(), |()| true);
        prop_assert!(!(alone && final_word), "{result:?}");
        if result.is_ok() {
            prop_assert!(pinned.is_none_or(|p| p == details) && declared.is_none_or(|d| d == details));
        }
    }
}

#[rstest]
#[case::first("", "EUR", Some("EUR"), "EUR")]
#[case::first_and_they_differ("", "JPY", Some("EUR"), "")]
#[case::first_and_then_unreadable("", "EUR", Some(""), "")]
#[case::first_unreadable("", "", None, "")]
#[case::known("EUR", "EUR", None, "EUR")]
#[case::known_and_unreadable("EUR", "", None, "EUR")]
#[case::known_and_one_odd("EUR", "JPY", Some("EUR"), "EUR")]
#[case::known_and_two_odd("EUR", "JPY", Some("USD"), "EUR")]
#[case::changed("EUR", "USD", Some("USD"), "USD")]
fn a_currency_takes_two_answers(
    #[case] known: &str,
    #[case] first: &str,
    #[case] second: Option<&str>,
    #[case] wanted: &str,
) {
    assert_eq!(is_currency_doubtful(known, first), second.is_some());
    assert_eq!(agreed_currency(known, first, second.unwrap_or(known)), wanted);
}

proptest! {
    /// Whichever single answer is odd, the currency is the true one or, at first, unknown.
    #[test]
    fn no_single_odd_answer_decides_about_the_currency(odd in "[A-Z]{3}|", at in 0_usize..8, checks in 1_usize..5) {
        let (mut known, mut answers) = (String::new(), 0);
        let mut answer = || {
            answers += 1;
            if answers == at + 1 { odd.clone() } else { "EUR".to_owned() }
        };
        for _ in 0..checks {
            let first = answer();
            if is_currency_doubtful(&known, &first) {
                known = agreed_currency(&known, &first, &answer()).to_owned();
            }
            prop_assert!(known.is_empty() || known == "EUR", "{known}");
        }
        prop_assert!(checks < 2 || known == "EUR", "it is known after two checks");
    }
}
