//! Which loops are broken: the supervisor says so, and the controller of the account is woken.

use jiff::Timestamp;

use super::loops::{BrokenLoop, Loop};
use super::{Account, Registry, Wake};
use crate::domain::ids::ObjectKey;

impl Registry {
    /// A loop of this account ended unexpectedly: its controller says so until [`Self::loop_lasts`].
    pub fn loop_broke(&self, which: Loop, account: &ObjectKey, now: Timestamp) {
        self.with_state_mut(|s| {
            let broken = BrokenLoop { which, since: now };
            s.broken.entry((which, account.clone())).or_insert(broken);
        });
        self.wake(wake_of(which, account.clone()));
    }

    /// The loop has run for long enough, or is not wanted any more.
    pub fn loop_lasts(&self, which: Loop, account: &ObjectKey) {
        if self
            .with_state_mut(|s| s.broken.remove(&(which, account.clone())))
            .is_some()
        {
            self.wake(wake_of(which, account.clone()));
        }
    }

    /// A loop of this account that is broken.
    pub fn broken_loop(&self, account: &Account) -> Option<BrokenLoop> {
        let (loops, key): (&[Loop], _) = match account {
            Account::Google(key) => (&[Loop::Uploader, Loop::Poller], key),
            Account::HubSpot(key) => (&[Loop::Feed], key),
        };
        loops.iter().find_map(|which| self.broken_loop_of(*which, key))
    }

    fn broken_loop_of(&self, which: Loop, account: &ObjectKey) -> Option<BrokenLoop> {
        self.with_state(|s| s.broken.get(&(which, account.clone())).copied())
    }
}

const fn wake_of(which: Loop, account: ObjectKey) -> Wake {
    match which {
        Loop::Feed => Wake::HubSpot(account),
        Loop::Uploader | Loop::Poller => Wake::Google(account),
    }
}
