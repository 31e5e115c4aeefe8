//! Reasons of Kubernetes Events about what happened. An Event about a condition has the reason of that condition.

const NORMAL: &str = "Normal";
const WARNING: &str = "Warning";

super::explained::explained! {
    /// The operator created a conversion action.
    CONVERSION_ACTION_CREATED = "ConversionActionCreated" in [NORMAL] => "Nothing.";
    /// The event uses an existing conversion action that has its name.
    CONVERSION_ACTION_ADOPTED = "ConversionActionAdopted" in [NORMAL] => "Check that it is the action you mean: its settings are now kept as declared.";
    /// The event uses the conversion action that its manifest names.
    CONVERSION_ACTION_MAPPED = "ConversionActionMapped" in [NORMAL] => "Nothing.";
    /// A conversion action, or its account goal, was changed because the manifest asks for it.
    CONVERSION_ACTION_UPDATED = "ConversionActionUpdated" in [NORMAL] => "Nothing.";
    /// Somebody changed the conversion action in Google Ads: it differs from the manifest.
    DRIFT_DETECTED = "DriftDetected" in [WARNING] => "Change the manifest instead of Google Ads: the declared settings are put back.";
    /// The conversion action has its declared settings again.
    DRIFT_CORRECTED = "DriftCorrected" in [NORMAL] => "Nothing.";
    /// A conversion action stays in Google Ads without its event. It is a Warning if nobody knows whether the action was created.
    EXTERNAL_RESOURCE_ORPHANED = "ExternalResourceOrphaned" in [NORMAL, WARNING] => "Remove it in Google Ads if nobody needs it.";
    /// A conversion action was removed with its event.
    EXTERNAL_RESOURCE_DELETED = "ExternalResourceDeleted" in [NORMAL] => "Nothing.";
    /// HubSpot is read and conversions are sent: for the first time, or again after a failure.
    SYNC_COMPLETED = "SyncCompleted" in [NORMAL] => "Nothing.";
    /// Google rejected conversions for good. One Kubernetes Event stands for many of them.
    RECORDS_REJECTED = "RecordsRejected" in [WARNING] => "Read `status.sync.reasons` and `status.sync.lastErrors`.";
    /// The credentials work again.
    CREDENTIALS_RECOVERED = "CredentialsRecovered" in [NORMAL] => "Nothing.";
    /// An object of somebody else has the name of the event's ConfigMap `<event>-google-tag`.
    NAME_CONFLICT = "NameConflict" in [WARNING] => "Rename or remove that ConfigMap.";
    /// The object is suspended.
    SUSPENDED = "Suspended" in [NORMAL] => "Set `spec.suspend` to false to continue.";
    /// The object is not suspended any more.
    RESUMED = "Resumed" in [NORMAL] => "Nothing.";
    /// The operator has handled the reconcile request of an annotation.
    RECONCILE_REQUEST_HANDLED = "ReconcileRequestHandled" in [NORMAL] => "Nothing.";
    /// The ledger was lost and is rebuilt from HubSpot, at most 90 days back.
    LEDGER_REBUILT = "LedgerRebuilt" in [WARNING] => "Find out why the volume was lost. Google counts no conversion twice.";
    /// The ledger said that HubSpot had been read up to a time that is still to come. It is read again from the start of the event.
    CURSOR_PULLED_BACK = "CursorPulledBack" in [WARNING] => "Check the dates of records in HubSpot, and the clock of the node.";
    /// `status.orphanedConversionActions` was full, so its oldest entry was dropped.
    ORPHAN_NOTE_DROPPED = "OrphanNoteDropped" in [WARNING] => "Remove conversion actions that nobody needs in Google Ads.";
}
