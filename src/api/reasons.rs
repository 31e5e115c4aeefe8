//! Names that users and their tools rely on: types and reasons of conditions, reasons of Kubernetes
//! Events, reasons of rows.

/// Types of conditions.
pub mod condition {
    /// Summary: usable and current. Always present.
    pub const READY: &str = "Ready";
    /// Work is under way. Present only while true.
    pub const RECONCILING: &str = "Reconciling";
    /// Broken until a person acts. Present only while true.
    pub const STALLED: &str = "Stalled";
    /// Events: both accounts are Ready.
    pub const ACCOUNTS_READY: &str = "AccountsReady";
    /// Events: the conversion action exists as declared.
    pub const CONVERSION_ACTION_READY: &str = "ConversionActionReady";
    /// Events: the last pass over HubSpot and the last upload went through.
    pub const SYNCED: &str = "Synced";
    /// Events: what is sent is taken by Google.
    pub const DELIVERING: &str = "Delivering";
    /// Events: Google bids by the action.
    pub const COUNTED_FOR_BIDDING: &str = "CountedForBidding";
    /// A deletion needs help. Present only while true.
    pub const DELETION_BLOCKED: &str = "DeletionBlocked";
    /// Accounts: the credentials work.
    pub const CREDENTIALS_VALID: &str = "CredentialsValid";
    /// Accounts: no quota holds requests back.
    pub const QUOTA_AVAILABLE: &str = "QuotaAvailable";
    /// Google accounts: the customer data terms are accepted.
    pub const CUSTOMER_DATA_TERMS_ACCEPTED: &str = "CustomerDataTermsAccepted";
    /// Google accounts: enhanced conversions are switched on.
    pub const ENHANCED_CONVERSIONS_ENABLED: &str = "EnhancedConversionsEnabled";
}

/// Reasons of conditions.
pub mod reason {
    /// Ready: everything is as declared.
    pub const SUCCEEDED: &str = "Succeeded";
    /// Ready, Reconciling: the first pass is not finished.
    pub const PROGRESSING: &str = "Progressing";
    /// Reconciling: an error is being retried.
    pub const PROGRESSING_WITH_RETRY: &str = "ProgressingWithRetry";
    /// Ready: the conversion action could not be brought about.
    pub const PROVISIONING_FAILED: &str = "ProvisioningFailed";
    /// Ready: reading or sending has failed for longer than the threshold.
    pub const SYNC_FAILING: &str = "SyncFailing";
    /// Suspended by its manifest, or by that of its account.
    pub const SUSPENDED: &str = "Suspended";

    /// Stalled: the manifest asks for what cannot be.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Stalled: another action has the name.
    pub const NAME_CONFLICT: &str = "NameConflict";
    /// Stalled: another event has the action.
    pub const OWNERSHIP_CONFLICT: &str = "OwnershipConflict";
    /// Stalled: the mapped action does not exist.
    pub const EXTERNAL_RESOURCE_NOT_FOUND: &str = "ExternalResourceNotFound";
    /// Stalled: a person has removed the action.
    pub const EXTERNAL_RESOURCE_REMOVED: &str = "ExternalResourceRemoved";
    /// Stalled, `DeletionBlocked`: an API is off or a permission is missing.
    pub const ACCESS_DENIED: &str = "AccessDenied";
    /// Stalled, `CustomerDataTermsAccepted`: the customer data terms are not accepted.
    pub const TERMS_NOT_ACCEPTED: &str = "TermsNotAccepted";
    /// Stalled: the version of an API is no longer served.
    pub const UNSUPPORTED_API_VERSION: &str = "UnsupportedApiVersion";
    /// Stalled: no lifecycle stage has the value or label.
    pub const STAGE_NOT_FOUND: &str = "StageNotFound";
    /// Stalled: no contact property has the name.
    pub const PROPERTY_NOT_FOUND: &str = "PropertyNotFound";
    /// Stalled: no form has the GUID or name.
    pub const FORM_NOT_FOUND: &str = "FormNotFound";
    /// Stalled: the Secret opens another portal.
    pub const PORTAL_MISMATCH: &str = "PortalMismatch";
    /// Stalled: a manager account cannot take form data.
    pub const MANAGER_ACCOUNT: &str = "ManagerAccount";
    /// Stalled: Google does not take the classic upload from this project.
    pub const NOT_ALLOWLISTED: &str = "NotAllowlisted";
    /// Stalled: the token lacks a scope.
    pub const MISSING_SCOPE: &str = "MissingScope";

    /// Ready of an account, Synced: the operator itself failed (a defect).
    pub const INTERNAL_ERROR: &str = "InternalError";

    /// `AccountsReady`: both are.
    pub const ACCOUNTS_READY: &str = "AccountsReady";
    /// `AccountsReady`: an account object does not exist.
    pub const ACCOUNT_NOT_FOUND: &str = "AccountNotFound";
    /// `AccountsReady`, Ready: an account is not Ready.
    pub const ACCOUNT_NOT_READY: &str = "AccountNotReady";

    /// `ConversionActionReady`: this operator created the action.
    pub const CREATED: &str = "Created";
    /// `ConversionActionReady`: an existing action of the name was taken over.
    pub const ADOPTED: &str = "Adopted";
    /// `ConversionActionReady`: the manifest names the action.
    pub const MAPPED: &str = "Mapped";
    /// `ConversionActionReady`: the action was brought back to what is declared.
    pub const UPDATED: &str = "Updated";
    /// `ConversionActionReady`: the action differs from what is declared.
    pub const DRIFTED: &str = "Drifted";
    /// `ConversionActionReady`: Google refused the create.
    pub const CREATE_FAILED: &str = "CreateFailed";
    /// `ConversionActionReady`: the reply to the create was lost.
    pub const CREATE_RESULT_UNKNOWN: &str = "CreateResultUnknown";

    /// Synced: the last pass and the last upload went through.
    pub const RUN_SUCCEEDED: &str = "RunSucceeded";
    /// Synced, `QuotaAvailable`, `CredentialsValid`: a quota holds requests back.
    pub const RATE_LIMITED: &str = "RateLimited";
    /// Synced: Google does not answer as it should.
    pub const UPSTREAM_UNAVAILABLE: &str = "UpstreamUnavailable";
    /// Synced: HubSpot does not answer as it should.
    pub const SOURCE_UNAVAILABLE: &str = "SourceUnavailable";
    /// The ledger can't be read or written: nothing is sent.
    pub const LEDGER_UNAVAILABLE: &str = "LedgerUnavailable";
    /// Delivering, Synced, `ConversionActionReady`: Google refuses all conversions of the action or account.
    pub const REFUSED: &str = "Refused";
    /// Delivering: more than half of the conversions settled in the last 24 hours were rejected.
    pub const MOST_REJECTED: &str = "MostRejected";
    /// Delivering: what is sent is taken.
    pub const DELIVERING: &str = "Delivering";

    /// `CountedForBidding`: the action is primary and its account goal biddable.
    pub const GOAL_BIDDABLE: &str = "GoalBiddable";
    /// `CountedForBidding`: the account goal is not biddable.
    pub const GOAL_NOT_BIDDABLE: &str = "GoalNotBiddable";
    /// `CountedForBidding`: the action is declared secondary.
    pub const SECONDARY_ACTION: &str = "SecondaryAction";

    /// `DeletionBlocked`: Google cannot be reached.
    pub const UPSTREAM_UNREACHABLE: &str = "UpstreamUnreachable";
    /// `DeletionBlocked`: events still name the account.
    pub const IN_USE: &str = "InUse";

    /// `CredentialsValid`: a token was obtained.
    pub const TOKEN_REFRESHED: &str = "TokenRefreshed";
    /// `CredentialsValid`: there is no such Secret.
    pub const SECRET_NOT_FOUND: &str = "SecretNotFound";
    /// `CredentialsValid`: the Secret lacks a key or a key is malformed.
    pub const SECRET_INVALID: &str = "SecretInvalid";
    /// `CredentialsValid`: the token was revoked.
    pub const TOKEN_REVOKED: &str = "TokenRevoked";
    /// `CredentialsValid`: the token has expired.
    pub const TOKEN_EXPIRED: &str = "TokenExpired";

    /// `QuotaAvailable`: no quota is exhausted.
    pub const WITHIN_QUOTA: &str = "WithinQuota";
    /// `CustomerDataTermsAccepted`: they are.
    pub const TERMS_ACCEPTED: &str = "TermsAccepted";
    /// `EnhancedConversionsEnabled`: they are.
    pub const ENABLED: &str = "Enabled";
    /// `EnhancedConversionsEnabled`: they are not; the first upload enables them.
    pub const NOT_ENABLED: &str = "NotEnabled";
}

/// Reasons of Kubernetes Events about what happened. An Event about a condition has the reason of that condition
/// ([`reason`]).
pub mod event {
    /// Normal: an action was created.
    pub const CONVERSION_ACTION_CREATED: &str = "ConversionActionCreated";
    /// Normal: an action of the same name was taken over.
    pub const CONVERSION_ACTION_ADOPTED: &str = "ConversionActionAdopted";
    /// Normal: an existing action was mapped.
    pub const CONVERSION_ACTION_MAPPED: &str = "ConversionActionMapped";
    /// Normal: an action was changed because its manifest was.
    pub const CONVERSION_ACTION_UPDATED: &str = "ConversionActionUpdated";
    /// Warning: a person changed what is declared.
    pub const DRIFT_DETECTED: &str = "DriftDetected";
    /// Normal: the declared state is back.
    pub const DRIFT_CORRECTED: &str = "DriftCorrected";
    /// Normal: an action stays in Google without its event.
    pub const EXTERNAL_RESOURCE_ORPHANED: &str = "ExternalResourceOrphaned";
    /// Normal: an action was removed with its event.
    pub const EXTERNAL_RESOURCE_DELETED: &str = "ExternalResourceDeleted";
    /// Normal: reading and sending work again.
    pub const SYNC_COMPLETED: &str = "SyncCompleted";
    /// Warning: Google refused rows; one Event for many.
    pub const RECORDS_REJECTED: &str = "RecordsRejected";
    /// Normal: credentials work again.
    pub const CREDENTIALS_RECOVERED: &str = "CredentialsRecovered";
    /// Warning: an object of somebody else has the name.
    pub const NAME_CONFLICT: &str = "NameConflict";
    /// Normal: suspended.
    pub const SUSPENDED: &str = "Suspended";
    /// Normal: no longer suspended.
    pub const RESUMED: &str = "Resumed";
    /// Normal: a reconcile request was acted upon.
    pub const RECONCILE_REQUEST_HANDLED: &str = "ReconcileRequestHandled";
    /// Warning: the ledger was lost and is rebuilt from HubSpot.
    pub const LEDGER_REBUILT: &str = "LedgerRebuilt";
    /// Warning: the ledger claimed that HubSpot was read up to a time that is still to come.
    pub const CURSOR_PULLED_BACK: &str = "CursorPulledBack";
    /// Warning: the oldest note of an orphaned action was dropped to make room.
    pub const ORPHAN_NOTE_DROPPED: &str = "OrphanNoteDropped";
}

/// Reasons of rows. A rejected row has Google's own code instead, or [`row::INVALID_ARGUMENT`].
pub mod row {
    /// Skipped: no click id, and nothing declared to share.
    pub const NO_CLICK_ID: &str = "NoClickId";
    /// Skipped: neither click id nor a usable declared identifier.
    pub const NO_SHARED_DATA: &str = "NoSharedData";
    /// Skipped: consent is not granted.
    pub const NO_CONSENT: &str = "NoConsent";
    /// Skipped: the click is too long ago.
    pub const OUTSIDE_CLICK_WINDOW: &str = "OutsideClickWindow";
    /// Skipped: the contact is gone.
    pub const CONTACT_DELETED: &str = "ContactDeleted";
    /// Skipped: observed while suspended under `SkipMissed`.
    pub const MISSED_WHILE_SUSPENDED: &str = "MissedWhileSuspended";
    /// Skipped: the enhancement was not possible in time.
    pub const DEADLINE_MISSED: &str = "DeadlineMissed";

    /// Pending: the settling delay is not over.
    pub const NOT_DUE: &str = "NotDue";
    /// Pending: a request is under way.
    pub const IN_FLIGHT: &str = "InFlight";
    /// Pending: the click id may still arrive.
    pub const AWAITING_CLICK_ID: &str = "AwaitingClickId";
    /// Pending: consent may still be granted (forms).
    pub const AWAITING_CONSENT: &str = "AwaitingConsent";
    /// Pending: Google does not know the web conversion yet.
    pub const AWAITING_WEB_CONVERSION: &str = "AwaitingWebConversion";
    /// Pending: HubSpot gives the contact, or a deal of it, in a way that cannot be understood.
    pub const UNREADABLE_RECORD: &str = "UnreadableRecord";
    /// Pending: Google does not take uploads for an action this young.
    pub const ACTION_TOO_NEW: &str = "ActionTooNew";
    /// Pending: Google does not know a click this young yet.
    pub const CLICK_TOO_RECENT: &str = "ClickTooRecent";
    /// Pending: a quota is exhausted.
    pub const QUOTA_EXHAUSTED: &str = "QuotaExhausted";
    /// Pending: Google does not answer as it should.
    pub const UPSTREAM_UNAVAILABLE: &str = "UpstreamUnavailable";
    /// Pending: an account is not Ready.
    pub const ACCOUNT_NOT_READY: &str = "AccountNotReady";
    /// Pending: the event or an account is suspended.
    pub const SUSPENDED: &str = "Suspended";

    /// Processing: Google has not reported yet.
    pub const AWAITING_RESULT: &str = "AwaitingResult";
    /// Processing: Google named fewer rows than it failed.
    pub const OUTCOME_UNKNOWN: &str = "OutcomeUnknown";

    /// Rejected: singled out by bisection, without a code of its own.
    pub const INVALID_ARGUMENT: &str = "InvalidArgument";
    /// Any outcome: classes beyond those a status has room for.
    pub const OTHER: &str = "Other";
}
