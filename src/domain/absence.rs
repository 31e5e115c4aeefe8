//! When a contact that HubSpot does not show counts as deleted.
//!
//! One answer proves nothing: HubSpot leaves contacts out of answers that are otherwise in order, and at times calls
//! contacts not found that are there (docs/reference/hubspot.md 4.5). So it takes two looks with a pause between them, and
//! none in between that shows the contact. If HubSpot says at both that it does not exist, the pause is short; where it is
//! only left out, the pause is long. The last answer must show somebody else: one that shows nobody is about the answer, not
//! about the contact.

use jiff::SignedDuration;

/// The pauses that the process's flags set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// `--settle-delay`: between two looks at which HubSpot says that the contact does not exist.
    pub named: SignedDuration,
    /// `--click-grace`: between two looks that leave it out.
    pub silent: SignedDuration,
    /// `--backoff-max`: longest wait for the next look once the pause is over.
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

/// How long ago earlier looks were that did not show the contact, with none since that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// The first one.
    pub missing: SignedDuration,
    /// The first one at which HubSpot said that it does not exist.
    pub named: Option<SignedDuration>,
}

/// What follows from a look that does not show a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts as deleted.
    Deleted,
    /// Nothing is known. It is looked for again after so long.
    Again(SignedDuration),
}

/// Shortest wait between two looks.
const SHORTEST: SignedDuration = SignedDuration::from_secs(1);

/// Judges a look by the earlier ones; `None` if this is the first. Until the pause is over, the contact is looked for
/// whenever the time that it has been missing has doubled: who is shown again soon does not wait for long, and who is not
/// costs few looks.
pub fn judge_look(look: MissingAnswer, since: Option<Since>, pauses: &Pauses) -> Verdict {
    let missing = since.map(|since| since.missing);
    let named = since.and_then(|since| since.named);
    let is_over = |pause: SignedDuration, elapsed: Option<SignedDuration>| elapsed.is_some_and(|e| e >= pause);
    let by_name = look.named && is_over(pauses.named, named);
    if look.others && (by_name || is_over(pauses.silent, missing)) {
        return Verdict::Deleted;
    }
    let elapsed = missing.unwrap_or_default();
    let grown = elapsed.max(pauses.named).max(SHORTEST);
    let by_name = look.named.then(|| pauses.named - named.unwrap_or_default());
    let left = by_name.map_or(pauses.silent - elapsed, |left| left.min(pauses.silent - elapsed));
    Verdict::Again(match left {
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
