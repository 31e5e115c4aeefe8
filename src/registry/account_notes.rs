//! What loops and controllers note about an account of either kind, and what its controller takes from it.

use std::sync::Arc;

use super::{Account, Manifests, Readiness, Registry};
use crate::domain::ids::ObjectKey;
use crate::ports::{Cause, UpstreamError};

impl Registry {
    /// While the sync loops try again after a refusal, the account is `Ready` for them, but is `shown` to people as it
    /// was before; `None` ends that.
    pub fn set_trial(&self, account: &Account, shown: Option<Readiness>) {
        self.with_state_mut(|s| match shown {
            Some(shown) => s.trials.insert(account.clone(), shown),
            None => s.trials.remove(account),
        });
    }

    /// Whether an account can be used, as its status and those of its events say; `None` if it is not known.
    pub fn shown_readiness(&self, account: &Account) -> Option<Readiness> {
        self.with_state(|s| {
            let for_loops = || match account {
                Account::Google(key) => s.google.get(key).map(|account| account.readiness.clone()),
                Account::HubSpot(key) => s.hubspot.get(key).map(|account| account.readiness.clone()),
            };
            s.trials.get(account).cloned().or_else(for_loops)
        })
    }

    /// Forgets an account (deleted).
    pub fn remove_account(&self, account: &Account) {
        self.with_state_mut(|s| {
            s.faults.remove(account);
            s.trials.remove(account);
            match account {
                Account::Google(key) => {
                    s.owners.remove(key);
                    s.google.remove(key);
                }
                Account::HubSpot(key) => {
                    s.feeds.remove(key);
                    s.hubspot.remove(key);
                }
            }
        });
        self.bump_version();
    }

    /// Sets who is asked which account objects exist.
    pub fn set_manifests(&self, manifests: Arc<dyn Manifests>) {
        self.with_state_mut(|s| s.manifests = Some(manifests));
    }

    /// True if it is certain that no account object of an ad network has this key any more. That the registry does not
    /// have it proves nothing: it may not have been read yet.
    pub fn is_ad_account_gone(&self, key: &ObjectKey) -> bool {
        let manifests = self.with_state(|s| s.manifests.clone());
        manifests.is_some_and(|manifests| manifests.is_gone(key))
    }

    /// A call for this account of an ad network failed in a way that concerns the account: its controller probes at
    /// once.
    pub fn ad_account_fault(&self, key: &ObjectKey, error: &UpstreamError) {
        self.record_fault(Account::Google(key.clone()), error);
    }

    /// A call for this HubSpot account failed in a way that concerns the account.
    pub fn hubspot_fault(&self, key: &ObjectKey, error: &UpstreamError) {
        self.record_fault(Account::HubSpot(key.clone()), error);
    }

    /// While the loops try again after a refusal, the controller hears of everything that keeps them from finding out.
    /// A fault that needs a person is not replaced by one that passes by itself. A refusal that the service does not
    /// explain is no fault of the account yet: the controller is woken and checks by a call of its own.
    fn record_fault(&self, account: Account, error: &UpstreamError) {
        let concerns = self.with_state_mut(|s| {
            let trial = s.trials.contains_key(&account);
            let concerns = error.needs_a_person() || error.cause == Cause::QuotaExhausted || trial;
            let noted = s.faults.get(&account).is_some_and(UpstreamError::needs_a_person);
            if concerns && !error.is_unexplained() && (error.needs_a_person() || !noted) {
                s.faults.insert(account.clone(), error.clone());
            }
            concerns
        });
        if concerns {
            self.wake(account.to_wake());
        }
    }

    /// The fault the sync loops met since the account's controller last asked. Data Manager's permissions and scopes
    /// show only here: nothing but an upload probes them.
    pub fn take_fault(&self, account: &Account) -> Option<UpstreamError> {
        self.with_state_mut(|s| s.faults.remove(account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_controller_hears_of_what_concerns_it() {
        let (registry, _wakes) = Registry::new();
        let key = ObjectKey::new("b", "a");
        let account = Account::HubSpot(key.clone());
        let after = |causes: &[Cause]| {
            for cause in causes {
                let mut error = UpstreamError::new("HubSpot", *cause, "");
                error.code = Some("SAID_SO".to_owned());
                registry.hubspot_fault(&key, &error);
            }
            registry.take_fault(&account).map(|error| error.cause)
        };
        assert_eq!(after(&[Cause::Unavailable]), None);
        assert_eq!(after(&[Cause::QuotaExhausted]), Some(Cause::QuotaExhausted));
        let refused = [Cause::AccessDenied, Cause::QuotaExhausted];
        assert_eq!(after(&refused), Some(Cause::AccessDenied), "a quota hides no refusal");
        assert_eq!(
            after(&[Cause::AccessDenied, Cause::MissingScope]),
            Some(Cause::MissingScope)
        );
        registry.hubspot_fault(&key, &UpstreamError::new("HubSpot", Cause::CredentialsRejected, ""));
        assert_eq!(after(&[]), None, "a filter says nothing about the token");
        registry.set_trial(&account, Some(Readiness::Ready));
        assert_eq!(
            after(&[Cause::Unavailable]),
            Some(Cause::Unavailable),
            "it kept the loops from finding out"
        );
    }
}
