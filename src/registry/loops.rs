//! Loops of accounts that ended unexpectedly.

use jiff::Timestamp;

use super::{Registry, Wake};
use crate::domain::ids::ObjectKey;

/// A sync loop of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loop {
    /// Reads a HubSpot account.
    Feed,
    /// Sends to a Google account.
    Uploader,
    /// Asks Google what became of what was sent.
    Poller,
}

impl Loop {
    /// Its name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Uploader => "uploader",
            Self::Poller => "poller",
        }
    }

    /// What stands still without it, in words that begin a sentence.
    pub const fn work(self) -> &'static str {
        match self {
            Self::Feed => "Reading this account",
            Self::Uploader => "Sending to this account",
            Self::Poller => "Asking what became of conversions sent to this account",
        }
    }

    const fn wake(self, account: ObjectKey) -> Wake {
        match self {
            Self::Feed => Wake::HubSpot(account),
            Self::Uploader | Self::Poller => Wake::Google(account),
        }
    }
}

/// A loop that ended unexpectedly and has not lasted since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub which: Loop,
    /// When it ended first.
    pub since: Timestamp,
}

impl Registry {
    /// A loop of this account ended unexpectedly: its controller says so until [`Self::loop_lasts`].
    pub fn loop_broke(&self, which: Loop, account: &ObjectKey, now: Timestamp) {
        self.write(|s| {
            let broken = Broken { which, since: now };
            s.broken.entry((which, account.clone())).or_insert(broken);
        });
        self.wake(which.wake(account.clone()));
    }

    /// The loop has run for long enough, or is not wanted any more.
    pub fn loop_lasts(&self, which: Loop, account: &ObjectKey) {
        if self.write(|s| s.broken.remove(&(which, account.clone()))).is_some() {
            self.wake(which.wake(account.clone()));
        }
    }

    /// A broken loop of this Google account.
    pub fn google_broken(&self, account: &ObjectKey) -> Option<Broken> {
        [Loop::Uploader, Loop::Poller]
            .into_iter()
            .find_map(|which| self.broken(which, account))
    }

    /// The feed of this HubSpot account, where it is broken.
    pub fn hubspot_broken(&self, account: &ObjectKey) -> Option<Broken> {
        self.broken(Loop::Feed, account)
    }

    fn broken(&self, which: Loop, account: &ObjectKey) -> Option<Broken> {
        self.read(|s| s.broken.get(&(which, account.clone())).copied())
    }
}
