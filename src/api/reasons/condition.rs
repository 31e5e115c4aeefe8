//! Types of conditions.

const ALL_KINDS: &str = "all kinds";
const EVENT: &str = "AdConversionEvent";
const GOOGLE: &str = "GoogleAdsAccount";
const HUBSPOT: &str = "HubSpotAccount";

super::explained::explained! {
    /// The object is usable and current. Always present.
    READY = "Ready" in [ALL_KINDS] => "While it is False, read its message. If `Stalled` is there too, a person must act.";
    /// Work is under way, or a failure is being retried. Present only while True.
    RECONCILING = "Reconciling" in [ALL_KINDS] => "Wait. If it lasts, the message says what fails.";
    /// The object cannot work until a person acts. Present only while True.
    STALLED = "Stalled" in [ALL_KINDS] => "Do what the message says. The operator tries again after a change of the manifest or the Secret, and every ten minutes (`--stalled-probe-interval`); accounts also after 5 seconds, 10, 20 and so on.";
    /// A deletion cannot finish by itself. Present only while True.
    DELETION_BLOCKED = "DeletionBlocked" in [ALL_KINDS] => "Do what the message says.";
    /// Both accounts are Ready.
    ACCOUNTS_READY = "AccountsReady" in [EVENT] => "While it is False, look at the accounts that the message names.";
    /// The conversion action exists in Google Ads as the manifest declares it.
    CONVERSION_ACTION_READY = "ConversionActionReady" in [EVENT] => "While it is False, read its message: it says what Google Ads answered.";
    /// HubSpot is read, and due conversions are sent.
    SYNCED = "Synced" in [EVENT] => "While it is False, its reason says which side fails. It is retried; after `--failure-threshold` the event is not Ready.";
    /// Google accepts what is sent.
    DELIVERING = "Delivering" in [EVENT] => "While it is False, do what the message says. Conversions are rejected, or wait.";
    /// Google bids by the conversion action.
    COUNTED_FOR_BIDDING = "CountedForBidding" in [EVENT] => "While it is False, decide whether Google should bid by the action. Conversions are sent either way.";
    /// The credentials work.
    CREDENTIALS_VALID = "CredentialsValid" in [GOOGLE, HUBSPOT] => "While it is False, correct the Secret that the message names.";
    /// No quota holds requests back.
    QUOTA_AVAILABLE = "QuotaAvailable" in [GOOGLE, HUBSPOT] => "While it is False, wait until the quota refills. If that happens often, have it raised.";
    /// The customer data terms are accepted.
    CUSTOMER_DATA_TERMS_ACCEPTED = "CustomerDataTermsAccepted" in [GOOGLE] => "While it is False, accept them in Google Ads (Goals > Settings > Customer data terms) if events have `shareData`.";
    /// Enhanced conversions are switched on.
    ENHANCED_CONVERSIONS_ENABLED = "EnhancedConversionsEnabled" in [GOOGLE] => "Nothing: while it is False, the first upload switches them on.";
}
