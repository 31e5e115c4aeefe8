//! The three kinds of the API group: serde, schema and rules, and no logic beyond accessors.

mod duration;
mod event;
mod event_status;
mod google;
mod hubspot;
pub mod reasons;
mod rules;
mod shared;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;
use serde_json::json;

pub use duration::{Duration, ParseDurationError};
pub use event::{
    ActionCategory, AdConversionEvent, AdConversionEventSpec, ClickIds, Consent, ConversionAction, ConversionValue,
    CountingType, CreateAction, DEFAULT_GCLID_PROPERTY, DealAmount, DeletionPolicy, ExistingAction,
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
    ChangeDetection, HubSpotAccount, HubSpotAccountSpec, HubSpotAccountStatus, LifecycleStage, MAX_INTERVAL,
    MAX_LIFECYCLE_STAGES, default_interval,
};
pub use rules::{CREATE_AGAIN, CURRENCIES};
pub use shared::{AccountRef, AdNetwork, Condition, MAX_CONDITIONS, Money, SecretRef, Time};

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
        .into_iter()
        .map(unobserved)
        .collect()
}

/// Gives an object without a status that of a generation nobody has looked at, so that tools which read kstatus do not
/// call it healthy where no operator runs.
fn unobserved(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut());
    for status in schemas
        .filter_map(|schema| schema.open_api_v3_schema.as_mut()?.properties.as_mut())
        .filter_map(|properties| properties.get_mut("status"))
    {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
        status.nullable = None;
    }
    crd
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
