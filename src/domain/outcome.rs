//! What can become of an occurrence: five outcomes, and the reasons a user reads in `status.sync.reasons`.
//!
//! The law every count obeys: `observed = uploaded + processing + pending + skipped + rejected`.

use std::fmt;

/// The outcome of one occurrence. Pending and processing are passing, the other three are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Will be sent later; the reason says what it waits for.
    Pending,
    /// Accepted by Data Manager; Google has not said yet what became of it.
    Processing,
    /// Google has accepted and processed it.
    Uploaded,
    /// Never to be sent.
    Skipped,
    /// Refused by Google for good.
    Rejected,
}

impl Outcome {
    /// All outcomes, in the order of the ledger's codes.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Processing,
        Self::Uploaded,
        Self::Skipped,
        Self::Rejected,
    ];

    /// The number that stands for it in the ledger. Never change these: databases hold them.
    pub const fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Processing => 1,
            Self::Uploaded => 2,
            Self::Skipped => 3,
            Self::Rejected => 4,
        }
    }

    /// The outcome with this ledger code.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.code() == code)
    }

    /// True where nothing can change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Uploaded | Self::Skipped | Self::Rejected)
    }

    /// The name users see in status and metrics.
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

/// The detail of `NoSharedData` where a postal address is there, but the way of the upload takes none.
pub const ADDRESS_ALONE: &str = "AddressAlone";

/// What a class of rows means whose detail is one of ours, and what to do.
pub fn explain_detail(detail: &str) -> Option<&'static str> {
    (detail == ADDRESS_ALONE).then_some(
        "The contact has a postal address and nothing else to share, and uploads through the Google Ads API take no postal \
         addresses. Set spec.uploads.clickConversions of the GoogleAdsAccount to DataManager: later conversions are then \
         sent.",
    )
}

/// What a class of rows means and what to do about it, one sentence each; `None` for a code of Google's.
pub fn explain(reason: &str) -> Option<&'static str> {
    Some(match reason {
        reason::NOT_DUE => "The conversion is sent once the settle delay is over. Nothing to do.",
        reason::IN_FLIGHT => {
            "The conversion is part of a request to Google that has not been answered yet. If it is repeated, ids and values stay the same. Nothing to do."
        }
        reason::AWAITING_CLICK_ID => {
            "The contact has no click id yet. The operator checks again until the click grace ends. Nothing to do."
        }
        reason::AWAITING_CONSENT => {
            "The consent property does not hold a granted value yet. The conversion is sent once it does, inside the deadline."
        }
        reason::AWAITING_WEB_CONVERSION => {
            "Google has not received the web tag's conversion yet. If this lasts, check that the snippet is on the page with the form."
        }
        reason::UNREADABLE_RECORD => {
            "HubSpot refuses to show the contact or one of its deals, or shows it in a way that can't be understood; it is read again with growing pauses. See lastErrors for the contact id, and check that record in HubSpot."
        }
        reason::ACTION_TOO_NEW => {
            "Google rejects conversions for newly created conversion actions. The conversion is sent some hours later. Nothing to do."
        }
        reason::CLICK_TOO_RECENT => {
            "Google rejects conversions of very recent clicks. The conversion is sent some hours later. Nothing to do."
        }
        reason::QUOTA_EXHAUSTED => {
            "A quota is used up. The conversion is sent when it refills. If this lasts, raise the quota of the Google Cloud project or the HubSpot portal."
        }
        reason::UPSTREAM_UNAVAILABLE => {
            "Google or HubSpot failed or could not be reached. The operator retries with growing pauses. See lastErrors."
        }
        reason::ACCOUNT_NOT_READY => {
            "An account or the conversion action is not ready, or Google refuses all conversions for it. The conversion is sent once that is mended. See the conditions AccountsReady, ConversionActionReady and Delivering."
        }
        reason::SUSPENDED => {
            "The event or one of its accounts is suspended. Set its spec.suspend to false to continue."
        }
        reason::AWAITING_RESULT => {
            "Google has accepted the conversions and reports their result later (after 30 minutes to 24 hours). Nothing to do."
        }
        reason::OUTCOME_UNKNOWN => {
            "Google failed some of these conversions without saying which. They are sent again in smaller requests under the same ids and values. Nothing to do."
        }
        reason::NO_CLICK_ID => {
            "The contact has no Google click id (an e-mail address or a number in that property is none) and the event shares no data. Add spec.shareData, or check that the ads' landing pages carry HubSpot's tracking code."
        }
        reason::NO_SHARED_DATA => {
            "The contact has neither a click id nor a usable value of the kinds in spec.shareData."
        }
        reason::NO_CONSENT => "The contact's consent property does not hold a value of spec.consent.grantedValues.",
        reason::OUTSIDE_CLICK_WINDOW => {
            "More time passed between ad click and stage change than the click window of the conversion action (at most 90 days) \
             allows. To lengthen it, set conversionAction.create.clickThroughLookbackWindowDays."
        }
        reason::CONTACT_DELETED => "The contact was deleted in HubSpot before the conversion could be sent.",
        reason::MISSED_WHILE_SUSPENDED => {
            "The contact reached the stage while the event was suspended, and resumePolicy is SkipMissed."
        }
        reason::DEADLINE_MISSED => {
            "Google had not received the web tag's conversion within a day of the submission, or the submission became known only later. Google accepts no enhancement then. Check that the snippet is on the page with the form."
        }
        reason::INVALID_ARGUMENT => {
            "Google refused this conversion without naming a field. Check its click id, value and shared data."
        }
        _ => return None,
    })
}
