//! The examples of Flux and Argo CD on an API server that has
//! nothing of ours: what they name is there when it is needed.

use serde_json::{Value, json};
use xtask::{
    control_plane::{ControlPlane, Options},
    go_tools,
    kubectl::Kubectl,
};

use super::{definitions::taken_by, documents, of_kind, read};
use crate::chart;

const RELEASE: &str = "adconversion-operator";
const SYSTEM: &str = "adconversion-system";

fn plane() -> ControlPlane {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    ControlPlane::start(&options).unwrap()
}

/// Installs the chart as a controller of Flux or Argo CD does, with the values of the example, and uses it.
fn install_and_use(kubectl: &Kubectl, values: &Value, create_namespace: bool) {
    let charts = chart::chart().display().to_string();
    let mut install = vec!["install", RELEASE, &charts, "--namespace", SYSTEM];
    install.extend(create_namespace.then_some("--create-namespace"));
    chart::helm_on(kubectl, &install, Some(values)).unwrap();
    let role = ["get", "role", RELEASE, "--namespace", "marketing"];
    kubectl.must(&role).unwrap();
    kubectl
        .wait_established(&["crd/adconversionevents.adconversion.dev"])
        .unwrap();
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/qualified-lead.yaml");
    kubectl.must(&["apply", "--filename", event]).unwrap();
}

/// An install without the namespace is what Helm refuses.
fn refused_without_the_namespace(kubectl: &Kubectl) {
    let charts = chart::chart().display().to_string();
    let install = [
        "install",
        "other",
        &charts,
        "--namespace",
        "other",
        "--create-namespace",
    ];
    let values = json!({"watchNamespaces": ["nobody-made-it"], "crds": {"enabled": false}});
    let error = chart::helm_on(kubectl, &install, Some(&values))
        .unwrap_err()
        .to_string();
    assert!(error.contains("namespaces \"nobody-made-it\" not found"), "{error}");
}

#[test]
fn flux_finds_the_namespaces_that_its_release_needs() {
    let plane = plane();
    let kubectl = plane.client();
    // What Flux itself acts on comes last: nobody acts on it here.
    let (mut own, others): (Vec<Value>, Vec<Value>) = documents(&read("flux/operator.yaml"))
        .into_iter()
        .partition(|document| document["apiVersion"].as_str().unwrap().contains(".toolkit.fluxcd.io/"));
    assert_eq!(own.len(), 2, "an OCIRepository and a HelmRelease");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": others}).to_string();
    kubectl.apply(&list).unwrap();
    let release = of_kind("flux/operator.yaml", "HelmRelease");
    assert_eq!(release["metadata"]["namespace"], SYSTEM);
    install_and_use(kubectl, &release["spec"]["values"], false);
    refused_without_the_namespace(kubectl);
    let kustomizations = documents(&read("flux/kustomizations.yaml"));
    // Ready must mean that Helm is done, and what comes too early must be tried again before long.
    for kustomization in &kustomizations {
        assert_eq!(kustomization["spec"]["wait"], true, "{kustomization}");
        assert_eq!(kustomization["spec"]["retryInterval"], "1m", "{kustomization}");
    }
    assert_eq!(
        kustomizations[1]["spec"]["dependsOn"][0]["name"],
        kustomizations[0]["metadata"]["name"]
    );
    own.extend(kustomizations);
    kubectl.must(&["create", "namespace", "flux-system"]).unwrap();
    taken_by(kubectl, &go_tools::definitions_of_flux().unwrap(), &own);
    plane.stop().unwrap();
}

#[test]
fn argo_cd_makes_the_namespaces_that_its_release_needs() {
    let applications = documents(&read("argocd/application.yaml"));
    assert_eq!(applications.len(), 2);
    for application in &applications {
        let options = application["spec"]["syncPolicy"]["syncOptions"].as_array().unwrap();
        assert!(options.contains(&json!("CreateNamespace=true")), "{application}");
    }
    // Who deletes the second takes its manifests along; the operator outlives the first.
    assert!(applications[0]["metadata"].get("finalizers").is_none());
    let cascades = "resources-finalizer.argocd.argoproj.io/foreground";
    assert_eq!(applications[1]["metadata"]["finalizers"], json!([cascades]));
    let operator = &applications[0]["spec"];
    assert_eq!(operator["destination"]["namespace"], SYSTEM);
    let values = &operator["source"]["helm"]["valuesObject"];
    let plane = plane();
    install_and_use(plane.client(), values, true);
    // It outlives the application: with it would go the team's events.
    let namespace = plane.client().json(&["get", "namespace", "marketing"]).unwrap();
    let options = &namespace["metadata"]["annotations"]["argocd.argoproj.io/sync-options"];
    assert_eq!(options, "Prune=false,Delete=false");
    plane.client().must(&["create", "namespace", "argocd"]).unwrap();
    let definition = go_tools::definition_of_argo_cd().unwrap();
    taken_by(plane.client(), &definition, &applications);
    plane.stop().unwrap();
}
