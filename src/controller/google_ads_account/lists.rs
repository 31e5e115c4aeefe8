//! What is read of a customer besides itself: its goals and its conversion actions. If a list can't be read although
//! the customer can, what was known of it stands, and the account says so. No conversion waits for goals, and none of
//! an event that has its action waits for the list of actions.

use jiff::Timestamp;

use super::memory::{GoogleMemory, List};
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;
use crate::ports::UpstreamError;
use crate::ports::ads::Customer;

/// What a read of a list of the customer ended with: inside `Ok` a
/// failure that is of the list alone, if the customer itself is answered.
///
/// # Errors
/// What is a matter of the account.
pub(super) fn failure_of_list<T>(read: Result<T, UpstreamError>) -> Result<Result<T, UpstreamError>, UpstreamError> {
    match read {
        Err(error) if !error.may_concern_a_list() => Err(error),
        read => Ok(read),
    }
}

impl GoogleMemory {
    /// A list was read.
    pub(super) fn list_read(&mut self, list: List) {
        self.unread.remove(list);
    }

    /// A list could not be read, and the customer could.
    pub(super) fn list_failed(&mut self, account: &ObjectKey, list: List, error: &UpstreamError, now: Timestamp) {
        tracing::warn!(%account, error = brief(error), "{list} of a Google Ads account could not be read");
        self.unread.insert(list, (error.without_request_id(), now));
    }

    /// What people should know of lists that could not be read.
    pub(super) fn remark(&self) -> Option<String> {
        if self.unread.is_empty() {
            return None;
        }
        let listed: Vec<String> = self
            .unread
            .iter()
            .map(|(list, (why, _))| format!("{list} ({why})"))
            .collect();
        Some(format!(
            "Google could not be asked again for {}. What was read before still counts, and it is retried.",
            listed.join(" and ")
        ))
    }

    /// The customer as it was last read.
    pub(super) fn known_customer(&self) -> Option<&Customer> {
        self.customer.as_ref().map(|(customer, _)| customer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::google_ads_account::memory::{ACTIONS, GOALS};
    use crate::ports::Cause;

    #[test]
    fn people_are_told_of_lists_that_were_not_read() {
        let mut memory = GoogleMemory::default();
        assert_eq!(memory.remark(), None);
        let (key, now) = (ObjectKey::new("a", "b"), Timestamp::UNIX_EPOCH);
        memory.list_failed(
            &key,
            GOALS,
            &UpstreamError::new("Google Ads", Cause::Unavailable, "down"),
            now,
        );
        let remark = memory.remark().unwrap_or_default();
        assert!(remark.contains("the conversion goals (Google Ads: down)"), "{remark}");
        assert_eq!((memory.failed_at(GOALS), memory.failed_at(ACTIONS)), (Some(now), None));
        memory.list_read(GOALS);
        assert_eq!(memory.remark(), None);
    }
}
