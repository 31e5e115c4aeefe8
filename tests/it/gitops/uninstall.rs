//! What docs/operations.md says about the end of an installation without Helm.

use xtask::control_plane::{ControlPlane, Options};

use super::path;
use crate::support::cluster::LONG_CALL;

/// What stays: data, and what others need too.
const KEPT: [&str; 5] = [
    "crd/adconversionevents.adconversion.dev",
    "crd/googleadsaccounts.adconversion.dev",
    "crd/hubspotaccounts.adconversion.dev",
    "persistentvolumeclaim/adconversion-operator-ledger",
    "namespace/adconversion-system",
];

/// The command of the page, without the word `kubectl`.
pub fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let (_, section) = page.split_once("\n### Without Helm\n").unwrap();
    let command = section.split("```").nth(1).unwrap().replace("\\\n", " ");
    let mut words = command.split_whitespace().map(str::to_owned);
    assert_eq!(words.next().as_deref(), Some("kubectl"));
    words.collect()
}

#[test]
fn what_kustomize_brought_goes_by_its_labels_and_data_stays() {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    let kubectl = plane.client();
    let built = kubectl
        .must(&["kustomize", &path("kustomize").display().to_string()])
        .unwrap();
    let apply = ["apply", "--server-side", "--filename", "-"];
    kubectl.run_with(&apply, Some(&built), LONG_CALL).unwrap().ok().unwrap();
    let there = || -> Vec<String> {
        let get = ["get", "--ignore-not-found", "--filename", "-", "--output", "name"];
        let output = kubectl.run_with(&get, Some(&built), LONG_CALL).unwrap();
        output.ok().unwrap().lines().map(str::to_owned).collect()
    };
    let before = there();
    assert!(before.len() > 12, "{before:?}");

    let words = documented();
    kubectl
        .must(&words.iter().map(String::as_str).collect::<Vec<_>>())
        .unwrap();

    let kept = there();
    assert_eq!(kept.len(), KEPT.len(), "{kept:?}");
    for object in KEPT {
        kubectl
            .must(&["get", object, "--namespace", "adconversion-system"])
            .unwrap();
    }
    plane.stop().unwrap();
}
