//! Contacts whose reads fail again and again, for what HubSpot calls a failure of its own, or with no answer at all. Most such
//! failures pass. But a single record may be what HubSpot, or a proxy, stumbles over each time: after some failures the halves
//! of a batch are asked for, and a contact that fails alone is asked for alone from then on, so that it holds up no other.

use std::collections::BTreeMap;

use crate::domain::ids::ContactId;

/// So many failures of a batch in a row are left to pass.
const TO_PASS: u32 = 2;
/// Marks a contact that failed alone while others were answered.
const ALONE: u32 = u32::MAX;
/// Most contacts that are remembered.
const MOST: usize = 10_000;

/// How often each contact was in a read that failed, since one was answered that it was in.
#[derive(Default)]
pub(crate) struct FailedReads(BTreeMap<ContactId, u32>);

impl FailedReads {
    /// Those of `ids` that go together, and those that each go alone.
    pub(crate) fn split_alone(&self, ids: Vec<ContactId>) -> (Vec<ContactId>, Vec<ContactId>) {
        ids.into_iter().partition(|id| self.0.get(id) != Some(&ALONE))
    }

    /// True if a batch of these has failed so often that one of them may be the reason.
    pub(crate) fn may_be_of_one(&self, ids: &[ContactId]) -> bool {
        ids.iter()
            .any(|id| self.0.get(id).is_some_and(|failures| *failures >= TO_PASS))
    }

    /// A read of these failed.
    pub(crate) fn note_failed(&mut self, ids: &[ContactId]) {
        if self.0.len() + ids.len() > MOST {
            self.0.clear();
        }
        for id in ids {
            let failures = self.0.entry(*id).or_default();
            *failures = failures.saturating_add(1).min(ALONE - 1).max(*failures);
        }
    }

    /// This one failed alone, and others were answered.
    pub(crate) fn note_alone(&mut self, id: ContactId) {
        self.0.insert(id, ALONE);
    }

    /// A read of these was answered.
    pub(crate) fn note_answered(&mut self, ids: &[ContactId]) {
        for id in ids {
            self.0.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_fails_twice_before_one_may_be_the_reason() {
        let ids = |all: &[u64]| all.iter().copied().map(ContactId).collect::<Vec<_>>();
        let mut failed = FailedReads::default();
        failed.note_failed(&ids(&[1, 2]));
        assert!(!failed.may_be_of_one(&ids(&[1, 2])));
        failed.note_failed(&ids(&[2, 3]));
        assert!(failed.may_be_of_one(&ids(&[2, 9])) && !failed.may_be_of_one(&ids(&[1, 3])));
        failed.note_alone(ContactId(2));
        failed.note_failed(&ids(&[2]));
        assert_eq!(failed.split_alone(ids(&[1, 2, 3])), (ids(&[1, 3]), ids(&[2])));
        failed.note_answered(&ids(&[2]));
        assert_eq!(failed.split_alone(ids(&[1, 2, 3])), (ids(&[1, 2, 3]), ids(&[])));
        failed.note_failed(&(0..MOST as u64).map(ContactId).collect::<Vec<_>>());
        assert!(!failed.may_be_of_one(&ids(&[3])), "with too many it begins anew");
    }
}
