//! Reads and writes of objects over one connection. A process of kubectl for each of them takes a quarter of a second
//! of a core, which is more than all that most tests have the operator do.

use std::path::Path;

use axum::http::{Method, Request, StatusCode};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Tries of a call: a connection from before a restart of the API server breaks with the first use.
const TRIES: u32 = 3;
/// Of what tests write: that of kubectl, so that a later `kubectl apply` finds what it would have written itself.
const MANAGER: &str = "fieldManager=kubectl&force=true&fieldValidation=Strict";
const APPLY: &str = "application/apply-patch+yaml";
const MERGE: &str = "application/merge-patch+json";

/// A client of one cluster.
pub struct ApiClient {
    runtime: Runtime,
    client: kube::Client,
}

impl ApiClient {
    /// For a kubeconfig.
    pub fn new(kubeconfig: &Path) -> Self {
        // Whoever comes first installs it for the whole process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(file, &options).await;
            kube::Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { runtime, client }
    }

    /// An object (`adce/NAME`), or all of a kind (`adce`); null where there is none. `None` for other kinds than ours.
    pub fn get(&self, namespace: &str, object: &str) -> Option<Value> {
        let path = path_of(namespace, object)?;
        Some(match self.call(&Method::GET, &path, "", &[]) {
            Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => Value::Null,
            found => found.unwrap_or_else(|error| panic!("{object} can't be read: {error}")),
        })
    }

    /// Applies manifests (YAML or JSON) by server-side apply. False, with
    /// nothing done, if there is a kind among them that only kubectl knows.
    pub fn apply(&self, namespace: &str, manifests: &str) -> bool {
        let Some(all) = documents(manifests)
            .into_iter()
            .map(|manifest| Some((applied_path(namespace, &manifest)?, manifest)))
            .collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        for (path, manifest) in all {
            let body = manifest.to_string();
            self.call(&Method::PATCH, &format!("{path}?{MANAGER}"), APPLY, body.as_bytes())
                .unwrap_or_else(|error| panic!("{body} can't be applied: {error}"));
        }
        true
    }

    /// A merge patch of an object (`adce/NAME`). False, with nothing done, for other kinds than ours.
    pub fn patch(&self, namespace: &str, object: &str, patch: &Value) -> bool {
        let Some(path) = path_of(namespace, object) else {
            return false;
        };
        self.call(&Method::PATCH, &path, MERGE, patch.to_string().as_bytes())
            .unwrap_or_else(|error| panic!("{object} can't be patched: {error}"));
        true
    }

    fn call(&self, method: &Method, path: &str, content: &str, body: &[u8]) -> Result<Value, kube::Error> {
        let mut tries = 1;
        loop {
            let request = Request::builder().method(method.clone()).uri(path);
            let request = request.header("content-type", content).body(body.to_vec());
            match self.runtime.block_on(self.client.request(request.expect("a request"))) {
                Err(error) if tries < TRIES && !matches!(error, kube::Error::Api(_)) => tries += 1,
                answer => return answer,
            }
        }
    }
}

/// Path of an object of ours (`adce/NAME`), or of all of a kind (`adce`).
fn path_of(namespace: &str, object: &str) -> Option<String> {
    let (kind, name) = object.split_once('/').map_or((object, ""), |(k, n)| (k, n));
    let plural = match kind {
        "adce" => "adconversionevents",
        "gaa" => "googleadsaccounts",
        "hsa" => "hubspotaccounts",
        _ => return None,
    };
    let path = format!("/apis/adconversion.dev/v1alpha1/namespaces/{namespace}/{plural}/{name}");
    Some(path.trim_end_matches('/').to_owned())
}

/// Path of the object of a manifest, in the manifest's namespace or this one.
fn applied_path(namespace: &str, manifest: &Value) -> Option<String> {
    let collection = match manifest["kind"].as_str()? {
        "Namespace" => "api/v1/namespaces",
        "AdConversionEvent" => "apis/adconversion.dev/v1alpha1/*/adconversionevents",
        "GoogleAdsAccount" => "apis/adconversion.dev/v1alpha1/*/googleadsaccounts",
        "HubSpotAccount" => "apis/adconversion.dev/v1alpha1/*/hubspotaccounts",
        "Secret" => "api/v1/*/secrets",
        "ConfigMap" => "api/v1/*/configmaps",
        _ => return None,
    };
    let metadata = &manifest["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or(namespace);
    let collection = collection.replace('*', &format!("namespaces/{namespace}"));
    Some(format!("/{collection}/{}", metadata["name"].as_str()?))
}

/// The manifests of a stream of documents, those of lists one by one.
fn documents(manifests: &str) -> Vec<Value> {
    let parsed = serde_yaml::Deserializer::from_str(manifests);
    let all = parsed.map(|document| Value::deserialize(document).expect("a manifest"));
    all.flat_map(|document| match document["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![document],
    })
    .filter(|document| !document.is_null())
    .collect()
}
