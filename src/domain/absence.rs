//! When a contact that HubSpot does not show counts as deleted.
//!
//! One answer proves nothing: HubSpot leaves contacts out of answers that are otherwise in order, and sometimes reports
//! a contact as not found that exists (docs/reference/hubspot.md 4.5). So it takes two looks with a pause between them,
//! and no look in between that shows the contact. If HubSpot says at both looks that the contact does not exist, the
//! pause is short; if the answers only leave it out, the pause is long. The last answer must show somebody else: an
//! answer that shows nobody says something about itself, not about the contact.

use jiff::SignedDuration;

/// The pauses that the process's flags set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// `--settle-delay`: between two looks at which HubSpot says that the contact does not exist.
    pub named: SignedDuration,
    /// `--click-grace`: between two looks that leave it out.
    pub silent: SignedDuration,
    /// `--backoff-max`: the longest wait for the next look once the pause is over.
    pub longest: SignedDuration,
}

/// An answer that does not show a contact that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingAnswer {
    /// HubSpot says that it does not exist; else it leaves it out.
    pub named: bool,
    /// The answer shows somebody else, or HubSpot has no contacts at all.
    pub others: bool,
}

/// For how long looks have missed the contact, without one in between that showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingSince {
    /// Since the first look that did not show it.
    pub missing: SignedDuration,
    /// Since the first look at which HubSpot said that it does not exist, if there was one.
    pub named: Option<SignedDuration>,
}

/// What follows from a look that does not show a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbsenceVerdict {
    /// It counts as deleted.
    Deleted,
    /// Nothing is certain. The next look is due after this time.
    Again(SignedDuration),
}

/// Shortest wait between two looks.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);

/// Judges a look by the earlier ones (`since`; `None` if this is the first). Until the pause is over, the next look
/// comes when the contact has been missing for twice as long: a contact that comes back soon does not wait long, and
/// one that stays away costs few looks.
pub fn judge_look(look: MissingAnswer, since: Option<MissingSince>, pauses: &Pauses) -> AbsenceVerdict {
    let missing = since.map(|since| since.missing);
    let named = since.and_then(|since| since.named);
    let is_over = |pause: SignedDuration, elapsed: Option<SignedDuration>| elapsed.is_some_and(|e| e >= pause);
    let by_name = look.named && is_over(pauses.named, named);
    if look.others && (by_name || is_over(pauses.silent, missing)) {
        return AbsenceVerdict::Deleted;
    }
    let elapsed = missing.unwrap_or_default();
    let grown = elapsed.max(pauses.named).max(SHORTEST);
    let by_name = look.named.then(|| pauses.named - named.unwrap_or_default());
    let left = by_name.map_or(pauses.silent - elapsed, |left| left.min(pauses.silent - elapsed));
    AbsenceVerdict::Again(match left {
        left if left.is_positive() => left.min(grown),
        // The pause is over, and this answer could not tell.
        _ if !look.others => grown.min(pauses.longest.max(SHORTEST)),
        // There is no pause: the next look decides.
        _ => SHORTEST,
    })
}

#[cfg(test)]
#[path = "absence_tests.rs"]
mod tests;
