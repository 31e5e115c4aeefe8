//! How many of the conversions sent within a day Google takes: the condition `Delivering`
//! (docs/conditions-and-reasons.md).

use jiff::{SignedDuration, Timestamp};

use super::codes::{Class, Code, Matter};
use super::refusals;
use super::trigger::TriggerKind;

/// Fewer settled conversions than this say nothing about the rest.
const ENOUGH: u64 = 20;

/// Conversions of one class that were settled in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledCount<'a> {
    /// The reason of a rejection; `None` for uploaded ones.
    pub rejected_as: Option<&'a str>,
    pub count: u64,
}

/// What was delivered in the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// More than half of enough conversions were rejected; for people: how many, why, what to do.
    MostRejected(String),
    /// How many were taken.
    Taken(u64),
}

/// The window is the last 24 hours, begun at a full hour: so a message about it changes 24 times a day at most while
/// nothing happens.
pub fn window_start(now: Timestamp) -> Timestamp {
    let hour = now.as_second().div_euclid(3600) * 3600;
    let start = Timestamp::from_second(hour).unwrap_or(Timestamp::MIN);
    start
        .saturating_sub(SignedDuration::from_hours(24))
        .unwrap_or(Timestamp::MIN)
}

/// Judges what was settled in the window.
pub fn judge_window(settled: &[SettledCount<'_>]) -> Delivered {
    let of = |rejected: bool| {
        let chosen = settled.iter().filter(|s| s.rejected_as.is_some() == rejected);
        chosen.map(|s| s.count).sum::<u64>()
    };
    let (taken, rejected) = (of(false), of(true));
    if taken + rejected < ENOUGH || rejected * 2 <= taken + rejected {
        return Delivered::Taken(taken);
    }
    let reasons = settled.iter().filter_map(|s| Some((s.rejected_as?, s.count)));
    // Of several alike the first by name, so that the message does not change back and forth.
    let (reason, count) = reasons
        .min_by_key(|(reason, count)| (u64::MAX - count, *reason))
        .unwrap_or_default();
    let advice = refusals::explain_rejection(reason)
        .or_else(|| super::outcome::explain_reason(reason))
        .unwrap_or("See status.sync.lastErrors for contacts, and Google's documentation for the code.");
    let all = taken + rejected;
    Delivered::MostRejected(format!(
        "Google rejected {rejected} of {all} conversions in the last 24 hours, most often as {reason} ({count}). {advice}"
    ))
}

/// What Google refuses and what to do about it, for conditions and `lastErrors`. `kind`: of the event's trigger.
pub fn refused_message(code: &Code, kind: TriggerKind) -> String {
    let what = match code.class {
        Class::Unknown => "Google refuses what is sent for this conversion action, and names no conversion",
        Class::Blocked(Matter::Action) => "Google refuses all conversions for this conversion action",
        Class::Blocked(Matter::Terms | Matter::Enhancements) => "Google refuses conversions with shared data",
        Class::Blocked(Matter::NotAllowlisted) => "Google does not let this account upload these conversions this way",
        _ => "Google refuses conversions of this event for what it says of the account",
    };
    let advice = refusals::explain_rejection(&code.reason).unwrap_or(match code.class {
        Class::Blocked(Matter::Action) if kind.is_form() => {
            "Check in Google Ads that the conversion action exists in this account, is enabled, and is a website conversion."
        }
        Class::Blocked(Matter::Action) => {
            "Check in Google Ads that the conversion action exists in this account, is enabled, and is imported from clicks."
        }
        Class::Blocked(Matter::Terms) => {
            "Accept the customer data terms in Google Ads (Goals > Settings), and check the policy notices of the account."
        }
        Class::Blocked(Matter::Enhancements) => "Turn on enhanced conversions in Google Ads (Goals > Settings).",
        Class::Blocked(Matter::NotAllowlisted) if kind.is_form() => {
            "Set spec.uploads.enhancements of the GoogleAdsAccount to DataManager."
        }
        Class::Blocked(Matter::NotAllowlisted) => {
            "Set spec.uploads.clickConversions of the GoogleAdsAccount to DataManager."
        }
        Class::Unknown => {
            "Check in Google Ads that the conversion action is enabled and the account in order, and that nothing between the operator and Google changes requests. None is rejected for this until Google takes others."
        }
        _ => "Check that the credentials have access to the account, and loginCustomerId if it is reached through a manager.",
    });
    format!("{what}: {}. {advice} Conversions wait meanwhile.", code.name)
}

/// What `lastErrors` says of a conversion that was refused alone, while it is not known whether it is the reason.
pub fn suspect_message(code: &Code) -> String {
    format!(
        "Google refused this conversion without saying whether it is the reason: {}. It waits and is sent again; it is rejected only if Google takes others of this event at the same time.",
        code.name
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn settled(counts: &[(Option<&'static str>, u64)]) -> Delivered {
        let of = |(rejected_as, count): &(Option<&'static str>, u64)| SettledCount {
            rejected_as: *rejected_as,
            count: *count,
        };
        judge_window(&counts.iter().map(of).collect::<Vec<_>>())
    }

    #[rstest::rstest]
    #[case::none(&[], false)]
    #[case::too_few(&[(Some("InvalidGclid"), 19)], false)]
    #[case::enough(&[(Some("InvalidGclid"), 20)], true)]
    #[case::half(&[(None, 10), (Some("InvalidGclid"), 10)], false)]
    #[case::more_than_half(&[(None, 10), (Some("InvalidGclid"), 11)], true)]
    #[case::more_than_half_together(&[(None, 10), (Some("InvalidGclid"), 6), (Some("EventTooOld"), 5)], true)]
    fn most_of_enough(#[case] counts: &[(Option<&'static str>, u64)], #[case] wanted: bool) {
        let most = matches!(settled(counts), Delivered::MostRejected(_));
        assert_eq!(most, wanted);
    }

    #[test]
    fn the_message_says_how_many_why_and_what_to_do() {
        let Delivered::MostRejected(message) =
            settled(&[(None, 5), (Some("EventTooOld"), 20), (Some("ClickNotFound"), 75)])
        else {
            panic!("most were rejected");
        };
        assert!(message.contains("95 of 100"), "{message}");
        assert!(message.contains("ClickNotFound (75)"), "{message}");
        assert!(message.contains("spec.clickIds"), "{message}");
        assert_eq!(settled(&[(None, 7)]), Delivered::Taken(7));
        let Delivered::MostRejected(silent) = settled(&[(Some("InvalidArgument"), 20)]) else {
            panic!("all were rejected");
        };
        assert!(silent.contains("InvalidArgument (20)"), "{silent}");
    }

    const MISMATCH: &str = "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH";
    const TERMS: &str = "TERMS_AND_CONDITIONS_NOT_SIGNED";
    const OFF: &str = "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS";

    /// The way out of a lifecycle event, and of a form event.
    #[rstest::rstest]
    #[case(Matter::Account, MISMATCH, "loginCustomerId", "loginCustomerId")]
    #[case(
        Matter::NotAllowlisted,
        "NOT_ALLOWLISTED",
        "uploads.clickConversions",
        "uploads.enhancements"
    )]
    #[case(Matter::Terms, TERMS, "customer data terms", "customer data terms")]
    #[case(Matter::Enhancements, OFF, "enhanced conversions", "enhanced conversions")]
    #[case(
        Matter::Action,
        "INVALID_CONVERSION_ACTION_ID",
        "imported from clicks",
        "website conversion"
    )]
    #[case(
        Matter::Action,
        "INVALID_CONVERSION_ACTION_TYPE",
        "imported from clicks",
        "website conversion"
    )]
    fn a_refusal_names_the_code_and_the_way_out(
        #[case] matter: Matter,
        #[case] name: &str,
        #[case] of_stage: &str,
        #[case] of_form: &str,
    ) {
        let code = Code::test(name, Class::Blocked(matter));
        for (kind, way_out, other) in [
            (TriggerKind::Stage, of_stage, of_form),
            (TriggerKind::Form, of_form, of_stage),
        ] {
            let message = refused_message(&code, kind);
            assert!(message.contains(name) && message.contains(way_out), "{message}");
            assert!(way_out == other || !message.contains(other), "{message}");
        }
    }

    #[test]
    fn a_refusal_that_names_nothing_gives_no_advice_about_access() {
        let message = refused_message(&Code::test("INVALID_ARGUMENT", Class::Unknown), TriggerKind::Stage);
        assert!(
            message.contains("INVALID_ARGUMENT") && message.contains("names no conversion"),
            "{message}"
        );
        assert!(!message.contains("loginCustomerId"), "{message}");
    }

    #[test]
    fn the_window_begins_at_a_full_hour() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(window_start(at("2026-11-26T12:59:59Z")), at("2026-11-25T12:00:00Z"));
        assert_eq!(window_start(at("2026-11-26T13:00:00Z")), at("2026-11-25T13:00:00Z"));
        assert_eq!(window_start(Timestamp::MIN), Timestamp::MIN);
    }
}
