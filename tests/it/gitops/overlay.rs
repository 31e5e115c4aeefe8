//! A kustomization on top of `deploy/kustomize` that renames what is in it.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use rstest::rstest;
use serde_json::Value;
use xtask::{
    control_plane::{ControlPlane, Options},
    kubectl::Kubectl,
};

use super::documents;
use crate::support::{
    cluster::{LONG_CALL, cluster},
    wait::until_blocking,
};

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

/// Kind and name of what has no namespace, the definitions and the namespaces apart, and what the operators work in.
fn cluster_wide(made: &str) -> (BTreeSet<String>, String) {
    let objects = documents(made);
    let named = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    let apart = ["CustomResourceDefinition", "Namespace"];
    let wide = objects
        .iter()
        .filter(|object| object["metadata"]["namespace"].is_null());
    let wide = wide.filter(|object| !apart.contains(&object["kind"].as_str().unwrap()));
    let operator = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let arguments = operator["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    (wide.map(named).collect(), arguments)
}

/// A second operator from the same base, as the page has it.
pub fn second(kubectl: &Kubectl, name: &str) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/gitops.md")).unwrap();
    let (_, sample) = page.split_once("as [no two may work in one]").unwrap();
    let (_, lines) = sample.split_once("\nnamespace: sales-system\n").unwrap();
    let (lines, _) = lines.split_once("```").unwrap();
    built(kubectl, name, &format!("namespace: sales-system\n{lines}"))
}

#[test]
fn a_second_kustomization_needs_names_of_its_own() {
    let kubectl = cluster().client();
    let (first, _) = cluster_wide(&built(kubectl, "first", "namespace: ads\n"));
    let (moved, _) = cluster_wide(&built(kubectl, "moved", "namespace: sales-system\n"));
    assert!(first.len() > 5 && first == moved, "{first:?} {moved:?}");
    let (second, arguments) = cluster_wide(&second(kubectl, "second"));
    let common: Vec<&String> = first.intersection(&second).collect();
    assert!(common.is_empty() && second.len() == first.len(), "{common:?}");
    assert!(arguments.contains("--watch-namespaces=sales"), "{arguments}");
}
