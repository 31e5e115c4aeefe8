//! Reasons of Kubernetes Events about what happened. A Kubernetes
//! Event about a condition has the reason of that condition.

const NORMAL: &str = "Normal";
const WARNING: &str = "Warning";

super::explained::explained! {
    /// The operator created a conversion action.
    CONVERSION_ACTION_CREATED = "ConversionActionCreated" in [NORMAL] => "Nothing.";
    /// The event uses an existing conversion action that has its name.
    CONVERSION_ACTION_ADOPTED = "ConversionActionAdopted" in [NORMAL] => "Check that it is the action you mean. The operator now keeps its settings as declared.";
    /// The event uses the conversion action that its manifest names.
    CONVERSION_ACTION_MAPPED = "ConversionActionMapped" in [NORMAL] => "Nothing.";
    /// A conversion action, or its account goal, was changed because the manifest asks for it.
    CONVERSION_ACTION_UPDATED = "ConversionActionUpdated" in [NORMAL] => "Nothing.";
    /// The conversion action was changed in Google Ads and differs from the manifest.
    DRIFT_DETECTED = "DriftDetected" in [WARNING] => "Change the manifest instead of Google Ads. The operator puts the declared settings back.";
    /// The conversion action has its declared settings again.
    DRIFT_CORRECTED = "DriftCorrected" in [NORMAL] => "Nothing.";
    /// A conversion action stays in Google Ads without its event. It
    /// is a Warning if it is not known whether the action was created.
    EXTERNAL_RESOURCE_ORPHANED = "ExternalResourceOrphaned" in [NORMAL, WARNING] => "Remove it in Google Ads if nobody needs it.";
    /// A conversion action was removed with its event.
    EXTERNAL_RESOURCE_DELETED = "ExternalResourceDeleted" in [NORMAL] => "Nothing.";
    /// HubSpot is read and conversions are sent: for the first time, or again after a failure.
    SYNC_COMPLETED = "SyncCompleted" in [NORMAL] => "Nothing.";
    /// Google rejected conversions for good. One Kubernetes Event stands for many of them.
    RECORDS_REJECTED = "RecordsRejected" in [WARNING] => "Read `status.sync.reasons` and `status.sync.lastErrors`.";
    /// The credentials work again.
    CREDENTIALS_RECOVERED = "CredentialsRecovered" in [NORMAL] => "Nothing.";
    /// A ConfigMap with the name `<event>-google-tag` exists and does not belong to the event.
    NAME_CONFLICT = "NameConflict" in [WARNING] => "Rename or remove that ConfigMap.";
    /// The object is suspended.
    SUSPENDED = "Suspended" in [NORMAL] => "Set `spec.suspend` to false to continue.";
    /// The object is no longer suspended.
    RESUMED = "Resumed" in [NORMAL] => "Nothing.";
    /// The operator has handled a reconcile request that was made by annotation.
    RECONCILE_REQUEST_HANDLED = "ReconcileRequestHandled" in [NORMAL] => "Nothing.";
    /// The ledger is not the one that the event was counted in. It is rebuilt from HubSpot, at most 90 days back.
    LEDGER_REBUILT = "LedgerRebuilt" in [WARNING] => "Find out why the ledger's volume or database was lost. If it comes again and again, another operator with a ledger of its own works in the namespace: let only one of them watch it (`--watch-namespaces`). Google counts no conversion twice.";
    /// According to the ledger, HubSpot had been read up to a time in
    /// the future. HubSpot is read again from the start of the event.
    CURSOR_PULLED_BACK = "CursorPulledBack" in [WARNING] => "Nothing. If it happens again, check the dates of contacts and form submissions in HubSpot, and the clock of the node.";
    /// `spec.interval` of a `HubSpotAccount` is shorter or longer
    /// than the operator allows. The nearest allowed one is used.
    INTERVAL_RAISED = "IntervalRaised" in [WARNING] => "Correct `spec.interval`, or change `--min-interval` of the operator.";
    /// `status.orphanedConversionActions` was full, so its oldest entry was dropped.
    ORPHAN_NOTE_DROPPED = "OrphanNoteDropped" in [WARNING] => "Remove conversion actions that nobody needs in Google Ads.";
}
