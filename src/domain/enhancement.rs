//! Whether and what to send for one form submission: pure, from a fresh read of the contact.
//!
//! An enhancement completes the conversion that the web tag reports; Google takes it within a day of the conversion
//! only (docs/reference/google.md 4.4).

use jiff::{SignedDuration, Timestamp};

use super::contact::Contact;
use super::eligibility::{Decision, EventRules, Prepared, SuspectedSkip, has_consent};
use super::identifiers;
use super::outcome::reason;
use super::steady_time::KnownTime;
use super::time::later;

/// Longest pause between two looks at a submission that waits.
const MAX_PAUSE: SignedDuration = SignedDuration::from_mins(30);
/// The same once the deadline is over, but not for certain.
const OVERDUE_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// The waits that the process's flags set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmissionWaits {
    /// `--settle-delay`: from first seen to sent.
    pub settle: SignedDuration,
    /// `--click-grace`: how long a contact that HubSpot does not show yet is looked for.
    pub grace: SignedDuration,
    /// `--enhancement-deadline`: from the submission to the last try.
    pub deadline: SignedDuration,
    /// `--upload-interval`: shortest pause between two looks.
    pub pause: SignedDuration,
}

/// A submission that is decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// When it was made, HubSpot's clock.
    pub at: Timestamp,
    /// When we saw it first.
    pub first_seen: Timestamp,
    /// It has a `conversionId`. Without one Google can't tell which conversion is meant.
    pub named: bool,
}

impl Submitted {
    /// Its deadline is over for certain. One that is late only by a clock that somebody disputes is sent if nothing else
    /// is missing: Google knows.
    fn is_late(&self, waits: &SubmissionWaits, time: KnownTime) -> bool {
        time.certain >= later(self.at, waits.deadline)
    }
}

/// Whose submission it is.
pub enum Person<'a> {
    Known(&'a Contact),
    /// The contact was found once and is proven deleted ([`super::absence`]).
    Deleted,
    /// HubSpot does not give the contact, or not in a way that can be understood (yet).
    Unreadable,
    /// HubSpot shows no contact with the submission's e-mail (yet).
    NotFound {
        /// How far the first and the last of the looks are apart that
        /// all found that nobody has it; `None` if there was none.
        nobodys_for: Option<SignedDuration>,
    },
    /// The submission has no e-mail address: no contact can be found.
    Nameless,
}

/// When to look again at a submission that waits for the visitor or the web tag: after a quarter of its age, once more
/// shortly before the deadline, and then at the deadline; after it every few minutes, until it is certain that it is
/// over. The age is the certain one, if that is known.
pub fn next_look(at: Timestamp, waits: &SubmissionWaits, time: KnownTime) -> Timestamp {
    let by = if time.certain > Timestamp::MIN {
        time.certain
    } else {
        time.now
    };
    later(time.now, pause_before_look(at, waits, by))
}

fn pause_before_look(at: Timestamp, waits: &SubmissionWaits, now: Timestamp) -> SignedDuration {
    let floor = waits
        .pause
        .min(waits.deadline / 8)
        .max(SignedDuration::from_millis(100));
    let pause = (now.duration_since(at) / 4).clamp(floor, MAX_PAUSE.max(floor));
    let left = later(at, waits.deadline).duration_since(now);
    if !left.is_positive() {
        return pause.min(OVERDUE_PAUSE.max(floor));
    }
    let before_last = left - floor * 2;
    if before_last.is_positive() {
        pause.min(before_last)
    } else {
        left
    }
}

/// Whose submission it is (`None` if that is not known yet), or the decision if it does not depend on that.
fn submitter<'a>(
    person: &Person<'a>,
    submitted: Submitted,
    waits: &SubmissionWaits,
    time: KnownTime,
) -> Result<Option<&'a Contact>, Decision> {
    let now = time.now;
    let skip = |reason| Err(Decision::Skip { reason });
    let wait = |reason, due| Err(Decision::Wait { reason, due });
    // Google takes no conversion of the future, and a time of HubSpot's may be any.
    let by_hubspot = match person {
        Person::Known(contact) => contact.as_of.unwrap_or(now),
        _ => now,
    };
    let ahead = submitted.at.duration_since(by_hubspot);
    match person {
        Person::Deleted => skip(reason::CONTACT_DELETED),
        Person::Nameless => skip(reason::NO_SHARED_DATA),
        _ if ahead.is_positive() => wait(reason::NOT_DUE, later(now, ahead)),
        Person::Unreadable if submitted.is_late(waits, time) => skip(reason::DEADLINE_MISSED),
        Person::Unreadable => wait(reason::UNREADABLE_RECORD, next_look(submitted.at, waits, time)),
        // One answer proves nothing, however late it comes ([`super::absence`]).
        Person::NotFound { nobodys_for } if nobodys_for.is_some_and(|apart| apart >= waits.grace) => {
            skip(reason::CONTACT_DELETED)
        }
        Person::NotFound { .. } => Ok(None),
        Person::Known(contact) => Ok(Some(*contact)),
    }
}

/// What decides about a submission.
#[derive(Debug, Clone, Copy)]
pub struct SubmissionRules<'a> {
    pub event: &'a EventRules,
    pub waits: &'a SubmissionWaits,
    /// The HubSpot account's default region, for phone numbers without a country.
    pub region: Option<&'a str>,
}

/// Decides about a submission. The click id of its page is not in the contact: the sender adds it from the submission.
///
/// # Errors
/// If this read of the contact leaves it out.
pub fn decide_submission(
    person: &Person<'_>,
    submitted: Submitted,
    by: &SubmissionRules<'_>,
    time: KnownTime,
) -> Result<Decision, SuspectedSkip> {
    let (rules, waits, now) = (by.event, by.waits, time.now);
    let skip = |reason| Ok(Decision::Skip { reason });
    let wait = |reason, due| Ok(Decision::Wait { reason, due });
    let person = match person {
        Person::Known(contact) if rules.unread_of(contact).is_some() => &Person::Unreadable,
        person => person,
    };
    let contact = match submitter(person, submitted, waits, time) {
        Ok(contact) => contact,
        Err(decided) => return Ok(decided),
    };
    let late = submitted.is_late(waits, time);
    let look = next_look(submitted.at, waits, time);
    // The last look, if nothing but time is waited for.
    let end = look.max(later(submitted.at, waits.deadline));
    let settled = later(submitted.first_seen, waits.settle);
    let consents = |contact: &&Contact| rules.consent.as_ref().is_some_and(|rule| has_consent(contact, rule));
    let Some(contact) = contact.filter(consents) else {
        if late {
            // HubSpot is not asked whose submission it is if that was first seen too late, so it is not known that
            // consent is missing.
            let why = contact.map_or(reason::DEADLINE_MISSED, |_| reason::NO_CONSENT);
            return skip(why);
        }
        // A contact that is found is read again once it has settled. One that is not found is looked for meanwhile.
        let earliest = contact.map_or(look, |_| settled.min(end));
        return wait(reason::AWAITING_CONSENT, look.max(earliest));
    };
    let identifiers = identifiers::identifiers_of(contact, &rules.share, by.region);
    if late && identifiers.is_empty() {
        return skip(reason::NO_SHARED_DATA);
    }
    if late {
        return skip(reason::DEADLINE_MISSED);
    }
    if settled > now {
        return wait(reason::NOT_DUE, settled.min(end));
    }
    if !submitted.named {
        return wait(reason::AWAITING_WEB_CONVERSION, end);
    }
    if identifiers.is_empty() {
        return Err(SuspectedSkip::for_lack(reason::NO_SHARED_DATA));
    }
    Ok(Decision::Send(Prepared {
        click: None,
        identifiers,
        consent_granted: true,
    }))
}

#[cfg(test)]
#[path = "enhancement_tests.rs"]
mod tests;
