//! The chart on an API server. Pods do not run there.

use serde_json::{Value, json};
use xtask::{
    control_plane::{ControlPlane, Options},
    kubectl::Kubectl,
};

use super::{chart, definitions::advice, helm, helm_on, install, the};
use crate::support::cluster::{LONG_CALL, cluster, namespace};

const RELEASE: &str = "adconversion-operator";
const SYSTEM: &str = "adconversion-system";
/// What an uninstall leaves, so that neither manifests nor the ledger are lost.
const KEPT: [&str; 4] = [
    "crd/adconversionevents.adconversion.dev",
    "crd/googleadsaccounts.adconversion.dev",
    "crd/hubspotaccounts.adconversion.dev",
    "persistentvolumeclaim/adconversion-operator-ledger",
];
const GONE: [&str; 9] = [
    "deployment/adconversion-operator",
    "service/adconversion-operator-metrics",
    "serviceaccount/adconversion-operator",
    "clusterrole/adconversion-operator.adconversion-system",
    "clusterrolebinding/adconversion-operator.adconversion-system",
    "clusterrole/adconversion-operator.adconversion-system.view",
    "clusterrole/adconversion-operator.adconversion-system.edit",
    "validatingadmissionpolicy/adconversion-operator.adconversion-system.configmaps",
    "validatingadmissionpolicybinding/adconversion-operator.adconversion-system.configmaps",
];

fn restrict(kubectl: &Kubectl, namespace: &str) {
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl.must(&["label", "namespace", namespace, label]).unwrap();
}

fn exists(kubectl: &Kubectl, object: &str) -> bool {
    let arguments = ["get", object, "--namespace", SYSTEM, "--ignore-not-found", "-o", "name"];
    !kubectl.must(&arguments).unwrap().is_empty()
}

/// What Helm says where it refuses to install or upgrade the release with a value.
fn refused(kubectl: &Kubectl, verb: &str, value: &str) -> String {
    let chart = chart().display().to_string();
    let arguments = [verb, RELEASE, &chart, "--namespace", SYSTEM, "--set", value];
    helm_on(kubectl, &arguments, None).unwrap_err().to_string()
}

/// The first thing a user does, on a cluster that has nothing of ours: install, use, upgrade, uninstall, install again.
#[test]
fn a_release_comes_changes_goes_and_comes_back() {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    let kubectl = plane.client();
    let chart = chart().display().to_string();
    kubectl.must(&["create", "namespace", SYSTEM]).unwrap();
    kubectl.must(&["create", "namespace", "marketing"]).unwrap();
    restrict(kubectl, SYSTEM);
    let install = ["install", RELEASE, &chart, "--namespace", SYSTEM];
    let notes = helm_on(kubectl, &install, None).unwrap();
    assert!(notes.contains("WARNING: the image adconversion-operator:"), "{notes}");
    for command in [
        "kubectl rollout status",
        "kubectl create secret",
        "kubectl get adconversion",
        "kubectl delete adconversion --all --all-namespaces",
        "adconversion uninstall",
    ] {
        assert!(notes.contains(command), "{notes}");
    }
    for object in KEPT.iter().chain(&GONE) {
        assert!(exists(kubectl, object), "{object}");
    }
    kubectl.wait_established(&[KEPT[0]]).unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/qualified-lead.yaml");
    kubectl.must(&["apply", "--filename", example]).unwrap();

    let upgrade = ["upgrade", RELEASE, &chart, "--namespace", SYSTEM];
    helm_on(kubectl, &upgrade, Some(&json!({"watchNamespaces": ["marketing"]}))).unwrap();
    assert!(!exists(
        kubectl,
        "clusterrole/adconversion-operator.adconversion-system"
    ));
    let role = ["get", "role", "adconversion-operator", "--namespace", "marketing"];
    kubectl.must(&role).unwrap();

    let refused = self::refused(kubectl, "upgrade", "sandbox.enabled=true");
    assert!(refused.contains("works with real accounts"), "{refused}");
    let two = helm(
        &["template", RELEASE, "--show-only", "templates/deployment.yaml"],
        &json!({"sandbox": {"enabled": true}}),
    );
    assert!(
        two.success(),
        "where no cluster is asked nothing is refused: {}",
        two.stderr
    );

    other_names_leave_no_ledger_behind(kubectl, &chart);
    another_release_of_the_name_touches_nothing(kubectl, &chart);
    helm_on(kubectl, &["uninstall", RELEASE, "--namespace", SYSTEM], None).unwrap();
    for object in GONE {
        assert!(!exists(kubectl, object), "{object} is still there");
    }
    for object in KEPT {
        assert!(exists(kubectl, object), "{object} is gone");
    }
    let kept = ["get", "adce", "qualified-lead", "--namespace", "marketing"];
    kubectl.must(&kept).unwrap();
    let refused = self::refused(kubectl, "install", "sandbox.enabled=true");
    assert!(refused.contains("it may hold the ledger of real accounts"), "{refused}");
    helm_on(kubectl, &install, None).unwrap();
    plane.stop().unwrap();
}

/// Under another name the operator would begin with an empty ledger.
fn other_names_leave_no_ledger_behind(kubectl: &Kubectl, chart: &str) {
    let renamed = refused(kubectl, "upgrade", "fullnameOverride=ads");
    let claim = "the ledger of this release is in the claim adconversion-operator-ledger";
    let way_out = "set persistence.existingClaim to adconversion-operator-ledger";
    assert!(renamed.contains(claim) && renamed.contains(way_out), "{renamed}");
    let moved = refused(kubectl, "upgrade", "namespaceOverride=marketing");
    assert!(
        moved.contains(claim) && moved.contains("move the ledger before"),
        "{moved}"
    );
    let labels = refused(
        kubectl,
        "upgrade",
        "nameOverride=ads,fullnameOverride=adconversion-operator",
    );
    assert!(
        labels.contains("kubectl delete deployment adconversion-operator"),
        "{labels}"
    );
    let sized = refused(kubectl, "upgrade", "persistence.size=1Mi");
    assert!(advice(&sized).contains("leave both as they were"), "{sized}");

    let upgrade = ["upgrade", RELEASE, chart, "--namespace", SYSTEM, "--set"];
    let with_it = "fullnameOverride=ads,persistence.existingClaim=adconversion-operator-ledger";
    helm_on(kubectl, &[&upgrade[..], &[with_it]].concat(), None).unwrap();
    assert!(exists(kubectl, "deployment/ads") && !exists(kubectl, GONE[0]));
    assert!(exists(kubectl, KEPT[3]) && !exists(kubectl, "pvc/ads-ledger"));
    helm_on(kubectl, &upgrade[..5], None).unwrap();
}

/// Another team's release, in a namespace of its own, that comes and goes.
fn another_release_of_the_name_touches_nothing(kubectl: &Kubectl, chart: &str) {
    let everywhere = ["upgrade", RELEASE, chart, "--namespace", SYSTEM, "--reset-values"];
    helm_on(kubectl, &everywhere, None).unwrap();
    kubectl.must(&["create", "namespace", "other-system"]).unwrap();
    let second = [
        "install",
        RELEASE,
        chart,
        "--namespace",
        "other-system",
        "--set",
        "crds.enabled=false",
    ];
    helm_on(kubectl, &second, None).unwrap();
    helm_on(kubectl, &["uninstall", RELEASE, "--namespace", "other-system"], None).unwrap();
    for object in KEPT.iter().chain(&GONE) {
        assert!(exists(kubectl, object), "{object}");
    }
}

#[test]
fn the_pod_meets_the_restricted_standard() {
    let kubectl = cluster().client();
    let namespace = namespace("restricted");
    restrict(kubectl, &namespace);
    for values in [json!({}), json!({"persistence": {"enabled": false}})] {
        let release = install(kubectl, &namespace, &values);
        let deployments = ["get", "deployment", &release, "--namespace", &namespace];
        let deployment = kubectl.json(&deployments).unwrap();
        let spec = deployment["spec"]["template"]["spec"].clone();
        let create = |spec: &Value| {
            let metadata = json!({"name": "operator", "namespace": namespace});
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
            let arguments = ["create", "--dry-run=server", "--filename", "-"];
            kubectl.run_with(&arguments, Some(&pod.to_string()), LONG_CALL).unwrap()
        };
        let output = create(&spec);
        assert!(output.success() && output.stderr.is_empty(), "{}", output.stderr);
        let mut root = spec;
        root["securityContext"]["runAsNonRoot"] = json!(false);
        let output = create(&root);
        assert!(
            output.stderr.contains("violates PodSecurity \"restricted"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn the_container_can_write_to_its_volumes_only() {
    let objects = super::render(&json!({}));
    let pod = &the(&objects, "Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    // The claim belongs to root until its group is set.
    assert_eq!(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsUser"]);
    assert_eq!(pod["enableServiceLinks"], false);
    assert!(pod.get("hostNetwork").is_none());
}
