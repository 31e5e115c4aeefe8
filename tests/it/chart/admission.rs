//! What the API server lets the operator's service account write, beyond what permissions can say.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::kubectl::Kubectl;

use super::install;
use crate::support::cluster::{LONG_CALL, cluster, namespace};
use crate::support::wait::until_blocking;

/// A ConfigMap of this name, owned by an object of this kind.
fn config_map(name: &str, owner: Option<&str>, text: &str) -> Value {
    let mut map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"google-tag.html": text},
    });
    if let Some(kind) = owner {
        let version = if kind == "AdConversionEvent" {
            "adconversion.dev/v1alpha1"
        } else {
            "v1"
        };
        map["metadata"]["ownerReferences"] = json!([{"apiVersion": version, "kind": kind, "name": "demo", "uid": "4b4f4f9c-0000-4000-8000-000000000000"}]);
    }
    map
}

/// Writes it as the operator does; the refusal, if it was refused.
fn write(kubectl: &Kubectl, namespace: &str, map: &Value) -> Option<String> {
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=adconversion-operator",
    ];
    let arguments = [&apply[..], &["--namespace", namespace, "--filename", "-"]].concat();
    let output = kubectl.run_with(&arguments, Some(&map.to_string()), LONG_CALL).unwrap();
    (!output.success()).then_some(output.stderr)
}

#[test]
fn the_operator_writes_only_the_snippets_of_form_events() {
    const OURS: Option<&str> = Some("AdConversionEvent");
    let kubectl = cluster().client();
    let (system, users) = (namespace("admission"), namespace("admission-users"));
    let release = install(kubectl, &system, &json!({"rbac": {"aggregate": false}}));
    let file = cluster().service_account_kubeconfig(&system, &release).unwrap();
    let cache = cluster().directory().join(format!("{system}-cache"));
    let operator = Kubectl::for_kubeconfig(xtask::tools::kubectl().unwrap(), file, cache);
    let mut writes = 0;
    // A policy is in force a moment after it was created.
    let refusal = until_blocking("a refusal", Duration::from_secs(30), || {
        writes += 1;
        let map = config_map("settings", OURS, &writes.to_string());
        write(&operator, &users, &map).ok_or("nothing is refused")
    });
    assert!(refusal.contains("does not end in -google-tag"), "{refusal}");
    let foreign = write(&operator, &users, &config_map("demo-google-tag", None, "x")).expect("a refusal");
    assert!(foreign.contains("no AdConversionEvent owns"), "{foreign}");
    let pod = write(&operator, &users, &config_map("demo-google-tag", Some("Pod"), "x")).expect("a refusal");
    assert!(pod.contains("no AdConversionEvent owns"), "{pod}");
    // A map of somebody else under the operator's kind of name is not taken over.
    assert_eq!(
        write(kubectl, &users, &config_map("taken-google-tag", None, "theirs")),
        None
    );
    let taken = write(&operator, &users, &config_map("taken-google-tag", OURS, "x")).expect("a refusal");
    assert!(taken.contains("that is not its own"), "{taken}");
    // Its own it may write, and write again; others are not concerned.
    assert_eq!(
        write(&operator, &users, &config_map("demo-google-tag", OURS, "one")),
        None
    );
    assert_eq!(
        write(&operator, &users, &config_map("demo-google-tag", OURS, "two")),
        None
    );
    assert_eq!(write(kubectl, &users, &config_map("settings", None, "mine")), None);
}
