//! `deploy/`: what Argo CD, Flux, Kustomize and kube-state-metrics are given.

mod argo_cd;
mod definitions;
mod install;
mod overlay;
mod pruning;
pub mod uninstall;

use std::{fs, path::PathBuf};

use crate::{
    chart,
    support::cluster::{LONG_CALL, cluster},
};
use adconversion_operator::api;
use serde::Deserialize;
use serde_json::{Value, json};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    documents
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

fn of_kind(name: &str, kind: &str) -> Value {
    let mut found = documents(&read(name))
        .into_iter()
        .filter(|document| document["kind"] == kind);
    found.next().unwrap_or_else(|| panic!("no {kind} in deploy/{name}"))
}

/// What the chart renders for those without Helm, with nothing about Helm in it.
fn without_helm() -> String {
    let values = json!({"crds": {"enabled": false}, "tests": {"enabled": false}, "persistence": {"keep": false}});
    let output = chart::helm_in("adconversion-system", &["template", "adconversion-operator"], &values);
    let mut text = "# Written by UPDATE_DOCS=1 cargo test --test it gitops:: from the chart.\n".to_owned();
    for line in output.ok().unwrap().lines() {
        if !line.starts_with("# Source: ") && !line.contains("helm.sh/chart: ") {
            text += &line.replace("managed-by: Helm", "managed-by: kustomize");
            text.push('\n');
        }
    }
    text
}

/// `UPDATE_DOCS=1 cargo test --test it gitops::` writes it again.
#[test]
fn kustomize_has_the_charts_objects_and_the_definitions() {
    let made = without_helm();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path("kustomize/operator.yaml"), &made).unwrap();
    }
    assert!(
        read("kustomize/operator.yaml") == made,
        "deploy/kustomize/operator.yaml is stale: run UPDATE_DOCS=1 cargo test --test it gitops::"
    );
    let directory = path("kustomize").display().to_string();
    let kubectl = cluster().client();
    let built = kubectl.must(&["kustomize", &directory]).unwrap();
    for (count, kind) in [
        (api::crds().len(), "CustomResourceDefinition"),
        (1, "Deployment"),
        (1, "Namespace"),
    ] {
        let found = documents(&built)
            .iter()
            .filter(|document| document["kind"] == kind)
            .count();
        assert_eq!(found, count, "{kind}");
    }
    assert!(!built.contains("helm"), "nothing of Helm's");
    // A dry run finds no namespace that only the dry run made.
    let namespace = [
        "create",
        "namespace",
        "adconversion-system",
        "--dry-run=client",
        "--output=json",
    ];
    kubectl.apply(&kubectl.must(&namespace).unwrap()).unwrap();
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--filename",
        "-",
    ];
    let output = kubectl.run_with(&apply, Some(&built), LONG_CALL).unwrap();
    // The shared definitions were applied another way, which is worth a warning of kubectl's own.
    let refused = output.stderr.contains("would violate");
    assert!(output.success() && !refused, "{}", output.stderr);
}

#[test]
fn argo_cd_and_flux_give_values_that_the_chart_takes() {
    let application = of_kind("argocd/application.yaml", "Application");
    let release = of_kind("flux/operator.yaml", "HelmRelease");
    let about: Value = serde_yaml::from_str(&chart::read("Chart.yaml")).unwrap();
    assert_eq!(application["spec"]["source"]["targetRevision"], about["version"]);
    for values in [
        &application["spec"]["source"]["helm"]["valuesObject"],
        &release["spec"]["values"],
    ] {
        assert!(values.is_object());
        chart::helm_in("adconversion-system", &["template", "adconversion-operator"], values)
            .ok()
            .unwrap();
    }
    let values = &application["spec"]["source"]["helm"]["valuesObject"];
    for object in chart::render(values) {
        if ["CustomResourceDefinition", "PersistentVolumeClaim"].contains(&object["kind"].as_str().unwrap()) {
            let options = &object["metadata"]["annotations"]["argocd.argoproj.io/sync-options"];
            assert_eq!(options, "Prune=false,Delete=false", "{}", object["metadata"]["name"]);
        }
    }
}

/// Whether a schema has this path; a list is entered by its items.
fn has(schema: &Value, path: &[Value]) -> bool {
    let schema = schema.get("items").unwrap_or(schema);
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    let member = &schema["properties"][first.as_str().unwrap()];
    member.is_object() && has(member, rest)
}

#[test]
fn kube_state_metrics_is_told_of_fields_that_there_are() {
    let configuration: Value = serde_yaml::from_str(&read("kube-state-metrics.yaml")).unwrap();
    let mut kinds = Vec::new();
    for resource in configuration["spec"]["resources"].as_array().unwrap() {
        let of = &resource["groupVersionKind"];
        let crd = api::crds()
            .into_iter()
            .find(|crd| crd.spec.names.kind == of["kind"])
            .unwrap();
        kinds.push(crd.spec.names.kind.clone());
        assert_eq!(of["group"], json!(crd.spec.group));
        let version = crd
            .spec
            .versions
            .iter()
            .find(|version| of["version"] == json!(version.name))
            .unwrap();
        let schema = json!(version.schema.as_ref().unwrap().open_api_v3_schema);
        for metric in resource["metrics"].as_array().unwrap() {
            let each = metric["each"]
                .as_object()
                .unwrap()
                .values()
                .find(|member| member.is_object())
                .unwrap();
            let base = each["path"].as_array().cloned().unwrap_or_default();
            assert!(has(&schema, &base), "{metric}");
            let labels = each["labelsFromPath"]
                .as_object()
                .into_iter()
                .flat_map(|labels| labels.values());
            for more in labels.chain(each.get("valueFrom")) {
                let full = [&base[..], more.as_array().unwrap()].concat();
                assert!(has(&schema, &full), "{full:?} of {}", of["kind"]);
            }
        }
    }
    assert_eq!(kinds.len(), api::crds().len());
    // Nothing but names: no path that leads to personal data.
    assert!(!read("kube-state-metrics.yaml").contains("lastErrors"));
}
