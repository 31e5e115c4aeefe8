//! Forms and stages whose reads fail: each is tried again by itself, after growing pauses, so that what HubSpot
//! stumbles over each time holds up neither the other forms nor the other stages of the portal.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use crate::domain::backoff::backoff;
use crate::ports::Cause;
use crate::registry::sync_error::SyncError;

/// A form or stage whose last reads failed.
struct FailingPart {
    /// How many reads in a row failed.
    reads: u32,
    /// It is left alone until then.
    until: Instant,
    fault: SyncError,
}

/// Those of one account, by id or name.
#[derive(Default)]
pub(super) struct FailingParts(BTreeMap<String, FailingPart>);

impl FailingParts {
    /// A read of this one failed. False where that is a matter of the account, or of the ledger.
    pub(super) fn note(&mut self, part: &str, fault: &SyncError, longest: SignedDuration, now: Instant) -> bool {
        if !may_be_of_part(fault) {
            return false;
        }
        let before = self.0.get(part).map_or(0, |failing| failing.reads);
        let pause = backoff(before, longest, u64::from(before)).max(fault.retry_after().unwrap_or_default());
        let failing = FailingPart {
            reads: before.saturating_add(1),
            until: now + Duration::try_from(pause).unwrap_or_default(),
            fault: fault.clone(),
        };
        self.0.insert(part.to_owned(), failing);
        true
    }

    /// True for one whose last read failed.
    pub(super) fn contains(&self, part: &str) -> bool {
        self.0.contains_key(part)
    }

    /// What the last read of this one failed with, while it is left alone.
    pub(super) fn waits(&self, part: &str, now: Instant) -> Option<SyncError> {
        let failing = self.0.get(part).filter(|failing| now < failing.until)?;
        Some(failing.fault.clone())
    }

    /// A read of this one went well.
    pub(super) fn forget(&mut self, part: &str) {
        self.0.remove(part);
    }

    /// Only these are of an event.
    pub(super) fn retain(&mut self, parts: &BTreeSet<&str>) {
        self.0.retain(|part, _| parts.contains(part.as_str()));
    }

    /// How soon the first of them is tried again.
    pub(super) fn next_try(&self, now: Instant) -> Option<Duration> {
        let next = self.0.values().map(|failing| failing.until).min()?;
        Some(next.saturating_duration_since(now))
    }
}

/// True for failures that a form, or a submission of it, may be the reason of: a refusal names the form too.
pub(super) const fn may_be_of_part(fault: &SyncError) -> bool {
    match fault {
        SyncError::Upstream(error) => {
            error.may_concern_a_part() || matches!(error.cause, Cause::Refused | Cause::NotFound | Cause::AccessDenied)
        }
        SyncError::Ledger(_) | SyncError::LedgerFull => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::ports::UpstreamError;

    fn fault(cause: Cause) -> SyncError {
        UpstreamError::new("HubSpot", cause, "").into()
    }

    #[test]
    fn each_form_waits_by_itself_and_longer_each_time() {
        let (mut forms, begin) = (FailingParts::default(), Instant::now());
        let (longest, second) = (SignedDuration::from_mins(5), Duration::from_secs(1));
        let mut now = begin;
        let mut pauses = Vec::new();
        for _ in 0..4 {
            assert!(forms.note("a", &fault(Cause::Unavailable), longest, now));
            assert!(forms.waits("a", now).is_some() && forms.waits("b", now).is_none());
            let pause = forms.next_try(now).unwrap();
            pauses.push(pause);
            now += pause;
            assert!(forms.waits("a", now).is_none());
        }
        assert!(
            pauses.is_sorted() && pauses[0] >= second && pauses[3] >= 7 * second,
            "{pauses:?}"
        );
        forms.note("b", &fault(Cause::Malformed), longest, now);
        assert_eq!(forms.next_try(now), Some(Duration::ZERO), "a is due");
        forms.forget("a");
        assert!(forms.next_try(now).unwrap() >= second);
        forms.retain(&BTreeSet::from(["c"]));
        assert_eq!(forms.next_try(now), None);
    }

    #[test]
    fn what_is_no_matter_of_a_form_is_left_to_the_account() {
        let mut forms = FailingParts::default();
        for cause in [
            Cause::CredentialsRejected,
            Cause::MissingScope,
            Cause::RateLimited,
            Cause::QuotaExhausted,
        ] {
            assert!(!forms.note("a", &fault(cause), SignedDuration::from_mins(5), Instant::now()));
        }
        assert!(!forms.note(
            "a",
            &SyncError::LedgerFull,
            SignedDuration::from_mins(5),
            Instant::now()
        ));
        assert_eq!(forms.next_try(Instant::now()), None);
    }
}
