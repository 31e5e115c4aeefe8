//! Helm 3 with the chart: what it renders and installs is what Helm 4 does.

use std::process::Command;

use serde_json::Value;
use xtask::{
    kubectl::Kubectl,
    process::{self, Output},
    tools,
};

use super::{LIMIT, chart, helm, matrix::matrix, parse, run_helm};
use crate::support::cluster::{cluster, namespace};

fn helm3(arguments: &[&str], values: &Value) -> Output {
    run_helm(Command::new(tools::helm3().unwrap()), "system", arguments, values)
}

fn sorted(output: Output) -> Vec<Value> {
    let mut objects = parse(&output.ok().unwrap());
    objects.sort_by_key(|object| (object["kind"].to_string(), object["metadata"].to_string()));
    objects
}

#[test]
fn it_finds_nothing_and_renders_the_same() {
    for (name, values) in matrix() {
        let output = helm3(&["lint", "--strict"], &values);
        assert!(output.success(), "{name}\n{}\n{}", output.stdout, output.stderr);
        assert!(output.stdout.contains("1 chart(s) linted, 0 chart(s) failed"));
        let template = ["template", "adconversion-operator"];
        let [old, new] = [helm3(&template, &values), helm(&template, &values)].map(sorted);
        assert!(!old.is_empty(), "{name}");
        assert!(old == new, "Helm 3 renders something else: {name}");
    }
}

/// A release of Helm 3 in a namespace of a cluster that has the definitions.
fn release(kubectl: &Kubectl, verb: &[&str], namespace: &str, more: &[&str]) -> Output {
    let mut command = kubectl.helm_command(&tools::helm3().unwrap());
    command.args(verb).args(["--namespace", namespace]).args(more);
    process::run(command, None, LIMIT).unwrap()
}

#[test]
fn it_installs_upgrades_and_goes() {
    let kubectl = cluster().client();
    let namespace = namespace("helm3");
    let name = format!("{namespace}-adconversion-operator");
    let chart = chart().display().to_string();
    let watched = format!("watchNamespaces={{{namespace}}}");
    let without = ["--set", "crds.enabled=false", "--set", &watched];
    let refused = release(kubectl, &["install", &name, &chart], &namespace, &["--set", &watched]);
    // The definitions of all tests are in the cluster, without Helm's labels.
    assert!(
        refused.stderr.contains("exists and cannot be imported"),
        "{}",
        refused.stderr
    );
    release(kubectl, &["install", &name, &chart], &namespace, &without)
        .ok()
        .unwrap();
    let more = ["--reset-then-reuse-values", "--set", "podLabels.team=ads"];
    release(kubectl, &["upgrade", &name, &chart], &namespace, &more)
        .ok()
        .unwrap();
    let deployment = kubectl
        .json(&["get", "deployment", &name, "--namespace", &namespace])
        .unwrap();
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"]["team"], "ads");
    let role = [
        "get",
        "role",
        &name,
        "--namespace",
        &namespace,
        "--ignore-not-found",
        "--output=name",
    ];
    assert!(
        !kubectl.must(&role).unwrap().is_empty(),
        "the values of the first release are kept"
    );
    release(kubectl, &["uninstall", &name], &namespace, &[]).ok().unwrap();
    assert!(kubectl.must(&role).unwrap().is_empty());
}

/// What pages say of the versions.
#[test]
fn the_versions_are_the_ones_that_pages_name() {
    let version = |program: std::path::PathBuf| {
        let mut command = Command::new(program);
        command.args(["version", "--template", "{{.Version}}"]);
        let said = process::run(command, None, LIMIT).unwrap().ok().unwrap();
        let mut parts = said.trim().trim_start_matches('v').split('.').map(str::to_owned);
        format!("{}.{}", parts.next().unwrap(), parts.next().unwrap())
    };
    let [old, new] = [tools::helm3(), tools::helm()].map(|program| version(program.unwrap()));
    let tested = format!("tested with {old} and {new}");
    for page in ["README.md", "docs/try-it.md", "docs/limits.md"] {
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        assert!(text.contains(&tested), "{page}: {tested}");
    }
    let tested = format!("Tested with Helm {old} and {new}.");
    assert!(super::read("README.md").contains(&tested), "{tested}");
}
