//! One control plane for all tests of this binary. Each test works in a namespace of its own.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use adconversion_operator::api;
use xtask::control_plane::{ControlPlane, Options};

static CLUSTER: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
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
    let mut wait = vec!["wait", "--for=condition=Established", "--timeout=30s"];
    wait.extend(names.iter().map(String::as_str));
    kubectl.must(&wait)?;
    Ok(plane)
}

/// A namespace that no other test uses.
pub fn namespace(prefix: &str) -> String {
    let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
    let name = format!("{prefix}-{number}");
    cluster()
        .client()
        .must(&["create", "namespace", &name])
        .expect("a namespace");
    name
}
