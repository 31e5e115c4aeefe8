//! What can become of an occurrence: five outcomes, and the reasons a user reads in `status.sync.reasons`.
//!
//! The law every count obeys: `observed = uploaded + processing + pending + skipped + rejected`.

use std::fmt;

/// The outcome of one occurrence. Pending and processing are passing, the other three are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Will be sent later; the reason says what it waits for.
    Pending,
    /// Accepted by Data Manager; Google has not reported its outcome yet.
    Processing,
    /// Google has accepted and processed it.
    Uploaded,
    /// Never to be sent.
    Skipped,
    /// Refused by Google for good.
    Rejected,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Processing,
        Self::Uploaded,
        Self::Skipped,
        Self::Rejected,
    ];

    /// The outcome of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == name)
    }

    /// True if it cannot change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Uploaded | Self::Skipped | Self::Rejected)
    }

    /// The name users see in status and metrics, and in the ledger. Never change these: databases hold them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Processing => "Processing",
            Self::Uploaded => "Uploaded",
            Self::Skipped => "Skipped",
            Self::Rejected => "Rejected",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub use crate::api::reasons::row as reason;

/// The reason of uploaded rows: nothing to add, users never see it.
pub const PROCESSED: &str = "Processed";

/// The detail of `NoSharedData` if the contact has a postal address, but the upload route takes none.
pub const ADDRESS_ALONE: &str = "AddressAlone";

/// What a detail of the operator's own means, and what to do; `None` for a code of Google's.
pub fn explain_detail(detail: &str) -> Option<&'static str> {
    (detail == ADDRESS_ALONE).then_some(
        "The contact has a postal address and nothing else to share, and uploads through the Google Ads API take no postal \
         addresses. Set spec.uploads.clickConversions of the GoogleAdsAccount to DataManager: later conversions are then \
         sent.",
    )
}

/// What a reason of the operator's own means, and what to do; `None` for a code of Google's.
pub fn explain_reason(name: &str) -> Option<&'static str> {
    reason::ALL
        .iter()
        .find(|reason| reason.name == name)
        .map(|reason| reason.message)
}
