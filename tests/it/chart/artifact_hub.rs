//! What Artifact Hub shows of the chart.

use adconversion_operator::api;
use serde_json::{Value, json};

use super::read;
use crate::support::cluster::{LONG_CALL, cluster, namespace};

/// The content of an annotation, which is YAML in YAML.
fn annotation(name: &str) -> Value {
    let about: Value = serde_yaml::from_str(&read("Chart.yaml")).unwrap();
    let text = about["annotations"][format!("artifacthub.io/{name}")]
        .as_str()
        .unwrap()
        .to_owned();
    serde_yaml::from_str(&text).unwrap()
}

#[test]
fn it_lists_the_definitions_that_there_are() {
    let mut listed: Vec<(String, String, String)> = Vec::new();
    for crd in annotation("crds").as_array().unwrap() {
        let part = |name: &str| crd[name].as_str().unwrap().to_owned();
        listed.push((part("name"), part("kind"), part("version")));
    }
    let mut there = Vec::new();
    for crd in api::crds() {
        let version = crd.spec.versions.last().unwrap().name.clone();
        there.push((crd.metadata.name.clone().unwrap(), crd.spec.names.kind.clone(), version));
    }
    listed.sort();
    there.sort();
    assert_eq!(listed, there);
}

#[test]
fn its_examples_are_taken() {
    let namespace = namespace("artifact-hub");
    let mut examples = annotation("crdsExamples");
    for example in examples.as_array_mut().unwrap() {
        example["metadata"]["namespace"] = json!(namespace);
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": examples}).to_string();
    let apply = ["apply", "--validate=strict", "--dry-run=server", "--filename", "-"];
    let output = cluster().client().run_with(&apply, Some(&list), LONG_CALL).unwrap();
    assert!(output.success(), "{}", output.stderr);
}
