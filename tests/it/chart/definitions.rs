//! The definitions of the three kinds on an API server: taken over from others, upgraded, rolled back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use xtask::{
    control_plane::{ControlPlane, Options},
    kubectl::Kubectl,
    process,
};

use super::{LIMIT, chart, helm_on, read};
use crate::support::wait::until_blocking;

const RELEASE: &str = "adconversion-operator";
const SYSTEM: &str = "adconversion-system";
const EVENTS: &str = "adconversionevents.adconversion.dev";
/// How long the API server may take until it serves a definition that was changed.
const SERVED: Duration = Duration::from_mins(1);
/// What an older definition of events lacks in the test:
/// `examples/became-customer.yaml` has it, `examples/qualified-lead.yaml` not.
const NEWER: &str = "eventName";

fn plane() -> ControlPlane {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let plane = ControlPlane::start(&options).unwrap();
    plane.client().must(&["create", "namespace", SYSTEM]).unwrap();
    plane
}

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

/// helm with a verb for a release of a chart in a namespace.
fn helm(kubectl: &Kubectl, verb: &[&str], release: &str, chart: &str, more: &[&str]) -> Result<String, xtask::Error> {
    helm_on(
        kubectl,
        &[verb, &[release, chart, "--namespace", SYSTEM], more].concat(),
        None,
    )
}

fn definition(kubectl: &Kubectl) -> Value {
    kubectl.json(&["get", "crd", EVENTS]).unwrap()
}

fn has_the_newer_field(definition: &Value) -> bool {
    definition
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")
        .unwrap()
        .get(NEWER)
        .is_some()
}

/// Whether these words are said in their order.
fn says(error: &str, words: &str) -> bool {
    let words = words.split('`').skip(1).step_by(2).flat_map(|code| code.split('…'));
    let mut rest = Some(error);
    let mut count = 0;
    for word in words {
        rest = rest
            .and_then(|rest| rest.split_once(word.trim()))
            .map(|(_, behind)| behind);
        count += 1;
    }
    count > 0 && rest.is_some()
}

/// What the README of the chart advises where Helm says this: the row with one of its phrases in the error.
pub(super) fn advice(error: &str) -> String {
    let readme = read("README.md");
    let (_, table) = readme.split_once("| Helm says | because | do |\n").unwrap();
    let rows = table.lines().take_while(|line| line.starts_with('|')).skip(1);
    let phrases = |row: &str| {
        row.split('|')
            .nth(1)
            .unwrap()
            .split(", or ")
            .any(|words| says(error, words))
    };
    let mut found: Vec<&str> = rows.filter(|row| phrases(row)).collect();
    let row = found.pop().unwrap_or_else(|| panic!("no row for {error}"));
    assert!(found.is_empty(), "{found:?} and {row} for {error}");
    row.split('|').nth(3).unwrap().to_owned()
}

fn apply(kubectl: &Kubectl, how: &[&str], path: &str) -> process::Output {
    let arguments = [&["apply", "--filename", path], how].concat();
    kubectl.run(&arguments).unwrap()
}

fn established(kubectl: &Kubectl) {
    kubectl.wait_established(&["crd", "--all"]).unwrap();
}

/// Definitions that `kubectl apply` brought, with an event: a release refuses them, and takes them with the flag.
fn applied_by_hand(kubectl: &Kubectl, chart: &str) {
    apply(kubectl, &[], &repository("crds")).ok().unwrap();
    established(kubectl);
    kubectl.must(&["create", "namespace", "marketing"]).unwrap();
    apply(kubectl, &[], &repository("examples/qualified-lead.yaml"))
        .ok()
        .unwrap();
    let before = served(kubectl);
    let refused = helm(kubectl, &["install"], RELEASE, chart, &[])
        .unwrap_err()
        .to_string();
    let advice = advice(&refused);
    assert!(advice.contains("`--take-ownership`"), "{advice} for {refused}");
    helm(kubectl, &["install"], RELEASE, chart, &["--take-ownership"]).unwrap();
    let labels = &definition(kubectl)["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm");
    assert_eq!(served(kubectl), before);
}

/// Another release beside the one that has the definitions, and after it.
fn of_another_release(kubectl: &Kubectl, chart: &str) {
    let watched = "watchNamespaces={marketing}";
    let second = ["--set", watched];
    let refused = helm(kubectl, &["install"], "second", chart, &second)
        .unwrap_err()
        .to_string();
    let advice = advice(&refused);
    assert!(advice.contains("`--set crds.enabled=false`"), "{advice} for {refused}");
    let without = ["--set", watched, "--set", "crds.enabled=false"];
    helm(kubectl, &["install"], "second", chart, &without).unwrap();
    // The definitions stay the first one's, and stay when the second one goes.
    let owner = |kubectl: &Kubectl| definition(kubectl)["metadata"]["annotations"]["meta.helm.sh/release-name"].clone();
    assert_eq!(owner(kubectl), RELEASE);
    for release in ["second", RELEASE] {
        helm_on(kubectl, &["uninstall", release, "--namespace", SYSTEM], None).unwrap();
        assert_eq!(owner(kubectl), RELEASE);
    }
    let refused = helm(kubectl, &["install"], "third", chart, &[])
        .unwrap_err()
        .to_string();
    let advice = self::advice(&refused);
    assert!(advice.contains("`--take-ownership`"), "{advice} for {refused}");
    helm(kubectl, &["install"], "third", chart, &["--take-ownership"]).unwrap();
    assert_eq!(owner(kubectl), "third");
    helm_on(kubectl, &["uninstall", "third", "--namespace", SYSTEM], None).unwrap();
}

/// Definitions that are not the chart's and belong to somebody else: they are taken with force only.
fn applied_with_another_content(kubectl: &Kubectl, chart: &str, older: &Path) {
    kubectl.must(&["delete", "crd", "--all"]).unwrap();
    let directory = older.join("files/crds").display().to_string();
    for how in [&["--server-side"][..], &[]] {
        apply(kubectl, how, &directory).ok().unwrap();
        let refused = helm(kubectl, &["install"], RELEASE, chart, &["--take-ownership"])
            .unwrap_err()
            .to_string();
        let advice = advice(&refused);
        for flag in ["upgrade --install", "--take-ownership", "--force-conflicts"] {
            assert!(advice.contains(flag), "{advice} for {refused}");
        }
        assert!(!has_the_newer_field(&definition(kubectl)));
        let force = ["--take-ownership", "--force-conflicts"];
        helm(kubectl, &["upgrade", "--install"], RELEASE, chart, &force).unwrap();
        assert!(has_the_newer_field(&definition(kubectl)));
        helm_on(kubectl, &["uninstall", RELEASE, "--namespace", SYSTEM], None).unwrap();
        kubectl.must(&["delete", "crd", "--all"]).unwrap();
    }
}

/// What the README of the chart says of definitions that others have brought.
#[test]
fn a_release_takes_the_definitions_of_others_as_the_readme_says() {
    let plane = plane();
    let kubectl = plane.client();
    let chart = chart().display().to_string();
    applied_by_hand(kubectl, &chart);
    of_another_release(kubectl, &chart);
    let older = older_chart();
    applied_with_another_content(kubectl, &chart, &older);
    fs::remove_dir_all(&older).unwrap();
    plane.stop().unwrap();
}

/// The chart as an older version may have been: events without a field and a column, another default.
fn older_chart() -> PathBuf {
    let older = xtask::control_plane::new_directory().unwrap();
    let mut copy = Command::new("cp");
    copy.arg("--recursive").arg(chart().join(".")).arg(&older);
    process::run(copy, None, LIMIT).unwrap().ok().unwrap();
    let file = older
        .join("files/crds")
        .join("adconversion.dev_adconversionevents.yaml");
    let mut crd: Value = serde_yaml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let version = &mut crd["spec"]["versions"][0];
    version["additionalPrinterColumns"]
        .as_array_mut()
        .unwrap()
        .pop()
        .unwrap();
    let schema = &mut version["schema"]["openAPIV3Schema"];
    // The rules about it came with it.
    let rules = schema["x-kubernetes-validations"].as_array_mut().unwrap();
    rules.retain(|rule| !rule.to_string().contains(NEWER));
    let fields = schema["properties"]["spec"]["properties"].as_object_mut().unwrap();
    assert!(fields.remove(NEWER).is_some(), "the definition has {NEWER}");
    fs::write(&file, serde_yaml::to_string(&crd).unwrap()).unwrap();
    let values = fs::read_to_string(older.join("values.yaml")).unwrap();
    let old = values.replacen(&default_history(), "revisionHistoryLimit: 7\n", 1);
    assert_ne!(old, values, "values.yaml has the line");
    fs::write(older.join("values.yaml"), old).unwrap();
    older
}

/// The line of `values.yaml` that an older version has otherwise in the test.
fn default_history() -> String {
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    format!("revisionHistoryLimit: {}\n", values["revisionHistoryLimit"])
}

/// Events and accounts as the API server gives them out.
fn served(kubectl: &Kubectl) -> Vec<Value> {
    let list = kubectl
        .json(&["get", "adconversion", "--namespace", "marketing"])
        .unwrap();
    list["items"].as_array().unwrap().clone()
}

fn event(kubectl: &Kubectl, name: &str) -> Value {
    kubectl
        .json(&["get", "adce", name, "--namespace", "marketing"])
        .unwrap()
}

/// Waits until the API server takes the newer field, or refuses it.
fn newer_field_is_taken(kubectl: &Kubectl, taken: bool) {
    let file = repository("examples/became-customer.yaml");
    until_blocking("the changed definition to be served", SERVED, || {
        let output = apply(kubectl, &["--dry-run=server", "--validate=strict"], &file);
        let unknown = output.stderr.contains(&format!("unknown field \"spec.{NEWER}\""));
        let so = if taken { output.success() } else { unknown };
        if so { Ok(()) } else { Err(output.stderr) }
    });
}

/// From an older release to this one, back, and forth again: the
/// manifests are served all the time and are what they were.
#[test]
fn an_upgrade_brings_the_definitions_and_a_rollback_takes_them_back() {
    let plane = plane();
    let kubectl = plane.client();
    let older = older_chart();
    kubectl.must(&["create", "namespace", "marketing"]).unwrap();
    let values = ["--set", "watchNamespaces={marketing}"];
    helm(kubectl, &["install"], RELEASE, &older.display().to_string(), &values).unwrap();
    established(kubectl);
    newer_field_is_taken(kubectl, false);
    for example in ["examples/accounts.yaml", "examples/qualified-lead.yaml"] {
        apply(kubectl, &[], &repository(example)).ok().unwrap();
    }
    let before = served(kubectl);
    assert_eq!(before.len(), 3, "{before:#?}");

    let current = chart().display().to_string();
    let reuse = ["--reset-then-reuse-values"];
    helm(kubectl, &["upgrade"], RELEASE, &current, &reuse).unwrap();
    newer_field_is_taken(kubectl, true);
    assert_eq!(served(kubectl), before);
    let became = repository("examples/became-customer.yaml");
    apply(kubectl, &[], &became).ok().unwrap();
    let newer = event(kubectl, "became-customer");
    assert!(newer["spec"][NEWER].is_string());
    // The values of the older release, and the defaults of this chart.
    kubectl
        .must(&["get", "role", RELEASE, "--namespace", "marketing"])
        .unwrap();
    let deployment = ["get", "deployment", RELEASE, "--namespace", SYSTEM];
    let history = |kubectl: &Kubectl| {
        let deployment = kubectl.json(&deployment).unwrap();
        format!("revisionHistoryLimit: {}\n", deployment["spec"]["revisionHistoryLimit"])
    };
    assert_eq!(history(kubectl), default_history());

    helm_on(kubectl, &["rollback", RELEASE, "1", "--namespace", SYSTEM], None).unwrap();
    newer_field_is_taken(kubectl, false);
    assert_eq!(history(kubectl), "revisionHistoryLimit: 7\n");
    let after: Vec<Value> = served(kubectl)
        .into_iter()
        .filter(|object| object["metadata"]["name"] != "became-customer")
        .collect();
    assert_eq!(after, before);
    assert!(event(kubectl, "became-customer")["spec"].get(NEWER).is_none());

    // What nobody has written meanwhile is there again.
    helm(kubectl, &["upgrade"], RELEASE, &current, &reuse).unwrap();
    newer_field_is_taken(kubectl, true);
    assert_eq!(event(kubectl, "became-customer"), newer);
    assert_eq!(definition(kubectl)["status"]["storedVersions"], json!(["v1alpha1"]));
    fs::remove_dir_all(&older).unwrap();
    plane.stop().unwrap();
}
