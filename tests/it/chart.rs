//! The Helm chart: what it renders, which values it takes, what the API server makes of it.

mod additions;
mod admission;
mod after_kustomize;
mod artifact_hub;
mod contradictions;
mod definitions;
mod durations;
mod existing;
mod first_table;
mod helm3;
mod install;
mod installer;
mod matrix;
mod monitoring;
mod names;
mod network;
mod readme;
mod release;
mod render;
mod replicas;
mod rights;
mod sandbox;
mod schemas;
mod simulated_contacts;
mod values;

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde::Deserialize;
use serde_json::{Value, json};
use xtask::{
    kubectl::Kubectl,
    process::{self, Output},
    tools,
};

const LIMIT: Duration = Duration::from_mins(2);

pub fn chart() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("charts/adconversion-operator")
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(chart().join(path)).unwrap()
}

/// helm that knows no cluster, with values on its input, for a release in the namespace `system`.
fn helm(arguments: &[&str], values: &Value) -> Output {
    helm_in("system", arguments, values)
}

/// The same in another namespace.
pub fn helm_in(namespace: &str, arguments: &[&str], values: &Value) -> Output {
    run_helm(Command::new(tools::helm().unwrap()), namespace, arguments, values)
}

fn run_helm(mut command: Command, namespace: &str, arguments: &[&str], values: &Value) -> Output {
    command.env_remove("KUBECONFIG").args(arguments).arg(chart());
    command.args(["--namespace", namespace, "--values", "-"]);
    process::run(command, Some(&values.to_string()), LIMIT).unwrap()
}

/// helm on a cluster, with values on its input.
pub fn helm_on(cluster: &Kubectl, arguments: &[&str], values: Option<&Value>) -> Result<String, xtask::Error> {
    let mut command = cluster.helm_command(&tools::helm()?);
    command.args(arguments);
    if values.is_some() {
        command.args(["--values", "-"]);
    }
    process::run(command, values.map(Value::to_string).as_deref(), LIMIT)?.ok()
}

/// Installs the chart without the definitions, which are in the shared cluster already. Returns the release's name.
fn install(cluster: &Kubectl, namespace: &str, values: &Value) -> String {
    static RELEASES: AtomicU32 = AtomicU32::new(0);
    // Names of cluster-wide objects come from the release.
    let release = format!("adconversion-operator-{}", RELEASES.fetch_add(1, Ordering::Relaxed));
    let mut values = values.clone();
    values["crds"] = json!({"enabled": false});
    let chart = chart().display().to_string();
    let arguments = ["install", &release, &chart, "--namespace", namespace];
    helm_on(cluster, &arguments, Some(&values)).expect("the chart installs");
    release
}

/// What the chart renders for the release `adconversion-operator` in the namespace `system`.
pub fn render(values: &Value) -> Vec<Value> {
    parse(&helm(&["template", "adconversion-operator"], values).ok().unwrap())
}

/// The objects in a text.
fn parse(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .filter(|document| !document.is_null())
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The one object of a kind.
fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    match of_kind(objects, kind)[..] {
        [object] => object,
        ref others => panic!("{} objects of kind {kind}", others.len()),
    }
}

fn names<'a>(objects: &[&'a Value]) -> Vec<&'a str> {
    let name = |object: &&'a Value| object["metadata"]["name"].as_str().unwrap();
    objects.iter().map(name).collect()
}

fn container(objects: &[Value]) -> &Value {
    &the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}

fn arguments(objects: &[Value]) -> Vec<&str> {
    let arguments = container(objects)["args"].as_array().unwrap();
    arguments.iter().map(|argument| argument.as_str().unwrap()).collect()
}
