//! One control plane for all tests of this binary. Each test works in a namespace of its own.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use adconversion_operator::api;
use serde_json::json;
use xtask::control_plane::{ControlPlane, Options};

use super::api_client::ApiClient;

static CLUSTER: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
static API: OnceLock<ApiClient> = OnceLock::new();
static NAMESPACES: AtomicU32 = AtomicU32::new(0);

/// Limit of calls that apply many manifests.
pub const LONG_CALL: Duration = Duration::from_mins(2);

/// The control plane with the definitions in place, started by the first test that asks. It ends with this process.
pub fn cluster() -> &'static ControlPlane {
    match CLUSTER.get_or_init(|| start().map_err(|error| error.to_string())) {
        Ok(plane) => plane,
        Err(error) => panic!("no control plane: {error}"),
    }
}

fn start() -> Result<ControlPlane, Box<dyn std::error::Error>> {
    let plane = ControlPlane::start(&Options::default())?;
    let kubectl = plane.client();
    kubectl.apply(&api::crds_yaml()?)?;
    let names: Vec<String> = api::crds()
        .iter()
        .filter_map(|crd| crd.metadata.name.as_ref().map(|name| format!("crd/{name}")))
        .collect();
    kubectl.wait_established(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok(plane)
}

/// A namespace that no other test uses.
pub fn namespace(prefix: &str) -> String {
    let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
    let name = format!("{prefix}-{number}");
    let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let applied = API.get_or_init(|| ApiClient::new(cluster().admin_kubeconfig()));
    assert!(applied.apply("", &manifest.to_string()), "the kind is known");
    name
}
