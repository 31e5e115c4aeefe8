//! Manifests that many tests apply.

use serde_json::{Value, json};

/// A lifecycle event of this name and stage for the accounts `acme`; `more` is merged into its spec.
pub(super) fn event(name: &str, stage: &str, more: &Value) -> Value {
    let mut spec = json!({
        "googleAdsAccountRef": {"name": "acme"},
        "hubSpotAccountRef": {"name": "acme"},
        "trigger": {"lifecycleStage": {"stage": stage}},
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "adconversion.dev/v1alpha1",
        "kind": "AdConversionEvent",
        "metadata": {"name": name},
        "spec": spec,
    })
}
