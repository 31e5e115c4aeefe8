//! The schemas of an API server, for a checker that reads files; and the kinds of the Prometheus operator in it.

use std::{collections::BTreeSet, fs, path::Path, sync::OnceLock};

use serde_json::{Map, Value, json};
use xtask::kubectl::Kubectl;

use crate::support::cluster::LONG_CALL;
use crate::support::wait::until_blocking;

const PREFIX: &str = "#/definitions/";

/// Puts the definitions of `ServiceMonitor`, `PodMonitor` and `PrometheusRule` into the cluster, once.
pub fn install_monitoring(kubectl: &Kubectl) {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/chart/monitoring.yaml");
        let apply = ["apply", "--server-side", "--filename", file];
        kubectl.run_with(&apply, None, LONG_CALL).unwrap().ok().unwrap();
        let names = ["servicemonitors", "podmonitors", "prometheusrules"];
        let names = names.map(|name| format!("crd/{name}.monitoring.coreos.com"));
        kubectl.wait_established(&names.each_ref().map(String::as_str)).unwrap();
    });
}

/// Writes a strict schema for each kind that the API server serves: `group-kind-version.json`, in lower case.
pub fn write(kubectl: &Kubectl, directory: &Path) {
    install_monitoring(kubectl);
    fs::create_dir_all(directory).unwrap();
    let monitoring = "com.coreos.monitoring.v1.PrometheusRule";
    // Definitions join the document a moment after they are served.
    let document = until_blocking("the schemas of monitoring", LONG_CALL, || {
        let text = kubectl
            .run_with(&["get", "--raw", "/openapi/v2"], None, LONG_CALL)
            .unwrap();
        let document: Value = serde_json::from_str(&text.ok().unwrap()).unwrap();
        let is_there = document["definitions"].get(monitoring).is_some();
        is_there.then_some(document).ok_or(monitoring)
    });
    let all = document["definitions"].as_object().unwrap();
    for (name, definition) in all {
        let kinds = definition["x-kubernetes-group-version-kind"].as_array();
        for kind in kinds.into_iter().flatten() {
            let part = |part: &str| kind[part].as_str().unwrap().to_lowercase();
            // kubeconform calls the core group by its version.
            let group = Some(part("group"))
                .filter(|group| !group.is_empty())
                .unwrap_or_else(|| part("version"));
            let path = directory.join(format!("{group}-{}-{}.json", part("kind"), part("version")));
            fs::write(path, schema(all, name).to_string()).unwrap();
        }
    }
}

/// A schema of one kind with all that it refers to.
fn schema(all: &Map<String, Value>, name: &str) -> Value {
    let mut wanted = vec![name.to_owned()];
    let mut seen = BTreeSet::new();
    let mut definitions = Map::new();
    while let Some(name) = wanted.pop() {
        if seen.insert(name.clone()) {
            let mut definition = all[&name].clone();
            close(&mut definition, &mut wanted);
            definitions.insert(name, definition);
        }
    }
    json!({"definitions": definitions, "$ref": format!("{PREFIX}{name}")})
}

/// Refuses members that are not named, as the API server does in strict mode; collects what is referred to.
fn close(schema: &mut Value, wanted: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(name) = members.get("$ref").and_then(Value::as_str) {
                wanted.extend(name.strip_prefix(PREFIX).map(str::to_owned));
            }
            let lists_all = members.get("properties").is_some_and(Value::is_object)
                && members.get("type").is_some_and(|kind| kind == "object")
                && !members.contains_key("additionalProperties")
                && members.get("x-kubernetes-preserve-unknown-fields") != Some(&json!(true));
            if lists_all {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
            // Text or number; the document says "string" of both.
            if members.get("format") == Some(&json!("int-or-string"))
                || members.get("x-kubernetes-int-or-string") == Some(&json!(true))
            {
                members.remove("type");
                members.remove("format");
            }
            members.values_mut().for_each(|member| close(member, wanted));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, wanted)),
        _ => {}
    }
}
