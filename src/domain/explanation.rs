//! The life of one contact under one event, in words: what is a conversion, what was decided about it by which rule,
//! and what comes next. It holds times and ids, but no value of a property of the contact; of the contact's deals only
//! what is sent to Google.

use jiff::{SignedDuration, Timestamp};

use super::brief::counted;
use super::click_window::{ClickWindow, WindowPlace};
use super::contact::Contact;
use super::eligibility::{
    ClickProperties, ConsentRule, Decision, EntryRules, EntryWaits, EventRules, Occurrence, SuspectedSkip,
    decide_entry, has_consent, seen_click,
};
use super::enhancement::{self, Person, SubmissionRules, Submitted};
use super::explained_value::{ValueFacts, describe_value};
use super::identifiers::identifiers_of;
use super::occurrence::{NoEntry, judge_rows};
use super::outcome::{Outcome, explain_reason, reason};
use super::refusals::CLICK_TOO_LATE;
use super::steady_time::KnownTime;
use super::time::later;
use crate::api::SharedData;

/// One thing that was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplanationLine {
    /// What it is about, in one or two words.
    pub about: &'static str,
    pub says: String,
}

/// An entry into the event's stage, as the contact's history shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageEntry {
    pub at: Timestamp,
    /// Why it is no conversion; `None` if it is one.
    pub why_not: Option<String>,
}

/// What the words about one conversion are made from.
#[derive(Clone, Copy)]
pub struct ExplanationRules<'a> {
    pub event: &'a EventRules,
    pub entry_waits: &'a EntryWaits,
    pub submission_waits: &'a enhancement::SubmissionWaits,
    /// The click window of the conversion action; `None` while it is not known.
    pub window: Option<ClickWindow>,
    /// The account's default region of phone numbers.
    pub region: Option<&'a str>,
    /// What is known of its value.
    pub worth: ValueFacts<'a>,
}

/// The entries into a stage, oldest first, including those that are no conversion.
pub fn stage_story(contact: &Contact, stage: &str, start: Timestamp) -> Vec<StageEntry> {
    let entry = |(at, why_not): (Timestamp, Option<NoEntry>)| StageEntry {
        at,
        why_not: why_not.map(|why| describe_no_entry(why, start)),
    };
    judge_rows(contact, stage, start).map(entry).collect()
}

fn describe_no_entry(why: NoEntry, start: Timestamp) -> String {
    match why {
        NoEntry::ByMerge => {
            "It was written by a merge of two contacts: the contact did not reach the stage then.".to_owned()
        }
        NoEntry::Repeats => "The contact was in this stage already.".to_owned(),
        NoEntry::BeforeStart => {
            format!("It lies before the event's start, {start:.0}. Set spec.startTime earlier to count it.")
        }
    }
}

fn line(about: &'static str, says: impl Into<String>) -> ExplanationLine {
    ExplanationLine {
        about,
        says: says.into(),
    }
}

/// What a fresh read of the contact says of a stage entry.
pub fn explain_entry(
    contact: &Contact,
    occurrence: Occurrence,
    rules: &ExplanationRules<'_>,
    now: Timestamp,
) -> Vec<ExplanationLine> {
    vec![
        line("click id", describe_click(contact, occurrence, rules, now)),
        line("consent", describe_consent(contact, rules.event.consent.as_ref())),
        line("shared data", describe_shared(contact, rules)),
        line("value", describe_value(rules.event.value.as_ref(), &rules.worth)),
    ]
}

/// What a fresh read of the contact says of a form submission.
pub fn explain_submission(
    contact: &Contact,
    at: Timestamp,
    outcome: Outcome,
    rules: &ExplanationRules<'_>,
) -> Vec<ExplanationLine> {
    let deadline = later(at, rules.submission_waits.deadline);
    let deadline = match outcome {
        Outcome::Pending => Some(format!(
            "It can be sent until {deadline:.0}. Google needs the web tag's conversion first."
        )),
        Outcome::Skipped => Some(format!("It could be sent until {deadline:.0}.")),
        Outcome::Processing | Outcome::Uploaded | Outcome::Rejected => None,
    };
    let mut lines = vec![
        line("consent", describe_consent(contact, rules.event.consent.as_ref())),
        line("shared data", describe_shared(contact, rules)),
        line("value", describe_value(rules.event.value.as_ref(), &rules.worth)),
    ];
    lines.extend(deadline.map(|says| line("deadline", says)));
    lines
}

/// A conversion that waits, as people see it.
#[derive(Debug, Clone, Copy)]
pub struct WaitingConversion<'a> {
    pub occurrence: Occurrence,
    /// Of a form submission: it has a `conversionId`.
    pub named: bool,
    /// Why it waits.
    pub reason: &'a str,
    /// When it is looked at next, if that is known. Then it is the only time that is shown: a look at this moment might
    /// put the conversion off to another one.
    pub next: Option<Timestamp>,
}

/// What would become of a conversion that waits, were it looked at now.
pub fn decide_now(
    contact: &Contact,
    waiting: &WaitingConversion<'_>,
    rules: &ExplanationRules<'_>,
    time: KnownTime,
) -> ExplanationLine {
    let (occurrence, now) = (waiting.occurrence, time.now);
    let decision = if rules.event.trigger_kind.is_form() {
        let submitted = Submitted {
            at: occurrence.at,
            first_seen: occurrence.first_seen,
            named: waiting.named,
        };
        let person = Person::Known(contact);
        let by = SubmissionRules {
            event: rules.event,
            waits: rules.submission_waits,
            region: rules.region,
        };
        enhancement::decide_submission(&person, submitted, &by, time)
    } else {
        let by = EntryRules {
            event: rules.event,
            waits: rules.entry_waits,
            window: rules.window.unwrap_or(ClickWindow::WIDEST),
            region: rules.region,
        };
        decide_entry(Some(contact), occurrence, &by, time)
    };
    // As if a second read had said the same.
    let decision = decision.unwrap_or_else(SuspectedSkip::skip);
    let meaning = |reason: &str| explain_reason(reason).unwrap_or_default().to_owned();
    let says = match decision {
        Decision::Send(_) => describe_sendable(waiting, now),
        Decision::Wait { reason, due } => {
            let until = match waiting.next {
                Some(_) => String::new(),
                None => format!(" until {due:.0}"),
            };
            // The meaning of the reason that it has already is among the lines above.
            let meaning = Some(meaning(reason)).filter(|_| reason != waiting.reason);
            let meaning = meaning.map(|meaning| format!(" {meaning}")).unwrap_or_default();
            format!("It waits as {reason}{until}.{meaning}")
        }
        Decision::Skip { reason } => format!("It would be skipped as {reason}. {}", meaning(reason)),
    };
    line("by today's data", says)
}

/// Reasons to wait that follow from the contact's data.
const OF_THE_CONTACT: [&str; 4] = [
    reason::NOT_DUE,
    reason::AWAITING_CLICK_ID,
    reason::AWAITING_CONSENT,
    reason::UNREADABLE_RECORD,
];

/// What to say of a conversion that waits although the contact's data would let it be sent.
fn describe_sendable(waiting: &WaitingConversion<'_>, now: Timestamp) -> String {
    let why = waiting.reason;
    if !OF_THE_CONTACT.contains(&why) {
        format!("The contact's data does not hold it back. It waits as {why}.")
    } else if waiting.next.is_some_and(|next| next > now) {
        "The contact's data does not hold it back. It is judged with its next look.".to_owned()
    } else {
        "It would be sent now.".to_owned()
    }
}

/// What comes next for a conversion that waits while HubSpot has no such contact.
pub fn decide_gone() -> ExplanationLine {
    let deleted = reason::CONTACT_DELETED;
    line(
        "by today's data",
        format!("HubSpot has no such contact now. If that stays so, it is skipped as {deleted} and not sent."),
    )
}

/// Says by what a conversion was decided, if it is: the lines about the contact show today's data and today's rules, and may
/// contradict what was decided.
pub fn explain_decision(outcome: Outcome, changed_at: Timestamp) -> Option<ExplanationLine> {
    let by = "by what HubSpot showed and the event declared";
    let today = "hat has changed since, and is shown here as it is today, counts for later conversions only.";
    let says = match outcome {
        Outcome::Pending => return None,
        Outcome::Skipped => format!("Skipped on {changed_at:.0}, {by} then. It stays skipped: w{today}"),
        Outcome::Processing | Outcome::Uploaded | Outcome::Rejected => {
            format!("Decided {by} before it was sent. W{today}")
        }
    };
    Some(line("decision", says))
}

fn describe_click(contact: &Contact, occurrence: Occurrence, rules: &ExplanationRules<'_>, now: Timestamp) -> String {
    let clicks = &rules.event.clicks;
    let grace = rules.entry_waits.click_grace;
    let Some(click) = seen_click(contact, clicks, occurrence.at, grace) else {
        return describe_no_click(clicks, occurrence.at, grace, contact.as_of.unwrap_or(now));
    };
    let Some(at) = click.at else {
        return format!(
            "Found in {}. HubSpot shows no time for it, so the click window is not checked.",
            click.property
        );
    };
    let found = format!("Found in {}, since {at:.0}", click.property);
    if at > occurrence.at {
        let late = describe_age(at.duration_since(occurrence.at));
        return format!(
            "{found}: {late} after the stage change. It is sent, as HubSpot may note a click late; Google refuses a click that \
             came after its conversion ({CLICK_TOO_LATE})."
        );
    }
    let age = describe_age(occurrence.at.duration_since(at));
    let found = format!("{found}: {age} before the stage change");
    let Some(window) = rules.window else {
        return format!("{found}. The click window of the conversion action is not known yet.");
    };
    let place = match window.place_of(at, occurrence.at) {
        WindowPlace::Inside => "inside",
        WindowPlace::Outside => "outside",
        WindowPlace::Unsure => "outside, by the latest of two differing answers of Google,",
    };
    let days = counted(window.last_days().unsigned_abs(), "day");
    format!("{found}, {place} the click window of {days}.")
}

fn describe_no_click(clicks: &ClickProperties, change: Timestamp, grace: SignedDuration, now: Timestamp) -> String {
    let properties = [Some(&clicks.gclid), clicks.gbraid.as_ref(), clicks.wbraid.as_ref()];
    let named: Vec<_> = properties.into_iter().flatten().map(String::as_str).collect();
    let named = named.join(", ");
    let end = later(change, grace);
    if now < end {
        format!(
            "None yet: {named} held no click id when the contact reached the stage. One that appears until {end:.0} counts."
        )
    } else {
        format!("None: {named} held no click id when the contact reached the stage, nor within {grace:#} after it.")
    }
}

/// Days with one decimal, hours if it is less than two days, or minutes if it is less than an hour.
fn describe_age(age: SignedDuration) -> String {
    let tenths = |unit: i64| {
        let tenths = age.as_secs().max(0) * 10 / unit;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    if age < SignedDuration::from_hours(1) {
        counted(age.as_mins().max(0).unsigned_abs(), "minute")
    } else if age < SignedDuration::from_hours(48) {
        format!("{} hours", tenths(3_600))
    } else {
        format!("{} days", tenths(86_400))
    }
}

fn describe_consent(contact: &Contact, rule: Option<&ConsentRule>) -> String {
    let Some(rule) = rule else {
        return "The event declares none, so none is asked for.".to_owned();
    };
    if has_consent(contact, rule) {
        format!("Granted: {} holds one of spec.consent.grantedValues.", rule.property)
    } else if contact.property(&rule.property).is_none() {
        format!("Not granted: {} is empty.", rule.property)
    } else {
        format!(
            "Not granted: {} holds none of spec.consent.grantedValues.",
            rule.property
        )
    }
}

fn describe_shared(contact: &Contact, rules: &ExplanationRules<'_>) -> String {
    if rules.event.share.is_empty() {
        return "The event declares none.".to_owned();
    }
    let of = |kind: &&SharedData| !identifiers_of(contact, &[**kind], rules.region).is_empty();
    let (usable, missing): (Vec<_>, Vec<_>) = rules.event.share.iter().partition(of);
    let name = |kind: &&&SharedData| match kind {
        SharedData::Phone if missing.contains(*kind) => format!("Phone ({})", phone_flaw(contact)),
        kind => format!("{kind:?}"),
    };
    let names = |kinds: &[&SharedData]| kinds.iter().map(|kind| name(&kind)).collect::<Vec<_>>().join(", ");
    match (usable.as_slice(), missing.as_slice()) {
        ([], missing) => format!("The contact has no usable value for {}.", names(missing)),
        (usable, []) => format!("Usable: {} ({HASHED}).", names(usable)),
        (usable, missing) => format!("Usable: {} ({HASHED}). Not usable: {}.", names(usable), names(missing)),
    }
}

/// Identifiers that are usable are not necessarily sent: the conversion may be skipped, or wait.
const HASHED: &str = "hashed if it is sent";

fn phone_flaw(contact: &Contact) -> &'static str {
    if ["phone", "mobilephone"]
        .iter()
        .all(|name| contact.property(name).is_none())
    {
        "phone and mobilephone are empty"
    } else {
        "not a number that can be called from abroad; one without a country code needs the contact's country, or \
         spec.defaultRegion of the HubSpotAccount"
    }
}

#[cfg(test)]
#[path = "explanation_tests.rs"]
mod tests;
