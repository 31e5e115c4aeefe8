//! Reasons of conversions. The reason of a rejected conversion is Google's own code, or [`INVALID_ARGUMENT`].

/// A reason, and what a status says of it.
#[derive(Debug, Clone, Copy)]
pub struct Reason {
    pub name: &'static str,
    /// The outcome it belongs to, as a status names it.
    pub outcome: &'static str,
    /// What it means and what to do.
    pub message: &'static str,
}

/// Constants with their table. The message is that of the status.
macro_rules! reasons {
    ($($(#[$doc:meta])+ $outcome:ident $name:ident = $value:literal => $message:literal;)+) => {
        $($(#[$doc])+ pub const $name: &str = $value;)+

        /// All that belong to one outcome, in the order of the documentation.
        pub const ALL: &[Reason] = &[$(Reason { name: $name, outcome: stringify!($outcome), message: $message }),+];
    };
}

reasons! {
    /// No click id, and nothing declared to share.
    Skipped NO_CLICK_ID = "NoClickId" => "The contact has no Google click id (an e-mail address or a number in that property does not count) and the event shares no data. Add spec.shareData, or check that the ads' landing pages carry HubSpot's tracking code.";
    /// Neither click id nor a usable declared identifier.
    Skipped NO_SHARED_DATA = "NoSharedData" => "The contact has neither a click id nor a usable value of the kinds in spec.shareData. To send such contacts, have forms ask for this data, or add kinds to spec.shareData.";
    /// Consent is not granted.
    Skipped NO_CONSENT = "NoConsent" => "The contact's consent property does not hold a value of spec.consent.grantedValues. Without consent nothing is to be done. If contacts did consent, correct spec.consent.";
    /// The click is too long ago.
    Skipped OUTSIDE_CLICK_WINDOW = "OutsideClickWindow" => "More time passed between ad click and stage change than the click window of the conversion action allows. If it is shorter than 90 days, spec.conversionAction.create.clickThroughLookbackWindowDays can lengthen it.";
    /// The contact is gone.
    Skipped CONTACT_DELETED = "ContactDeleted" => "The contact was deleted in HubSpot before the conversion could be sent.";
    /// Observed while suspended under `SkipMissed`.
    Skipped MISSED_WHILE_SUSPENDED = "MissedWhileSuspended" => "The operator saw the stage or the submission for the first time while the event was suspended, and spec.resumePolicy is SkipMissed.";
    /// The enhancement was not possible in time.
    Skipped DEADLINE_MISSED = "DeadlineMissed" => "Google had not received the web tag's conversion within a day of the submission, or the submission became known only later. Google accepts no enhancement after that. Check that the snippet is on the page with the form.";

    /// The settling delay is not over.
    Pending NOT_DUE = "NotDue" => "The conversion is sent once the settle delay is over. If HubSpot gives it a time in the near future, it is sent then. If the click seems to be outside the click window, the window and the time of the click are both read a second time before it is skipped. Nothing to do.";
    /// A request is under way.
    Pending IN_FLIGHT = "InFlight" => "The conversion is part of a request to Google that has not been answered yet. If the request is repeated, ids and values stay the same. Nothing to do.";
    /// The click id may still arrive.
    Pending AWAITING_CLICK_ID = "AwaitingClickId" => "The contact has no click id yet. The operator checks again until the click grace ends. Nothing to do.";
    /// Consent may still be granted (forms).
    Pending AWAITING_CONSENT = "AwaitingConsent" => "The consent property does not hold a granted value yet. The conversion is sent once it does, if that is before the deadline (--enhancement-deadline).";
    /// Google does not know the web conversion yet.
    Pending AWAITING_WEB_CONVERSION = "AwaitingWebConversion" => "Google has not received the web tag's conversion yet. If this lasts, check that the snippet is on the page with the form.";
    /// HubSpot does not give the contact, or a deal of it, or in a way that cannot be understood.
    Pending UNREADABLE_RECORD = "UnreadableRecord" => "HubSpot does not show the contact or one of its deals, or shows it in a form that the operator does not understand. The operator reads it again with growing pauses. See lastErrors for the contact id. Check the contact and its deals in HubSpot, and that the token may see them. A contact that stays missing counts as deleted; if deals stay missing, the default value is sent.";
    /// Google does not take uploads for an action this young.
    Pending ACTION_TOO_NEW = "ActionTooNew" => "Google rejects conversions for newly created conversion actions, or does not show the action with its click window yet. The conversion is sent some hours later. Nothing to do.";
    /// Google does not know a click this young yet.
    Pending CLICK_TOO_RECENT = "ClickTooRecent" => "Google rejects conversions of very recent clicks. The conversion is sent some hours later. Nothing to do.";
    /// A quota is exhausted.
    Pending QUOTA_EXHAUSTED = "QuotaExhausted" => "A quota is used up. The conversion is sent when it refills. If this lasts, raise the quota of the Google Cloud project or the HubSpot portal.";
    /// Google does not answer as it should.
    Pending UPSTREAM_UNAVAILABLE = "UpstreamUnavailable" => "Google or HubSpot failed, could not be reached, or refused a request without saying which conversion it is about. The operator retries with growing pauses. See lastErrors.";
    /// An account is not Ready.
    Pending ACCOUNT_NOT_READY = "AccountNotReady" => "An account or the conversion action is not ready, or Google refuses all conversions for it. The conversion is sent once that is fixed. See the conditions AccountsReady, ConversionActionReady and Delivering.";
    /// The event or an account is suspended.
    Pending SUSPENDED = "Suspended" => "The event or one of its accounts is suspended. Set spec.suspend of that object to false to continue.";

    /// Google has not reported yet.
    Processing AWAITING_RESULT = "AwaitingResult" => "Google has accepted the conversions and reports their result later (after 30 minutes to 24 hours). Nothing to do.";
    /// Google named fewer rows than it failed.
    Processing OUTCOME_UNKNOWN = "OutcomeUnknown" => "What Google reported does not prove what became of these conversions, or which of them failed. They are sent again in smaller requests under the same ids and values. Nothing to do for a day; after that the condition Synced says how many stay so, and what to do.";

    /// Singled out by bisection, without a code of its own, while others of its action were taken.
    Rejected INVALID_ARGUMENT = "InvalidArgument" => "Google refused this conversion without naming a field, while it took others. Check its click id, value and shared data.";
}

/// The further reasons of an outcome, beyond those that a status has room for.
pub const OTHER: &str = "Other";
/// What a status says of [`OTHER`].
pub const OTHER_MESSAGE: &str = "Further reasons, added up; each has few conversions.";
