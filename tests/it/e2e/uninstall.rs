//! What is left after an uninstall can be deleted: `adconversion uninstall`.

use serde_json::{Value, json};
use xtask::process::Output;

use super::Stage;
use super::faults::plane;

const OURS: &str = "adconversion.dev/finalizer";
const OBJECTS: [&str; 3] = ["adce/left", "gaa/acme", "hsa/acme"];

fn finalizers(stage: &Stage, object: &str) -> Value {
    stage.get(object)["metadata"]["finalizers"].clone()
}

/// The command in the stage's namespace: what it printed, where it ended with this code.
fn uninstall(stage: &Stage, more: &[&str], code: i32) -> String {
    let arguments = [&["uninstall", "--namespace", &stage.namespace], more].concat();
    let Output {
        status, stdout, stderr, ..
    } = stage.command(&arguments);
    assert_eq!(status.code(), Some(code), "{stdout}\n{stderr}");
    stdout + &stderr
}

/// An event with its accounts, all held by our finalizer, the `HubSpotAccount` by another one too.
fn begin(stage: &Stage) {
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("left", "customer", &json!({}));
    stage.condition("adce/left", "Ready", "True", "");
    for object in OBJECTS {
        stage.wait(object, "our finalizer", |o| {
            o["metadata"]["finalizers"] == json!([OURS])
        });
    }
    stage.patch(
        "hsa/acme",
        &json!({"metadata": {"finalizers": [OURS, "example.com/keep"]}}),
    );
}

#[test]
fn a_namespace_that_nobody_looks_after_becomes_free() {
    let (plane, account) = plane();
    let stage = Stage::on(plane, &account, "faults".to_owned(), &[], &[]);
    begin(&stage);
    stage.kill_operator();
    stage.kubectl(&["delete", "namespace", &stage.namespace, "--wait=false"]);
    for object in OBJECTS {
        stage.wait(object, "a deletion", |o| !o["metadata"]["deletionTimestamp"].is_null());
    }
    let before = OBJECTS.map(|object| stage.get(object));
    let said = uninstall(&stage, &[], 1);
    for part in [
        "left",
        "AdConversionEvent",
        "GoogleAdsAccount",
        "HubSpotAccount",
        "Nothing was changed",
        "--yes",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(
        OBJECTS.map(|object| stage.get(object)),
        before,
        "a dry run changes nothing"
    );
    uninstall(&stage, &["--context", "no-such-context", "--yes"], 2);
    assert_eq!(OBJECTS.map(|object| stage.get(object)), before);

    let said = uninstall(&stage, &["--yes"], 0);
    assert!(said.contains("removed from 3 objects"), "{said}");
    assert_eq!(
        finalizers(&stage, "hsa/acme"),
        json!(["example.com/keep"]),
        "that of another stays"
    );
    stage.patch("hsa/acme", &json!({"metadata": {"finalizers": null}}));
    stage.kubectl(&[
        "wait",
        "--for=delete",
        &format!("namespace/{}", stage.namespace),
        "--timeout=50s",
    ]);
    let said = uninstall(&stage, &[], 0);
    assert!(said.contains("Nothing to do"), "{said}");
}

#[test]
fn a_definition_that_nobody_looks_after_becomes_free() {
    let (plane, account) = plane();
    let stage = Stage::on(plane, &account, "faults".to_owned(), &[], &[]);
    stage.apply(include_str!("accounts.yaml"));
    stage.patch("gaa/acme", &json!({"metadata": {"finalizers": [OURS]}}));
    let definition = "crd/googleadsaccounts.adconversion.dev";
    stage.kubectl(&["delete", definition, "--wait=false"]);
    stage.wait("gaa/acme", "a deletion", |o| {
        !o["metadata"]["deletionTimestamp"].is_null()
    });
    let freed = stage.command(&["uninstall", "--all-namespaces", "--yes"]);
    assert_eq!(freed.status.code(), Some(0), "{}", freed.stderr);
    stage.kubectl(&["wait", "--for=delete", definition, "--timeout=50s"]);
    // Without the definition there is nothing to look at.
    let again = stage.command(&["uninstall", "--all-namespaces"]);
    assert_eq!(again.status.code(), Some(0), "{}", again.stderr);
}

#[test]
fn an_operator_that_still_runs_is_noticed() {
    let (plane, account) = plane();
    let stage = Stage::on(plane, &account, "faults".to_owned(), &[], &[]);
    begin(&stage);
    // In a pod: it is seen before anything is changed.
    let pod = |namespace: &str| {
        let labels = json!({"app.kubernetes.io/part-of": "adconversion", "app.kubernetes.io/component": "operator"});
        let watched = format!("--watch-namespaces={namespace}");
        let container = json!({"name": "operator", "image": "none", "args": ["run", watched]});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("for-{namespace}"), "labels": labels},
            "spec": {"containers": [container]}})
    };
    stage.apply(&pod("elsewhere").to_string());
    stage.apply(&pod(&stage.namespace).to_string());
    let name = format!("for-{}", stage.namespace);
    let said = uninstall(&stage, &["--yes"], 1);
    assert!(said.contains(&name) && said.contains("Nothing was changed"), "{said}");
    assert_eq!(finalizers(&stage, "adce/left"), json!([OURS]));
    stage.kubectl(&["delete", "pod", &name, "--grace-period=0", "--force"]);

    // Elsewhere: it puts its finalizer back.
    let said = uninstall(&stage, &["--yes"], 1);
    assert!(said.contains("is back on") && said.contains("still runs"), "{said}");
    stage.kill_operator();
    uninstall(&stage, &["--yes"], 0);
    assert_eq!(finalizers(&stage, "adce/left"), Value::Null);
    assert_eq!(finalizers(&stage, "hsa/acme"), json!(["example.com/keep"]));
}
