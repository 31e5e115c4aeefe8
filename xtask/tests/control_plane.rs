//! A control plane is really started, used, restarted and killed.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use xtask::control_plane::{ControlPlane, Options};
use xtask::kubectl::Kubectl;
use xtask::{process, tools};

const XTASK: &str = env!("CARGO_BIN_EXE_xtask");

fn start() -> ControlPlane {
    ControlPlane::start(&Options {
        supervisor: Some(PathBuf::from(XTASK)),
        ..Options::default()
    })
    .unwrap()
}

/// Parent and state letter of a process, out of `/proc/<pid>/stat`.
fn stat(pid: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold spaces.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?.chars().next()?;
    Some((words.next()?.parse().ok()?, state))
}

/// A process that ended and that nobody has waited for yet does not run.
fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(_, state)| state != 'Z')
}

/// Process ids whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|(of, _)| of == parent))
        .collect()
}

/// The condition must hold within the limit.
fn eventually(limit: Duration, what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn serves_enforces_rbac_restarts_and_leaves_nothing() {
    let plane = start();
    let directory = plane.directory().to_owned();
    let version = plane.client().json(&["version"]).unwrap();
    let version = version.pointer("/serverVersion/gitVersion").unwrap();
    if std::env::var_os("KUBEBUILDER_ASSETS").is_none() {
        assert_eq!(version, tools::kubernetes_version());
    }

    permissions_are_those_of_the_service_account(&plane);

    let before = plane.pid("kube-apiserver").unwrap().unwrap();
    plane.restart_apiserver().unwrap();
    let after = plane.pid("kube-apiserver").unwrap().unwrap();
    assert_ne!(before, after);
    assert!(!is_running(before));
    let kept = plane.kubectl(&["get", "namespace", "shop"]).unwrap();
    assert!(kept.success(), "{}", kept.stderr);

    owned_objects_are_collected(&plane);

    let pids: Vec<u32> = ["etcd", "kube-apiserver", "kube-controller-manager"]
        .iter()
        .map(|name| plane.pid(name).unwrap().unwrap())
        .collect();
    plane.stop().unwrap();
    assert!(pids.iter().all(|pid| !is_running(*pid)));
    assert!(!directory.exists());
}

fn permissions_are_those_of_the_service_account(plane: &ControlPlane) {
    let client = plane.client();
    client.must(&["create", "namespace", "shop"]).unwrap();
    client
        .apply(
            r#"
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: shop}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: shop}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: shop}]
"#,
        )
        .unwrap();
    let file = plane.service_account_kubeconfig("shop", "reader").unwrap();
    let cache = plane.directory().join("reader-cache");
    let reader = Kubectl::for_kubeconfig(tools::kubectl().unwrap(), file, cache);
    let name = reader.must(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]);
    assert_eq!(name.unwrap(), "system:serviceaccount:shop:reader");
    reader.must(&["get", "configmaps", "--namespace", "shop"]).unwrap();
    let refused = reader.run(&["get", "secrets", "--namespace", "shop"]).unwrap();
    assert!(!refused.success());
    assert!(refused.stderr.contains("Forbidden"), "{}", refused.stderr);
}

fn owned_objects_are_collected(plane: &ControlPlane) {
    let client = plane.client();
    let create = ["create", "configmap", "owner", "--namespace", "shop"];
    client.must(&create).unwrap();
    let owner = client
        .json(&["get", "configmap", "owner", "--namespace", "shop"])
        .unwrap();
    let uid = owner.pointer("/metadata/uid").unwrap().as_str().unwrap();
    client
        .apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: owned\n  namespace: shop\n  \
             ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]\n"
        ))
        .unwrap();
    client
        .must(&["delete", "configmap", "owner", "--namespace", "shop"])
        .unwrap();
    eventually(Duration::from_mins(1), "garbage collection", || {
        let get = ["get", "configmap", "owned", "--namespace", "shop"];
        let output = client.run(&get).unwrap();
        !output.success() && output.stderr.contains("NotFound")
    });
}

#[test]
fn ends_with_a_killed_parent() {
    tools::ensure(&tools::Tool::ALL[..4]).unwrap();
    let mut parent = Command::new(XTASK)
        .arg("control-plane")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = BufReader::new(parent.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .take(5)
        .collect();
    let kubeconfig = lines[1].split_once("KUBECONFIG=").unwrap().1;
    let directory = Path::new(kubeconfig).parent().unwrap().to_owned();
    let supervisor = children(parent.id());
    assert_eq!(supervisor.len(), 1, "{lines:?}");
    let processes = children(supervisor[0]);
    assert_eq!(processes.len(), 3, "etcd, API server, controller manager");

    process::signal("KILL", parent.id(), false).unwrap();
    parent.wait().unwrap();
    eventually(Duration::from_secs(5), "end of all processes", || {
        supervisor.iter().chain(&processes).all(|pid| !is_running(*pid))
    });
    assert!(!directory.exists());
}
