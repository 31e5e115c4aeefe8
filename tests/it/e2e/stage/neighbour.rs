//! A second namespace: another tenant of the same operator.

use serde_json::{Value, json};
use xtask::kubectl::Kubectl;

use super::manifest::event;
use super::{LIMIT, MANIFESTS, Stage, condition};
use crate::support::cluster::namespace;

/// Another tenant.
pub struct Neighbour<'a> {
    /// Its namespace.
    pub namespace: String,
    stage: &'a Stage,
}

impl Stage {
    /// An operator for two namespaces, in which nothing is applied. It must be started.
    pub fn with_neighbour(name: &str, flags: &[(&str, &str)]) -> (Self, String) {
        let mut stage = Self::empty(name, &[], flags);
        let other = namespace(&format!("{name}-other"));
        stage.flag("watch-namespaces", &format!("{},{other}", stage.namespace));
        (stage, other)
    }

    /// A sandbox and an operator for so many namespaces, which come with it; nothing is started or applied.
    pub fn with_tenants(name: &str, count: usize, flags: &[(&str, &str)]) -> (Self, Vec<String>) {
        let mut stage = Self::empty(name, &[], flags);
        let mut all = vec![stage.namespace.clone()];
        all.extend((1..count).map(|number| namespace(&format!("{name}-tenant-{number}"))));
        stage.flag("watch-namespaces", &all.join(","));
        (stage, all)
    }

    /// The tenant of a namespace that [`Self::with_neighbour`] or [`Self::with_tenants`] made.
    pub const fn neighbour(&self, namespace: String) -> Neighbour<'_> {
        Neighbour { namespace, stage: self }
    }

    /// Applies the accounts `acme` with their Secrets.
    pub fn accounts(&self) {
        self.apply(MANIFESTS);
    }
}

impl Neighbour<'_> {
    fn client(&self) -> &Kubectl {
        self.stage.plane.client()
    }

    /// Applies manifests in its namespace.
    pub fn apply(&self, manifests: &str) {
        if self.stage.api.apply(&self.namespace, manifests) {
            return;
        }
        let arguments = ["--namespace", self.namespace.as_str(), "apply", "--filename", "-"];
        let output = self
            .client()
            .run_with(&arguments, Some(manifests), LIMIT)
            .expect("kubectl");
        output.ok().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Applies the accounts `acme` with their Secrets.
    pub fn accounts(&self) {
        self.apply(MANIFESTS);
    }

    /// Applies a lifecycle event for `acme`; `more` is merged into its spec.
    pub fn event(&self, name: &str, lifecycle_stage: &str, more: &Value) {
        self.apply(&event(name, lifecycle_stage, more).to_string());
    }

    /// kubectl in its namespace; must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let all = [&["--namespace", self.namespace.as_str()], arguments].concat();
        self.client().must(&all).unwrap_or_else(|error| panic!("{error}"))
    }

    /// An object as JSON, or null when there is none.
    pub fn get(&self, object: &str) -> Value {
        if let Some(found) = self.stage.api.get(&self.namespace, object) {
            return found;
        }
        let text = self.kubectl(&["get", object, "--ignore-not-found", "--output", "json"]);
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Waits for a condition of an object to have this status and reason (empty: any).
    pub fn condition(&self, object: &str, type_: &str, status: &str, reason: &str) -> Value {
        let what = format!("the neighbour's {object} {type_}={status}/{reason}");
        self.stage.wait_for(&what, || {
            let found = self.get(object);
            let c = condition(&found, type_);
            if c["status"] == status && (reason.is_empty() || c["reason"] == reason) {
                Ok(c)
            } else {
                Err(json!(found["status"]))
            }
        })
    }
}
