//! Argo CD's view of the three kinds: health and actions, run by the Lua interpreter that Argo CD has.

use std::{fs, path::PathBuf};

use rstest::rstest;
use serde_json::{Map, Value, json};
use xtask::{go_tools::GoTool, process};

use super::{path, read};
use crate::{
    e2e::stage::{Stage, condition},
    support::cluster::{LONG_CALL, cluster, namespace},
};

const ACTIONS: [&str; 3] = ["suspend", "resume", "reconcile"];
const REQUESTED_AT: &str = "adconversion.dev/reconcile-requested-at";
/// Prints a value as JSON. An empty table is a list, as for Argo CD.
const PRINT: &str = r#"
local function json(value)
  if type(value) == "string" then
    local quoted = string.gsub(value, '[%c"\\]', function(c) return string.format("\\u%04x", string.byte(c)) end)
    return '"' .. quoted .. '"'
  end
  if type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  if next(value) == nil or #value > 0 then
    for _, item in ipairs(value) do
      parts[#parts + 1] = json(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for name, item in pairs(value) do
    parts[#parts + 1] = json(name) .. ":" .. json(item)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end
"#;

/// A value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(items) => format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(",")),
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| format!("[{}]={}", json!(name), lua(member));
            format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// What a script of `deploy/argocd` returns for an object.
fn run(script: &str, object: &Value) -> Value {
    let directory = xtask::control_plane::new_directory().unwrap();
    let test = directory.join("test.lua");
    let script = path(&format!("argocd/{script}.lua"));
    let text = format!("obj = {}\n{PRINT}print(json(dofile({})))\n", lua(object), json!(script));
    fs::write(&test, text).unwrap();
    let mut command = GoTool::Lua.command();
    command.arg(&test);
    let output = process::run(command, None, LONG_CALL).unwrap().ok().unwrap();
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Status and message of an object's health.
fn health(object: &Value) -> (String, String) {
    let health = run("health", object);
    let text = |name: &str| health[name].as_str().unwrap().to_owned();
    (text("status"), text("message"))
}

/// What has to be merged into an object so that it becomes another. Lua does not tell an empty object from an empty
/// list, and Argo CD takes neither for a change.
fn changes(old: &Value, new: &Value) -> Option<Value> {
    if let (Value::Object(old), Value::Object(new)) = (old, new) {
        let mut changed = Map::new();
        for name in old.keys().chain(new.keys()) {
            let [before, after] = [old, new].map(|members| members.get(name).unwrap_or(&Value::Null));
            changed.extend(changes(before, after).map(|change| (name.clone(), change)));
        }
        return (!changed.is_empty()).then_some(Value::Object(changed));
    }
    if let (Value::Array(old), Value::Array(new)) = (old, new)
        && old.len() == new.len()
        && old.iter().zip(new).all(|(old, new)| changes(old, new).is_none())
    {
        return None;
    }
    let empty = |value: &Value| *value == json!([]) || *value == json!({});
    let number = |value: &Value| value.as_f64();
    let same = old == new || (empty(old) && empty(new)) || (number(old).is_some() && number(old) == number(new));
    (!same).then(|| new.clone())
}

/// What an action changes of an object.
fn changed_by(action: &str, object: &Value) -> Value {
    changes(object, &run(&format!("actions/{action}"), object)).unwrap_or_default()
}

/// The actions that people may choose for an object.
fn offered(object: &Value) -> Vec<&'static str> {
    let found = run("actions/discovery", object);
    assert_eq!(found.as_object().unwrap().len(), ACTIONS.len(), "{found}");
    let enabled = |action: &&str| found[*action]["disabled"] == false;
    ACTIONS.into_iter().filter(enabled).collect()
}

/// The patch of `argocd-cm`.
fn configuration() -> String {
    let script = |name: &str| read(&format!("argocd/{name}.lua"));
    let definitions: Vec<Value> = ACTIONS
        .iter()
        .map(|name| json!({"name": name, "action.lua": script(&format!("actions/{name}"))}))
        .collect();
    let actions = json!({"discovery.lua": script("actions/discovery"), "definitions": definitions});
    let actions = serde_yaml::to_string(&actions).unwrap();
    let mut data = Map::new();
    for kind in ["AdConversionEvent", "GoogleAdsAccount", "HubSpotAccount"] {
        for (about, text) in [("actions", &actions), ("health", &script("health"))] {
            let key = format!("resource.customizations.{about}.adconversion.dev_{kind}");
            data.insert(key, json!(text));
        }
    }
    format!(
        "# Health and actions of the three kinds for Argo CD, as a patch of its ConfigMap: docs/gitops.md.\n\
         # Written by UPDATE_DOCS=1 cargo test --test it gitops:: from health.lua and actions/.\n{}",
        serde_yaml::to_string(&json!({"data": data})).unwrap()
    )
}

/// `UPDATE_DOCS=1 cargo test --test it gitops::` writes it anew.
#[test]
fn the_patch_of_argocd_cm_has_the_scripts_for_each_kind() {
    let file: PathBuf = path("argocd/argocd-cm.yaml");
    let made = configuration();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &made).unwrap();
    }
    assert!(
        read("argocd/argocd-cm.yaml") == made,
        "deploy/argocd/argocd-cm.yaml is stale: run UPDATE_DOCS=1 cargo test --test it gitops::"
    );
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/gitops.md")).unwrap();
    let patch =
        "kubectl patch configmap argocd-cm --namespace argocd --type merge --patch-file deploy/argocd/argocd-cm.yaml\n";
    assert!(page.contains(patch));
    let (namespace, kubectl) = (namespace("argocd"), cluster().client());
    let create = [
        "create",
        "configmap",
        "argocd-cm",
        "--from-literal=theirs=kept",
        "--namespace",
        &namespace,
    ];
    kubectl.must(&create).unwrap();
    let file = file.display().to_string();
    let command = patch
        .trim()
        .replace("--namespace argocd", &format!("--namespace {namespace}"));
    let command = command.replace("deploy/argocd/argocd-cm.yaml", &file);
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    kubectl.must(&words).unwrap();
    let map = kubectl
        .json(&["get", "configmap", "argocd-cm", "--namespace", &namespace])
        .unwrap();
    assert_eq!(map["data"]["theirs"], "kept");
    let key = "resource.customizations.actions.adconversion.dev_HubSpotAccount";
    let actions: Value = serde_yaml::from_str(map["data"][key].as_str().unwrap()).unwrap();
    assert_eq!(actions["discovery.lua"], read("argocd/actions/discovery.lua"));
    assert_eq!(
        actions["definitions"][2]["action.lua"],
        read("argocd/actions/reconcile.lua")
    );
    let key = "resource.customizations.health.adconversion.dev_AdConversionEvent";
    assert_eq!(map["data"][key], read("argocd/health.lua"));
}

fn judged(conditions: &Value) -> Value {
    json!({"metadata": {"generation": 2}, "spec": {}, "status": {"observedGeneration": 2, "conditions": conditions}})
}

fn said(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": kind})
}

/// What an operator writes for a moment only, or never together.
#[rstest]
#[case::of_nobody(json!({"metadata": {"generation": 1}, "spec": {}}), "Progressing", "The operator")]
#[case::without_ready(judged(&json!([])), "Progressing", "The operator")]
#[case::unknown(judged(&json!([said("Ready", "Unknown", "X"), said("Reconciling", "True", "Progressing")])), "Progressing", "Ready")]
#[case::begun(judged(&json!([said("Ready", "False", "X"), said("Reconciling", "True", "Progressing")])), "Progressing", "Ready")]
#[case::retried(judged(&json!([said("Ready", "False", "X"), said("Reconciling", "True", "ProgressingWithRetry")])), "Degraded", "Ready")]
#[case::waits_for_another(judged(&json!([said("Ready", "False", "AccountNotFound")])), "Progressing", "Ready")]
#[case::stalled(judged(&json!([said("Ready", "True", "X"), said("Stalled", "True", "X")])), "Degraded", "Stalled")]
#[case::no_longer_stalled(judged(&json!([said("Ready", "True", "X"), said("Stalled", "False", "X")])), "Healthy", "Ready")]
fn health_follows_from_conditions(#[case] object: Value, #[case] status: &str, #[case] says: &str) {
    let (found, message) = health(&object);
    assert!(
        found == status && message.starts_with(says),
        "{object}: {found}, {message}"
    );
}

/// The object's health is this, with the message of this condition, or one that begins so.
fn shows(object: &Value, status: &str, says: &str) {
    let (found, message) = health(object);
    let wanted = condition(object, says)["message"].as_str().unwrap_or(says).to_owned();
    assert!(
        found == status && message.starts_with(&wanted),
        "{object:#}: {found}, {message}"
    );
}

/// Does what Argo CD does when somebody chooses an action, and returns what it changed.
fn act(stage: &Stage, action: &str, object: &str) -> Value {
    let before = stage.get(object);
    assert!(offered(&before).contains(&action), "{action} of {object}");
    let change = changed_by(action, &before);
    stage.patch(object, &change);
    change
}

/// Waits until the operator has come to the object as it is now.
fn seen(stage: &Stage, object: &str) -> Value {
    stage.wait(object, "the operator to have seen it", |found| {
        found["status"]["observedGeneration"] == found["metadata"]["generation"]
    })
}

#[test]
fn argo_cd_shows_what_the_operator_wrote() {
    let flags = [("failure-threshold", "2s"), ("backoff-max", "1s")];
    let stage = Stage::empty("argo-cd", &["--no-rate-limits"], &flags);
    stage.event("shown", "customer", &json!({}));
    shows(&stage.get("adce/shown"), "Progressing", "The operator has not looked");
    stage.start_with_accounts();
    stage.condition("adce/shown", "Ready", "True", "");
    for object in ["adce/shown", "gaa/acme", "hsa/acme"] {
        shows(&seen(&stage, object), "Healthy", "Ready");
    }
    stage.event("odd", "no-such-stage", &json!({}));
    stage.condition("adce/odd", "Stalled", "True", "StageNotFound");
    shows(&stage.get("adce/odd"), "Degraded", "Stalled");
    stage.patch("adce/odd", &json!({"spec": {"suspend": true}}));
    shows(&seen(&stage, "adce/odd"), "Degraded", "Stalled");

    stage.post(
        "/faults",
        &json!({"id": "down", "service": "hubspot", "count": 0, "action": {"status": 503}}),
    );
    let retried = stage.wait("hsa/acme", "a retry", |account| {
        condition(account, "Ready")["status"] == "False"
            && condition(account, "Reconciling")["reason"] == "ProgressingWithRetry"
    });
    shows(&retried, "Degraded", "Ready");

    stage.kubectl(&["delete", "gaa/acme", "--wait=false"]);
    stage.condition("gaa/acme", "DeletionBlocked", "True", "InUse");
    shows(&stage.get("gaa/acme"), "Degraded", "DeletionBlocked");
    stage.kill_operator();
    stage.patch("adce/shown", &json!({"spec": {"eventName": "Renamed"}}));
    shows(&stage.get("adce/shown"), "Progressing", "The operator has not looked");
    stage.kubectl(&["delete", "adce/shown", "--wait=false"]);
    shows(&stage.get("adce/shown"), "Progressing", "It is being deleted");
}

#[test]
fn argo_cd_suspends_resumes_and_reconciles() {
    let stage = Stage::start("argo-acts");
    stage.event("steered", "customer", &json!({}));
    stage.condition("adce/steered", "Ready", "True", "");
    for object in ["adce/steered", "gaa/acme", "hsa/acme"] {
        assert_eq!(offered(&stage.get(object)), ["suspend", "reconcile"], "{object}");
        assert_eq!(act(&stage, "suspend", object), json!({"spec": {"suspend": true}}));
        let suspended = seen(&stage, object);
        shows(&suspended, "Suspended", "spec.suspend is true.");
        assert_eq!(offered(&suspended), ["resume", "reconcile"], "{object}");
        assert_eq!(act(&stage, "resume", object), json!({"spec": {"suspend": false}}));
        stage.wait(object, "to be healthy again", |found| {
            found["status"]["observedGeneration"] == found["metadata"]["generation"]
                && condition(found, "Ready")["reason"] == "Succeeded"
        });
        let asked = act(&stage, "reconcile", object);
        let annotations = asked["metadata"]["annotations"].as_object().unwrap();
        let at = annotations[REQUESTED_AT].as_str().unwrap();
        assert_eq!(asked, json!({"metadata": {"annotations": {REQUESTED_AT: at}}}));
        let age = jiff::Timestamp::now().duration_since(at.parse().unwrap());
        assert!(age.as_secs().abs() < 60, "{at}");
        stage.wait(object, "the request to be handled", |found| {
            found["status"]["lastHandledReconcileAt"] == at
        });
    }
    stage.condition("adce/steered", "Ready", "True", "Succeeded");
    shows(&seen(&stage, "adce/steered"), "Healthy", "Ready");
}
