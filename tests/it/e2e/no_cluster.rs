//! Commands that look at files: without any cluster they go on, and one
//! that is set up and does not answer is no cluster that was asked.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use xtask::process::{self, Output};

use super::Stage;
use super::judge::crowd;
use super::stage::binary;

const LIMIT: Duration = Duration::from_mins(2);
const ACCOUNTS: &str = include_str!("accounts.yaml");
const EVENT: &str = "
---
apiVersion: adconversion.dev/v1alpha1
kind: AdConversionEvent
metadata: {name: won}
spec:
  eventName: HubSpot - Customer
  googleAdsAccountRef: {name: acme}
  hubSpotAccountRef: {name: acme}
  trigger: {lifecycleStage: {stage: customer}}
";

/// A command that finds the cluster by itself: in `$KUBECONFIG`, if there is a value, and below this home.
fn run(stage: &Stage, arguments: &[&str], kubeconfig: Option<&str>, home: &str) -> Output {
    let mut command = Command::new(binary("ADCONVERSION_BIN", "adconversion"));
    command
        .args(arguments)
        .args(["--namespace", "marketing"])
        .args(stage.endpoints())
        .env("HOME", home)
        .env_remove("KUBECONFIG");
    command.envs(kubeconfig.map(|file| ("KUBECONFIG", file)));
    process::run(command, None, LIMIT).expect("the command ends")
}

/// A kubeconfig whose current context, of this name, leads to a port on which nobody listens.
fn kubeconfig(current: &str) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": current,
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}], "users": [{"name": "x", "user": {}}],
    });
    config.to_string()
}

#[test]
fn only_where_none_is_set_up_files_are_looked_at_alone() {
    let stage = Stage::empty("no-cluster", &[], &[]);
    crowd(&stage, 3);
    let action = json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "HubSpot - Customer", "category": "CONVERTED_LEAD"});
    stage.post("/google/actions", &action);
    let accounts = stage.file("accounts.yaml", ACCOUNTS);
    let file = stage.file("manifests.yaml", &format!("{ACCOUNTS}{EVENT}"));
    let [dead, unset, odd] = [
        ("dead", kubeconfig("x")),
        ("unset", kubeconfig("")),
        ("odd", kubeconfig("gone")),
    ]
    .map(|(name, text)| stage.file(name, &text));
    let home = stage.file("home", "");
    fs::remove_file(&home).expect("no file");
    fs::create_dir_all(format!("{home}/.kube")).expect("a directory");
    fs::copy(&dead, format!("{home}/.kube/config")).expect("a kubeconfig");
    let commands = [
        vec!["check", "-f", &file],
        vec!["plan", "-f", &file],
        vec!["import", "--google-ads-account", "acme", "-f", &accounts],
    ];
    for arguments in commands {
        let said = |kubeconfig: Option<&str>, home: &str, code: i32| {
            let done = run(&stage, &arguments, kubeconfig, home);
            let said = format!("{}{}", done.stdout, done.stderr);
            assert_eq!(done.status.code(), Some(code), "{arguments:?}, {kubeconfig:?}: {said}");
            said
        };
        for none in [None, Some("/dev/null"), Some(unset.as_str())] {
            let said = said(none, "/nowhere", 0);
            assert!(!said.contains("no usable answer"), "{arguments:?}: {said}");
        }
        // What the files tell is told all the same.
        for (kubeconfig, home) in [(Some(dead.as_str()), "/nowhere"), (None, home.as_str())] {
            let said = said(kubeconfig, home, 2);
            assert!(
                said.contains("The cluster gives no usable answer: connection refused.")
                    && said.contains("HubSpot - Customer"),
                "{arguments:?}: {said}"
            );
        }
        for unusable in [odd.as_str(), "/nowhere/kubeconfig"] {
            let said = said(Some(unusable), "/nowhere", 2);
            assert!(
                said.starts_with("error: no cluster can be asked: the kubeconfig ")
                    && said.ends_with("To look at the files alone, set KUBECONFIG=/dev/null\n"),
                "{arguments:?}: {said}"
            );
        }
    }
}
