//! Tables of manifests and what kubectl says of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::cluster::{LONG_CALL, cluster};

const GOOD: &str = include_str!("good.yaml");
pub const BAD: &str = include_str!("bad.yaml");
pub const CHANGES: &str = include_str!("changes.yaml");

/// A manifest that differs from a good one, and what is to happen to it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub name: String,
    pub from: String,
    #[serde(default)]
    pub change: Value,
    #[serde(default)]
    pub repeat: Option<Repeat>,
    #[serde(default)]
    pub status: Option<Value>,
    #[serde(default)]
    pub field: Option<String>,
    #[serde(default)]
    pub says: Option<String>,
}

/// A text too long to be written out in a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    path: Vec<String>,
    text: String,
    times: usize,
}

impl Row {
    /// The change of the spec, the long text included.
    pub fn patch(&self) -> Value {
        let Some(repeat) = &self.repeat else {
            return self.change.clone();
        };
        repeat
            .path
            .iter()
            .rev()
            .fold(json!(repeat.text.repeat(repeat.times)), |inner, step| {
                if step == "0" {
                    json!([inner])
                } else {
                    json!({ step: inner })
                }
            })
    }
}

pub fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

pub fn good() -> BTreeMap<String, Value> {
    documents(GOOD)
        .into_iter()
        .map(|manifest| (manifest["metadata"]["name"].as_str().unwrap().to_owned(), manifest))
        .collect()
}

pub fn rows(text: &str) -> Vec<Row> {
    let rows: Vec<Row> = serde_yaml::from_str(text).unwrap();
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "names of rows must be distinct");
    rows
}

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

/// What became of each manifest: `None` when it was taken, else the refusal.
pub type Outcomes = BTreeMap<String, Option<String>>;

/// Applies manifests by one `kubectl apply`, each from a file of its own, and sorts its errors by file.
pub fn apply(namespace: &str, manifests: &BTreeMap<String, Value>, flags: &[&str]) -> Outcomes {
    let directory: PathBuf = cluster().directory().join(format!("manifests-{namespace}"));
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir(&directory).unwrap();
    for (name, manifest) in manifests {
        fs::write(directory.join(format!("{name}.json")), manifest.to_string()).unwrap();
    }
    let mut arguments = vec![
        "apply",
        "--namespace",
        namespace,
        "--filename",
        directory.to_str().unwrap(),
    ];
    arguments.extend(flags);
    let output = cluster().client().run_with(&arguments, None, LONG_CALL).unwrap();
    let taken = output.stdout.lines().count();
    let refusals: Vec<&str> = output.stderr.split("Error from server").skip(1).collect();
    let outcomes: Outcomes = manifests
        .keys()
        .map(|name| {
            let file = format!("/{name}.json\"");
            let refusal = refusals.iter().find(|text| text.contains(&file));
            (name.clone(), refusal.map(|text| (*text).to_owned()))
        })
        .collect();
    let refused = outcomes.values().filter(|outcome| outcome.is_some()).count();
    assert_eq!(
        (taken + refused, refusals.len()),
        (manifests.len(), refused),
        "kubectl's output was not understood:\n{}\n{}",
        output.stdout,
        output.stderr
    );
    outcomes
}

/// What is wrong with an outcome, if anything.
fn complaint(row: &Row, outcome: Option<&String>) -> Option<String> {
    let name = &row.name;
    match (outcome, &row.field, &row.says) {
        (None, None, None) => None,
        (Some(refusal), None, None) => Some(format!("{name} was refused: {refusal}")),
        (None, ..) => Some(format!("{name} was taken")),
        (Some(refusal), field, says) => {
            let (field, says) = (field.as_deref().unwrap(), says.as_deref().unwrap());
            // Behind the field: the kind of the error, perhaps the value, then the words.
            let named = refusal.contains(&format!("{field}: ")) || refusal.contains(&format!("\"{field}\""));
            (!named || !refusal.contains(says)).then(|| format!("{name}: {field} / {says} expected: {refusal}"))
        }
    }
}

pub fn judge(rows: &[Row], outcomes: &Outcomes) {
    let complaints: Vec<String> = rows
        .iter()
        .filter_map(|row| complaint(row, outcomes[&row.name].as_ref()))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
