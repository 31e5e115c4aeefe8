//! What docs/operations.md says about the end of an installation without Helm.

use xtask::{
    control_plane::{ControlPlane, Options},
    kubectl::Kubectl,
};

use super::{overlay::second, path};
use crate::support::cluster::LONG_CALL;

/// What stays: data, and what others need too.
const KEPT: [&str; 5] = [
    "crd/adconversionevents.adconversion.dev",
    "crd/googleadsaccounts.adconversion.dev",
    "crd/hubspotaccounts.adconversion.dev",
    "persistentvolumeclaim/adconversion-operator-ledger",
    "namespace/adconversion-system",
];

/// The commands of the page, without the word `kubectl`.
pub fn documented() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    let (_, section) = page.split_once("\n### Without Helm\n").unwrap();
    let commands = section.split("```").nth(1).unwrap().replace("\\\n", " ");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let commands: Vec<Vec<String>> = commands.trim().lines().map(words).collect();
    assert!(commands.iter().all(|words| words[0] == "kubectl"), "{commands:?}");
    commands.into_iter().map(|words| words[1..].to_vec()).collect()
}

/// Carries them out.
pub fn remove(kubectl: &Kubectl) {
    for words in documented() {
        kubectl
            .must(&words.iter().map(String::as_str).collect::<Vec<_>>())
            .unwrap();
    }
}

#[test]
fn what_kustomize_brought_goes_but_for_data_and_another_kustomization() {
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
    let second = second(kubectl, "beside");
    kubectl
        .run_with(&apply, Some(&second), LONG_CALL)
        .unwrap()
        .ok()
        .unwrap();
    let there = |built: &str| -> Vec<String> {
        let get = ["get", "--ignore-not-found", "--filename", "-", "--output", "name"];
        let output = kubectl.run_with(&get, Some(built), LONG_CALL).unwrap();
        output.ok().unwrap().lines().map(str::to_owned).collect()
    };
    let before = [there(&built), there(&second)];
    assert!(before.iter().all(|objects| objects.len() > 12), "{before:?}");

    remove(kubectl);

    assert_eq!(there(&second), before[1]);
    let kept = there(&built);
    assert_eq!(kept.len(), KEPT.len(), "{kept:?}");
    for object in KEPT {
        kubectl
            .must(&["get", object, "--namespace", "adconversion-system"])
            .unwrap();
    }
    plane.stop().unwrap();
}
