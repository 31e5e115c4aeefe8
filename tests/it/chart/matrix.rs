//! The chart over a matrix of values: what strangers' checkers and the API server say of it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};
use xtask::{go_tools::GoTool, kubectl::Kubectl, process};

use super::{LIMIT, helm, schemas};
use crate::support::cluster::{LONG_CALL, cluster, namespace};

/// Sets of values, each with a name, for a release in the namespace `system`. Together they render every template.
pub fn matrix() -> [(&'static str, Value); 7] {
    let database = json!({"postgresql": {"urlSecretRef": {"name": "ledger"}}});
    [
        ("default", json!({})),
        (
            "named namespaces",
            json!({"watchNamespaces": ["system"], "networkPolicy": {"enabled": true}, "commonLabels": {"team": "ads"},
                "serviceMonitor": {"enabled": true, "interval": "30s"}}),
        ),
        (
            "replicas",
            json!({"replicas": 2, "leaderElection": {"enabled": true}, "ledger": database,
                "networkPolicy": {"enabled": true, "ingress": {"from": [{"namespaceSelector": {}}]},
                    "egress": {"apiServerCIDRs": ["10.0.0.1/32"]}},
                "caBundle": {"secret": "ca"}, "podMonitor": {"enabled": true}, "prometheusRule": {"enabled": true}}),
        ),
        ("everything", everything()),
        (
            "sandbox",
            json!({"sandbox": {"enabled": true, "namespace": "system"}, "networkPolicy": {"enabled": true}, "persistence": {"enabled": false},
                "affinity": {"nodeAffinity": {}}, "podLabels": {"team": "ads"}, "hostUsers": false}),
        ),
        (
            "OpenShift",
            json!({"openshift": "enabled", "sandbox": {"enabled": true, "namespace": ""}, "watchNamespaces": ["system"]}),
        ),
        (
            "lean",
            json!({"crds": {"enabled": false}, "rbac": {"create": false, "aggregate": false}, "tests": {"enabled": false},
                "admissionPolicy": {"enabled": false}, "serviceAccount": {"create": false, "name": "ads"}, "hostUsers": false}),
        ),
    ]
}

fn everything() -> Value {
    let tokens = json!({"name": "tokens", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "audience": "google", "expirationSeconds": 3600}}]}});
    let restricted = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let other = |name: &str| json!({"name": name, "image": "registry.example/x:1", "securityContext": restricted});
    json!({
        "global": {"imageRegistry": "registry.example", "imagePullSecrets": [{"name": "pull"}]},
        "crds": {"annotations": {"argocd.argoproj.io/sync-options": "Prune=false"}},
        "ambientCredentialsNamespaces": ["marketing"],
        "config": {"externalAccountTokenDir": "/var/run/tokens", "adminListen": ""},
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "extraVolumes": [tokens],
        "extraVolumeMounts": [{"name": "tokens", "mountPath": "/var/run/tokens", "readOnly": true}],
        "extraInitContainers": [other("before")],
        "extraContainers": [other("beside")],
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more", "namespace": "system"}},
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text\n  namespace: system\n",
        ],
        "proxy": {"httpsProxy": "http://proxy:3128", "noProxy": ".svc"},
        "caBundle": {"configMap": "ca"},
        "strategy": {"type": "Recreate"},
        "livenessProbe": {"initialDelaySeconds": 5},
        "networkPolicy": {"enabled": true, "egress": {"extra": [{"ports": [{"port": 3128, "protocol": "TCP"}]}]}},
        "serviceMonitor": {"enabled": true, "labels": {"release": "prometheus"}, "scrapeTimeout": "10s",
            "relabelings": [{"action": "labeldrop", "regex": "x"}], "metricRelabelings": [{"action": "labeldrop", "regex": "y"}]},
        "prometheusRule": {"enabled": true, "alertLabels": {"team": "ads"}, "disabled": ["AdConversionThrottled"],
            "extraRules": [{"record": "x", "expr": "sum(adconversion_leader)"}]},
        "dashboard": {"enabled": true, "annotations": {"grafana_folder": "Marketing"}},
        "deploymentAnnotations": {"reloader.stakater.com/auto": "true"},
        "podAnnotations": {"note": "1"},
        "podLabels": {"team": "ads"},
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "ads", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "schedulerName": "other",
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.10"], "options": [{"name": "ndots", "value": "2"}]},
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["database"]}],
        "service": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"], "labels": {"a": "b"}, "annotations": {"a": "b"}},
    })
}

/// What the chart renders, as one text.
fn text(values: &Value, namespace: &str) -> String {
    let rendered = helm(&["template", "adconversion-operator"], values).ok().unwrap();
    let by_name = rendered.replace("namespace: \"system\"", &format!("namespace: {namespace}"));
    by_name.replace("namespace: system", &format!("namespace: {namespace}"))
}

#[test]
fn lint_finds_nothing() {
    for (name, values) in matrix() {
        let output = helm(&["lint", "--strict"], &values);
        assert!(output.success(), "{name}\n{}\n{}", output.stdout, output.stderr);
        assert!(output.stdout.contains("1 chart(s) linted, 0 chart(s) failed"));
        assert!(!output.stdout.contains("[WARNING]"), "{}", output.stdout);
    }
}

/// A file with the chart's objects, for a checker that reads files.
fn written(directory: &std::path::Path, name: &str, values: &Value) -> PathBuf {
    let path = directory.join(format!("{}.yaml", name.replace(' ', "-")));
    fs::write(&path, text(values, "system")).unwrap();
    path
}

#[test]
fn every_object_fits_the_schemas_of_the_api_server() {
    let directory = xtask::control_plane::new_directory().unwrap();
    schemas::write(cluster().client(), &directory.join("schemas"));
    let schemas = format!(
        "{}/schemas/{{{{.Group}}}}-{{{{.ResourceKind}}}}-{{{{.ResourceAPIVersion}}}}.json",
        directory.display()
    );
    let check = |files: &[PathBuf]| {
        let mut command = GoTool::Kubeconform.command();
        command
            .args(["-strict", "-summary", "-schema-location", &schemas])
            .args(files);
        process::run(command, None, LIMIT).unwrap()
    };
    let files: Vec<PathBuf> = matrix()
        .iter()
        .map(|(name, values)| written(&directory, name, values))
        .collect();
    let output = check(&files);
    assert!(output.success(), "{}{}", output.stdout, output.stderr);
    assert!(
        output.stdout.contains("Invalid: 0, Errors: 0, Skipped: 0"),
        "{}",
        output.stdout
    );
    // What it would say of a mistake.
    let wrong = text(&json!({}), "system").replacen("readOnlyRootFilesystem", "readOnlyRootFS", 1);
    let path = directory.join("wrong.yaml");
    fs::write(&path, wrong).unwrap();
    let output = check(&[path]);
    assert!(
        !output.success() && output.stdout.contains("readOnlyRootFS"),
        "{}",
        output.stdout
    );
}

/// Advice of kube-score that is not taken.
const NOT_TAKEN: [&str; 5] = [
    // No limit of the processor: it would only slow down a start.
    "--ignore-container-cpu-limit",
    // A release's tag is not moved; "Always" would need the registry at each start.
    "--ignore-test=container-image-pull-policy",
    // /tmp is empty unless SQLite needs it, and then it must not be stopped.
    "--ignore-test=container-ephemeral-storage-request-and-limit",
    // One replica needs none: it would block every drain.
    "--ignore-test=deployment-has-poddisruptionbudget",
    // Spread over nodes by topologySpreadConstraints.
    "--ignore-test=deployment-has-host-podantiaffinity",
];

#[test]
fn a_stranger_finds_nothing_critical() {
    let directory = xtask::control_plane::new_directory().unwrap();
    for (name, values) in matrix() {
        // What a user adds is the user's.
        let mut values = values;
        for added in ["extraInitContainers", "extraContainers"] {
            values.as_object_mut().unwrap().remove(added);
        }
        values["networkPolicy"]["enabled"] = json!(true);
        let mut command = GoTool::KubeScore.command();
        command.args(["score", "--output-format", "json"]);
        command.args(NOT_TAKEN);
        if name == "OpenShift" {
            // It gives out the ids itself.
            command.arg("--ignore-test=container-security-context-user-group-id");
        }
        command.arg(written(&directory, name, &values));
        let output = process::run(command, None, LIMIT).unwrap();
        let found: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.stderr));
        let mut critical = Vec::new();
        for object in found.as_array().unwrap() {
            for check in object["checks"].as_array().unwrap() {
                // 1: critical, 5: warning, 10: fine.
                if check["grade"].as_u64().unwrap() <= 1 && check["skipped"] != true {
                    critical.push(format!(
                        "{} {}: {}",
                        object["object_name"], check["check"]["id"], check["comments"]
                    ));
                }
            }
        }
        assert!(!found.as_array().unwrap().is_empty(), "{name}");
        assert!(critical.is_empty(), "{name}: {critical:#?}");
    }
}

/// Applies the manifests to see what the API server says, and keeps nothing. Its warnings count.
fn dry_run(kubectl: &Kubectl, manifests: &str) -> Result<(), String> {
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--filename",
        "-",
    ];
    let output = kubectl.run_with(&apply, Some(manifests), LONG_CALL).unwrap();
    if output.success() && output.stderr.is_empty() {
        return Ok(());
    }
    Err(output.stderr)
}

#[test]
fn the_api_server_takes_everything_in_a_restricted_namespace() {
    let kubectl = cluster().client();
    schemas::install_monitoring(kubectl);
    let restricted = namespace("matrix");
    for mode in ["enforce", "warn"] {
        let label = format!("pod-security.kubernetes.io/{mode}=restricted");
        kubectl.must(&["label", "namespace", &restricted, &label]).unwrap();
    }
    // A pod, even one that is not kept, needs the service account that a controller makes.
    let made = [
        "wait",
        "--for=create",
        "serviceaccount/default",
        "--timeout=30s",
        "--namespace",
        &restricted,
    ];
    kubectl.must(&made).unwrap();
    for (name, values) in matrix() {
        let mut values = values;
        // The definitions belong to all tests of this cluster.
        values["crds"]["enabled"] = json!(false);
        let rendered = text(&values, &restricted).replace("- system", &format!("- {restricted}"));
        dry_run(kubectl, &rendered).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    // The warning that none of them has.
    let loose = json!({"securityContext": {"allowPrivilegeEscalation": true}, "crds": {"enabled": false}});
    let warning = dry_run(kubectl, &text(&loose, &restricted)).unwrap_err();
    assert!(warning.contains("would violate PodSecurity"), "{warning}");
}

#[test]
fn the_matrix_renders_every_template() {
    let mut rendered = BTreeSet::new();
    for (_, values) in matrix() {
        let output = helm(&["template", "adconversion-operator"], &values).ok().unwrap();
        for line in output.lines().filter_map(|line| line.strip_prefix("# Source: ")) {
            rendered.insert(line.to_owned());
        }
    }
    let root = super::chart().join("templates");
    for directory in [root.clone(), root.join("tests")] {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(super::chart()).unwrap().display().to_string();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                let source = format!("adconversion-operator/{name}");
                assert!(
                    rendered.contains(&source),
                    "{name} is rendered by no values of the matrix"
                );
            }
        }
    }
}
