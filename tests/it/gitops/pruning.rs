//! What Flux and Argo CD remove with the manifests that they no longer find is never what holds data.

use serde_json::Value;

use super::{documents, path, read};
use crate::support::cluster::cluster;

const FLUX: (&str, &str) = ("kustomize.toolkit.fluxcd.io/prune", "disabled");
const ARGO_CD: (&str, &str) = ("argocd.argoproj.io/sync-options", "Prune=false,Delete=false");

fn stays(object: &Value, (annotation, value): (&str, &str)) {
    let found = &object["metadata"]["annotations"][annotation];
    assert_eq!(found, value, "{} {}", object["kind"], object["metadata"]["name"]);
}

/// With a namespace goes all that is in it: the ledger's claim, a team's events.
#[test]
fn flux_leaves_the_namespaces_of_its_example() {
    let objects = documents(&read("flux/operator.yaml"));
    let namespaces: Vec<&Value> = objects.iter().filter(|object| object["kind"] == "Namespace").collect();
    assert_eq!(namespaces.len(), 2, "the operator's own and the team's");
    for namespace in namespaces {
        stays(namespace, FLUX);
    }
}

/// Helm's own annotation binds neither of them, and nobody uninstalls the base with Helm.
#[test]
fn whoever_applies_the_base_leaves_what_holds_data() {
    let directory = path("kustomize").display().to_string();
    let built = cluster().client().must(&["kustomize", &directory]).unwrap();
    let mut kept = 0;
    for object in documents(&built) {
        let kind = object["kind"].as_str().unwrap();
        if ["CustomResourceDefinition", "Namespace", "PersistentVolumeClaim"].contains(&kind) {
            stays(&object, FLUX);
            stays(&object, ARGO_CD);
            kept += 1;
        }
    }
    assert_eq!(kept, 5, "three definitions, the namespace and the claim");
}
