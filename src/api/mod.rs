//! The three kinds of the API group: serde, schema and rules, and no logic beyond accessors.

mod duration;
mod event;
mod event_status;
mod google;
mod hubspot;
pub mod reasons;
mod rules;
mod shared;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use duration::{Duration, ParseDurationError};
pub use event::{
    ActionCategory, AdConversionEvent, AdConversionEventSpec, AdNetwork, ClickIds, Consent, ConversionAction,
    ConversionValue, CountingType, CreateAction, DEFAULT_GCLID_PROPERTY, DealAmount, DeletionPolicy, ExistingAction,
    FormSubmissionTrigger, LifecycleStageTrigger, ResumePolicy, SharedData, Trigger,
};
pub use event_status::{
    ActionOrigin, AdConversionEventStatus, AttributionStatus, ConversionActionStatus, CreationAttempt, LastError,
    MAX_LAST_ERRORS, MAX_REASONS, Outcome, OutcomeReason, SyncStatus, TriggerStatus, TriggerType,
};
pub use google::{
    GoogleAdsAccount, GoogleAdsAccountSpec, GoogleAdsAccountStatus, MAX_ORPHANED_ACTIONS, OrphanedConversionAction,
    UploadApi, Uploads,
};
pub use hubspot::{
    ChangeDetection, HubSpotAccount, HubSpotAccountSpec, HubSpotAccountStatus, LifecycleStage, MAX_LIFECYCLE_STAGES,
    default_interval,
};
pub use rules::CURRENCIES;
pub use shared::{AccountRef, Condition, MAX_CONDITIONS, Money, SecretRef, Time};

/// The API group of the three kinds.
pub const GROUP: &str = "adconversion.dev";

/// Their version.
pub const VERSION: &str = "v1alpha1";

/// Held while something outside Kubernetes must be settled before an object may go.
pub const FINALIZER: &str = "adconversion.dev/finalizer";

/// Annotation whose change asks for work now.
pub const RECONCILE_REQUESTED_AT: &str = "adconversion.dev/reconcile-requested-at";

/// Flux's annotation of the same meaning.
pub const FLUX_REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

/// The definitions of the three kinds, the event first.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![AdConversionEvent::crd(), GoogleAdsAccount::crd(), HubSpotAccount::crd()]
}

/// The definitions as one YAML text of several documents.
pub fn crds_yaml() -> Result<String, serde_yaml::Error> {
    let documents: Result<Vec<String>, _> = crds().iter().map(serde_yaml::to_string).collect();
    Ok(documents?.join("---\n"))
}

/// The definitions as files: name and YAML text.
pub fn crd_files() -> Result<Vec<(String, String)>, serde_yaml::Error> {
    crds()
        .iter()
        .map(|crd| {
            let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
            Ok((name, serde_yaml::to_string(crd)?))
        })
        .collect()
}
