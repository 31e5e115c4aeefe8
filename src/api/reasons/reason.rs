//! Reasons of conditions.

use super::condition::{
    ACCOUNTS_READY as ACCOUNTS, CONVERSION_ACTION_READY, COUNTED_FOR_BIDDING, CREDENTIALS_VALID,
    CUSTOMER_DATA_TERMS_ACCEPTED, DELETION_BLOCKED, DELIVERING as DELIVERIES, ENHANCED_CONVERSIONS_ENABLED,
    QUOTA_AVAILABLE, READY, RECONCILING, STALLED, SYNCED,
};

super::explained::explained! {
    /// Everything is as declared.
    SUCCEEDED = "Succeeded" in [READY] => "Nothing.";
    /// The first look at the object, or at its new manifest, is not finished.
    PROGRESSING = "Progressing" in [READY, RECONCILING, SYNCED, ACCOUNTS, CONVERSION_ACTION_READY, COUNTED_FOR_BIDDING, CREDENTIALS_VALID, QUOTA_AVAILABLE] => "Wait.";
    /// Something fails and is retried.
    PROGRESSING_WITH_RETRY = "ProgressingWithRetry" in [RECONCILING] => "Wait. If it lasts, read the message.";
    /// The conversion action cannot be created or brought up to date.
    PROVISIONING_FAILED = "ProvisioningFailed" in [READY] => "See the condition ConversionActionReady.";
    /// Reading HubSpot or sending to Google has failed for longer than `--failure-threshold`.
    SYNC_FAILING = "SyncFailing" in [READY] => "See the condition Synced.";
    /// The object, or an account of it, is suspended by `spec.suspend`. A
    /// deletion waits if the action is to be removed through a suspended account.
    SUSPENDED = "Suspended" in [READY, ACCOUNTS, CONVERSION_ACTION_READY, SYNCED, DELETION_BLOCKED] => "Set `spec.suspend` to false to continue.";

    /// The manifest asks for something that is not possible, or names an account that does not exist.
    INVALID_SPEC = "InvalidSpec" in [STALLED, READY, SYNCED] => "Correct the manifest, or the conversion action, as the message says.";
    /// Another conversion action has the name that this event wants.
    NAME_CONFLICT = "NameConflict" in [STALLED, READY, SYNCED] => "Change `spec.eventName`, or map the action with `spec.conversionAction.existing` in a new event.";
    /// The conversion action belongs to another event.
    OWNERSHIP_CONFLICT = "OwnershipConflict" in [STALLED, READY, SYNCED] => "Give this event another `eventName`, or delete one of the two.";
    /// The conversion action that the event names or has used is not in the Google Ads account.
    EXTERNAL_RESOURCE_NOT_FOUND = "ExternalResourceNotFound" in [STALLED, READY, SYNCED] => "Create the action in Google Ads, or create the event again with another one.";
    /// Somebody removed the conversion action in Google Ads.
    EXTERNAL_RESOURCE_REMOVED = "ExternalResourceRemoved" in [STALLED, READY, SYNCED] => "Google cannot bring it back. Create the event again to have a new action.";
    /// An API is not enabled, the credentials lack access, or the operator may not read the Secret.
    ACCESS_DENIED = "AccessDenied" in [STALLED, READY, CREDENTIALS_VALID, DELETION_BLOCKED] => "Give the access that the message names.";
    /// The event shares data, and the customer data terms of the Google Ads account are not accepted.
    TERMS_NOT_ACCEPTED = "TermsNotAccepted" in [STALLED, READY, SYNCED, CUSTOMER_DATA_TERMS_ACCEPTED] => "Accept them in Google Ads (Goals > Settings > Customer data terms), or remove `spec.shareData`.";
    /// HubSpot or Google does not serve this version of its API.
    UNSUPPORTED_API_VERSION = "UnsupportedApiVersion" in [STALLED, READY] => "Upgrade the operator, or correct its flag for the version.";
    /// HubSpot has no lifecycle stage with this value or label.
    STAGE_NOT_FOUND = "StageNotFound" in [STALLED, READY, SYNCED] => "Correct `spec.trigger.lifecycleStage.stage`, or create the stage in HubSpot.";
    /// HubSpot has no contact property with this name.
    PROPERTY_NOT_FOUND = "PropertyNotFound" in [STALLED, READY, SYNCED] => "Use the internal name of the property, or create it in HubSpot.";
    /// HubSpot has no form with this GUID or name.
    FORM_NOT_FOUND = "FormNotFound" in [STALLED, READY, SYNCED] => "Correct `spec.trigger.formSubmission.formId`, or create the form in HubSpot.";
    /// The token in the Secret belongs to another portal than the one that the account declares or has read so far, or
    /// that its events have conversions of.
    PORTAL_MISMATCH = "PortalMismatch" in [STALLED, READY] => "Put a token of the right portal into the Secret, or create another HubSpotAccount.";
    /// Form conversions cannot be uploaded to a manager account, or to one whose conversions another account tracks.
    MANAGER_ACCOUNT = "ManagerAccount" in [STALLED, READY, SYNCED] => "Create a new event that uses a GoogleAdsAccount with its own conversion tracking.";
    /// Google does not let this Cloud project use the older upload.
    NOT_ALLOWLISTED = "NotAllowlisted" in [STALLED, READY] => "Set `spec.uploads.clickConversions` (for form events `spec.uploads.enhancements`) of the GoogleAdsAccount to DataManager.";
    /// The token lacks a scope.
    MISSING_SCOPE = "MissingScope" in [STALLED, READY, SYNCED] => "Add the scope that the message names and put the new token into the Secret.";

    /// The operator itself failed. This is a bug.
    INTERNAL_ERROR = "InternalError" in [READY] => "Report it. The operator restarts what failed by itself.";

    /// Both accounts are Ready.
    ACCOUNTS_READY = "AccountsReady" in [ACCOUNTS] => "Nothing.";
    /// An account that the event names does not exist.
    ACCOUNT_NOT_FOUND = "AccountNotFound" in [ACCOUNTS, READY, SYNCED] => "Create the account. If the name is a mistake, create the event again with the right one.";
    /// An account that the event names is not Ready. A deletion waits if the action is to be removed and the account is
    /// missing or has no usable credentials.
    ACCOUNT_NOT_READY = "AccountNotReady" in [ACCOUNTS, READY, SYNCED, DELETION_BLOCKED] => "See the conditions of the account. If the event is being deleted, `spec.deletionPolicy` Orphan leaves the action in Google Ads.";

    /// The operator created the conversion action.
    CREATED = "Created" in [CONVERSION_ACTION_READY] => "Nothing.";
    /// The event uses an existing conversion action that has its name.
    ADOPTED = "Adopted" in [CONVERSION_ACTION_READY] => "Nothing.";
    /// The event uses the conversion action that the manifest names.
    MAPPED = "Mapped" in [CONVERSION_ACTION_READY] => "Nothing.";
    /// The conversion action keeps changing in Google Ads while it is corrected.
    DRIFTED = "Drifted" in [CONVERSION_ACTION_READY] => "Find out what changes it there. The correction is retried.";
    /// Google refused to create the conversion action, or could not be reached.
    CREATE_FAILED = "CreateFailed" in [CONVERSION_ACTION_READY] => "Read the message. What can be retried is retried.";
    /// The reply to the create request was lost. The operator searches for the action before it creates it again.
    CREATE_RESULT_UNKNOWN = "CreateResultUnknown" in [CONVERSION_ACTION_READY] => "Wait, at most for `--create-settle`.";

    /// HubSpot is read. The message says if anything keeps conversions from
    /// being sent, and how many have no known outcome for more than a day.
    RUN_SUCCEEDED = "RunSucceeded" in [SYNCED] => "Nothing, unless the message says what.";
    /// A quota is used up.
    RATE_LIMITED = "RateLimited" in [QUOTA_AVAILABLE, SYNCED, CREDENTIALS_VALID, READY] => "Wait until it refills. If that happens often, have the quota raised.";
    /// HubSpot or Google cannot be reached, or answers with errors.
    UPSTREAM_UNAVAILABLE = "UpstreamUnavailable" in [SYNCED, READY] => "Wait: it is retried. If it lasts, check the network and the status page of the service.";
    /// HubSpot cannot be reached, or answers with errors.
    SOURCE_UNAVAILABLE = "SourceUnavailable" in [SYNCED] => "Wait: it is retried. If it lasts, check the network and HubSpot's status page.";
    /// The ledger cannot be read or written, so nothing is sent.
    LEDGER_UNAVAILABLE = "LedgerUnavailable" in [SYNCED, READY, DELETION_BLOCKED] => "Read the message. Check the ledger's volume (space, permissions, node), or its PostgreSQL database (address, user, space).";
    /// The ledger's volume has little room left, and the events of this namespace hold more than an even share of the
    /// ledger. Nothing new is recorded for them, so that those of other namespaces go on.
    LEDGER_FULL = "LedgerFull" in [SYNCED, READY] => "Have the ledger's volume enlarged, or delete events that are not needed. It goes on by itself, and nothing is lost.";
    /// Google refuses all conversions for the account or the conversion action. They wait.
    REFUSED = "Refused" in [DELIVERIES, SYNCED, CONVERSION_ACTION_READY] => "Do what the message says: it names Google's code.";
    /// Google rejected more than half of the conversions of the last 24 hours.
    MOST_REJECTED = "MostRejected" in [DELIVERIES] => "Do what the message says: it names the most frequent code.";
    /// Google accepts what is sent.
    DELIVERING = "Delivering" in [DELIVERIES] => "Nothing.";

    /// The action is primary and its goal is an account default: Google bids by it.
    GOAL_BIDDABLE = "GoalBiddable" in [COUNTED_FOR_BIDDING] => "Nothing.";
    /// The goal of the action is not an account default, so campaigns do not bid by it.
    GOAL_NOT_BIDDABLE = "GoalNotBiddable" in [COUNTED_FOR_BIDDING] => "Make it one in Google Ads (Goals > Conversions), or set `spec.manageAccountGoals` on the GoogleAdsAccount.";
    /// The action is secondary, as the manifest declares: Google does not bid by it.
    SECONDARY_ACTION = "SecondaryAction" in [COUNTED_FOR_BIDDING] => "Nothing, or set `spec.includeInConversions`.";

    /// The conversion action cannot be removed: Google cannot be reached, or does not remove it.
    UPSTREAM_UNREACHABLE = "UpstreamUnreachable" in [DELETION_BLOCKED, READY] => "Repair the account, or set `spec.deletionPolicy` to Orphan to leave the action in Google Ads.";
    /// Events still use the account that is to be deleted.
    IN_USE = "InUse" in [DELETION_BLOCKED, READY] => "Delete these events first.";

    /// A token was obtained.
    TOKEN_REFRESHED = "TokenRefreshed" in [CREDENTIALS_VALID] => "Nothing.";
    /// The Secret does not exist.
    SECRET_NOT_FOUND = "SecretNotFound" in [CREDENTIALS_VALID, STALLED, READY] => "Create the Secret, or correct `spec.credentialsSecretRef`.";
    /// The Secret lacks a key, or holds credentials that never worked.
    SECRET_INVALID = "SecretInvalid" in [CREDENTIALS_VALID, STALLED, READY] => "Correct the Secret as the message says.";
    /// The token has worked before and was revoked.
    TOKEN_REVOKED = "TokenRevoked" in [CREDENTIALS_VALID, STALLED, READY] => "Put a new token into the Secret.";
    /// The token has expired.
    TOKEN_EXPIRED = "TokenExpired" in [CREDENTIALS_VALID, STALLED, READY] => "Put a new token into the Secret.";

    /// No quota is used up.
    WITHIN_QUOTA = "WithinQuota" in [QUOTA_AVAILABLE] => "Nothing.";
    /// The customer data terms are accepted.
    TERMS_ACCEPTED = "TermsAccepted" in [CUSTOMER_DATA_TERMS_ACCEPTED] => "Nothing.";
    /// Enhanced conversions are switched on.
    ENABLED = "Enabled" in [ENHANCED_CONVERSIONS_ENABLED] => "Nothing.";
    /// Enhanced conversions are not switched on.
    NOT_ENABLED = "NotEnabled" in [ENHANCED_CONVERSIONS_ENABLED] => "Nothing: the first upload switches them on.";
}
