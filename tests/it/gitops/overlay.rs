//! A kustomization on top of `deploy/kustomize` that renames what is in it.

use std::{fs, path::Path, time::Duration};

use rstest::rstest;
use serde_json::Value;
use xtask::{
    control_plane::{ControlPlane, Options},
    kubectl::Kubectl,
};

use super::documents;
use crate::support::{cluster::LONG_CALL, wait::until_blocking};

/// What Kustomize makes of the base and these lines.
fn built(kubectl: &Kubectl, name: &str, lines: &str) -> String {
    // Beside the sources, as Kustomize takes relative paths only.
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let directory = target.join(format!("overlay-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let text = format!("resources: [../../deploy/kustomize]\n{lines}");
    fs::write(directory.join("kustomization.yaml"), text).unwrap();
    let made = kubectl.must(&["kustomize", &directory.display().to_string()]);
    fs::remove_dir_all(&directory).unwrap();
    made.unwrap()
}

/// Whether this account may create a ConfigMap of its own choice.
fn creates(kubectl: &Kubectl, account: &str) -> Result<(), String> {
    let user = format!("--as=system:serviceaccount:{account}");
    let map = ["create", "configmap", "settings", "--namespace", "default"];
    let output = kubectl.run(&[&map[..], &[&user, "--dry-run=server"]].concat()).unwrap();
    if output.success() { Ok(()) } else { Err(output.stderr) }
}

#[rstest]
#[case::as_it_is("as-it-is", "", "adconversion-system:adconversion-operator")]
#[case::namespace("namespace", "namespace: ads\n", "ads:adconversion-operator")]
#[case::names(
    "names",
    "namePrefix: a-\nnameSuffix: -b\n",
    "adconversion-system:a-adconversion-operator-b"
)]
#[case::both("both", "namespace: ads\nnamePrefix: a-\n", "ads:a-adconversion-operator")]
fn the_admission_policy_follows_the_operator(#[case] name: &str, #[case] lines: &str, #[case] account: &str) {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    let kubectl = plane.client();
    let made = built(kubectl, name, lines);
    let apply = ["apply", "--server-side", "--filename", "-"];
    kubectl.run_with(&apply, Some(&made), LONG_CALL).unwrap().ok().unwrap();
    // A policy is in force a moment after it was created.
    let refusal = until_blocking("a refusal", Duration::from_secs(30), || {
        creates(kubectl, account).err().ok_or("nothing is refused")
    });
    assert!(refusal.contains("does not end in -google-tag"), "{refusal}");
    // Others are not concerned, whatever their name.
    let others: Value =
        serde_json::json!([{"kind": "ServiceAccount", "name": "adconversion-operator", "namespace": "default"}]);
    let mut binding = documents(&made)
        .into_iter()
        .find(|object| object["kind"] == "ClusterRoleBinding")
        .unwrap();
    binding["metadata"]["name"] = "others".into();
    binding["subjects"] = others;
    kubectl.apply(&binding.to_string()).unwrap();
    until_blocking("a permission", Duration::from_secs(30), || {
        creates(kubectl, "default:adconversion-operator")
    });
    plane.stop().unwrap();
}
