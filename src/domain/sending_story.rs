//! What of one conversion was sent to Google, and what Google answered, in words.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::explanation::ExplanationLine;
use super::outcome::{Outcome, explain_reason, reason};

/// What the ledger has of the sending of one conversion.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    pub outcome: Outcome,
    pub reason: &'a str,
    /// Google's verbatim code behind a rejection; else empty.
    pub code: &'a str,
    /// An upload may have reached Google.
    pub sent: bool,
    pub value: Option<(Decimal, &'a str)>,
    /// Google's id of the latest request that it took.
    pub request_id: Option<&'a str>,
    /// When outcome or reason last changed.
    pub changed_at: Timestamp,
    /// When it is looked at again.
    pub due: Option<Timestamp>,
    /// Failed tries since it last moved on.
    pub attempts: u32,
}

/// The request and the answer.
pub fn explain_sending(sending: &Sending<'_>) -> [ExplanationLine; 2] {
    [
        ExplanationLine {
            about: "request",
            says: describe_request(sending),
        },
        ExplanationLine {
            about: "answer",
            says: describe_answer(sending),
        },
    ]
}

/// What became of a conversion under an earlier event of the same conversion action.
pub const fn describe_earlier(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Uploaded | Outcome::Processing => {
            " An earlier event of this conversion action has sent it: Google counts it, and it is not sent again."
        }
        Outcome::Skipped | Outcome::Rejected => {
            " Under an earlier event of this conversion action it was skipped or rejected, and stays so."
        }
        Outcome::Pending => "",
    }
}

fn describe_request(sending: &Sending<'_>) -> String {
    if !sending.sent {
        return match sending.attempts {
            _ if sending.outcome == Outcome::Rejected => "It was in a request that Google refused.".to_owned(),
            0 => "Nothing was sent to Google.".to_owned(),
            tries if REFUSED_FOR_NOW.contains(&sending.reason) => {
                format!("It was tried {}, and Google has not taken it.", times(tries))
            }
            tries => format!(
                "Nothing that Google took. It was tried {}, and failed at HubSpot, which is asked first, or at Google.",
                times(tries)
            ),
        };
    }
    let value = match &sending.value {
        Some((amount, currency)) => format!("with value {amount} {currency}"),
        None => "without a value".to_owned(),
    };
    match sending.request_id {
        Some(id) => format!("Sent {value}; Google's id of the request: {id}."),
        None => format!("Sent {value}. No request id of Google's is kept."),
    }
}

/// Only Google says so.
const REFUSED_FOR_NOW: [&str; 3] = [
    reason::AWAITING_WEB_CONVERSION,
    reason::ACTION_TOO_NEW,
    reason::CLICK_TOO_RECENT,
];

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn describe_answer(sending: &Sending<'_>) -> String {
    let changed = format!("{:.0}", sending.changed_at);
    let again = sending.due.map(|due| format!(" It is looked at again on {due:.0}."));
    let again = again.unwrap_or_default();
    match (sending.outcome, sending.reason) {
        (Outcome::Uploaded, _) => format!("Google has it. That was known on {changed}."),
        (Outcome::Rejected, why) => {
            let code = if sending.code.is_empty() { why } else { sending.code };
            format!("Rejected for good on {changed}: {code}.")
        }
        (_, reason::AWAITING_RESULT) => {
            format!("Google took the request on {changed}. Its result is still to come.")
        }
        (_, reason::IN_FLIGHT) => "None yet: the request is under way.".to_owned(),
        (Outcome::Processing, why) => format!("{}{again}", explain_reason(why).unwrap_or(why)),
        (_, why) if sending.sent => {
            format!(
                "It is not known whether Google has it ({why}). It is sent again with the same id and value.{again}"
            )
        }
        (_, why) if sending.attempts > 0 && REFUSED_FOR_NOW.contains(&why) => {
            format!("Google refused it for now: {why}.{again}")
        }
        (Outcome::Pending, why) if sending.attempts > 0 => format!(
            "None that settles it: it waits as {why}. What HubSpot or Google said stands in the event's status.sync.lastErrors and its \
             conditions.{again}"
        ),
        _ => "None.".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn told(outcome: Outcome, why: &str, sent: bool, request_id: Option<&str>) -> String {
        told_after(0, outcome, why, sent, request_id)
    }

    fn told_after(attempts: u32, outcome: Outcome, why: &str, sent: bool, request_id: Option<&str>) -> String {
        let lines = explain_sending(&Sending {
            outcome,
            reason: why,
            code: if outcome == Outcome::Rejected {
                "INVALID_CONVERSION_ACTION"
            } else {
                ""
            },
            sent,
            value: sent.then(|| ("12.5".parse().unwrap(), "EUR")),
            request_id,
            changed_at: "2026-11-20T10:00:00.5Z".parse().unwrap(),
            due: (!outcome.is_final()).then(|| "2026-11-20T11:00:00Z".parse().unwrap()),
            attempts,
        });
        lines.map(|line| format!("{}: {}", line.about, line.says)).join("\n")
    }

    #[rstest]
    #[case::skipped(
        Outcome::Skipped,
        "NoClickId",
        false,
        None,
        "request: Nothing was sent to Google.\nanswer: None."
    )]
    #[case::uploaded(
        Outcome::Uploaded,
        "Processed",
        true,
        Some("r1"),
        "request: Sent with value 12.5 EUR; Google's id of the request: r1.\nanswer: Google has it. That was known on 2026-11-20T10:00:00Z."
    )]
    #[case::rejected(
        Outcome::Rejected,
        "InvalidConversionAction",
        true,
        None,
        "request: Sent with value 12.5 EUR. No request id of Google's is kept.\nanswer: Rejected for good on 2026-11-20T10:00:00Z: INVALID_CONVERSION_ACTION."
    )]
    #[case::refused_with_its_request(
        Outcome::Rejected,
        "InvalidArgument",
        false,
        None,
        "request: It was in a request that Google refused.\nanswer: Rejected for good on 2026-11-20T10:00:00Z: INVALID_CONVERSION_ACTION."
    )]
    #[case::awaited(
        Outcome::Processing,
        reason::AWAITING_RESULT,
        true,
        Some("r1"),
        "request: Sent with value 12.5 EUR; Google's id of the request: r1.\nanswer: Google took the request on 2026-11-20T10:00:00Z. Its result is still to come."
    )]
    #[case::unsure(
        Outcome::Pending,
        reason::UPSTREAM_UNAVAILABLE,
        true,
        None,
        "request: Sent with value 12.5 EUR. No request id of Google's is kept.\nanswer: It is not known whether Google has it (UpstreamUnavailable). It is sent again with the same id and value. It is looked at again on 2026-11-20T11:00:00Z."
    )]
    fn request_and_answer_are_shown(
        #[case] outcome: Outcome,
        #[case] why: &str,
        #[case] sent: bool,
        #[case] request_id: Option<&str>,
        #[case] expected: &str,
    ) {
        assert_eq!(told(outcome, why, sent, request_id), expected);
    }

    #[rstest]
    #[case::by_google(
        reason::AWAITING_WEB_CONVERSION,
        5,
        "request: It was tried 5 times, and Google has not taken it.\nanswer: Google refused it for now: AwaitingWebConversion. It is looked at again on 2026-11-20T11:00:00Z."
    )]
    #[case::perhaps_by_hubspot(
        reason::UPSTREAM_UNAVAILABLE,
        1,
        "request: Nothing that Google took. It was tried once, and failed at HubSpot, which is asked first, or at Google.\nanswer: None that settles it: it waits as UpstreamUnavailable. What HubSpot or Google said stands in the event's status.sync.lastErrors and its conditions. It is looked at again on 2026-11-20T11:00:00Z."
    )]
    #[case::not_tried(reason::NOT_DUE, 0, "request: Nothing was sent to Google.\nanswer: None.")]
    fn a_failed_try_is_not_called_googles_unless_it_is(
        #[case] why: &str,
        #[case] attempts: u32,
        #[case] expected: &str,
    ) {
        assert_eq!(told_after(attempts, Outcome::Pending, why, false, None), expected);
    }
}
