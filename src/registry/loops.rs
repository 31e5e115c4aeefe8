//! Loops of accounts that ended unexpectedly.

use jiff::Timestamp;

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

    /// The work that stands still without it, as the beginning of a sentence.
    pub const fn stalled_work(self) -> &'static str {
        match self {
            Self::Feed => "Reading this account",
            Self::Uploader => "Sending to this account",
            Self::Poller => "Asking what became of conversions sent to this account",
        }
    }
}

/// A loop that ended unexpectedly and has not lasted since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenLoop {
    pub which: Loop,
    /// When it ended first.
    pub since: Timestamp,
}
