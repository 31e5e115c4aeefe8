//! What the chart renders.

use std::{fs, path::PathBuf};

use adconversion_operator::api;
use serde_json::{Value, json};

use super::{arguments, chart, container, helm, names, of_kind, read, render, the};

#[test]
fn versions_are_those_of_the_program() {
    let about: Value = serde_yaml::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    let image = container(&render(&json!({})))["image"].clone();
    assert_eq!(image, format!("adconversion-operator:{}", env!("CARGO_PKG_VERSION")));
    let listed: Value = serde_yaml::from_str(about["annotations"]["artifacthub.io/images"].as_str().unwrap()).unwrap();
    assert_eq!(listed[0]["image"], image);
    let digest = format!("sha256:{}", "0a".repeat(32));
    let objects = render(&json!({"image": {"repository": "registry.example/adconversion", "digest": digest}}));
    assert_eq!(
        container(&objects)["image"],
        format!("registry.example/adconversion@{digest}")
    );
}

#[test]
fn old_servers_are_refused() {
    let arguments = ["template", "adconversion-operator", "--kube-version"];
    let with = |version| helm(&[&arguments[..], &[version]].concat(), &json!({}));
    assert!(with("1.31.0").success());
    let output = with("1.30.14");
    assert!(
        !output.success() && output.stderr.contains("kubeVersion"),
        "{}",
        output.stderr
    );
}

#[test]
fn by_default_it_works_in_all_namespaces_and_keeps_its_ledger() {
    let objects = render(&json!({}));
    let mut kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    let expected = [
        "ClusterRole",
        "ClusterRole",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "CustomResourceDefinition",
        "CustomResourceDefinition",
        "Deployment",
        "PersistentVolumeClaim",
        // For `helm test`.
        "Pod",
        "Service",
        "ServiceAccount",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    assert_eq!(kinds, expected);
    let without = render(&json!({"admissionPolicy": {"enabled": false}}));
    assert_eq!(without.len(), objects.len() - 2);
    assert!(of_kind(&without, "ValidatingAdmissionPolicy").is_empty());
    assert_eq!(
        arguments(&objects),
        [
            "run",
            "--listen=[::]:8080",
            "--ledger-url=sqlite:///var/lib/adconversion/ledger.db"
        ]
    );
    let deployment = &the(&objects, "Deployment")["spec"];
    assert_eq!(deployment["replicas"], 1);
    assert_eq!(deployment["strategy"], json!({"type": "Recreate"}));
    let claim = the(&objects, "PersistentVolumeClaim");
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    let volume = &deployment["template"]["spec"]["volumes"][0];
    assert_eq!(volume["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    assert_eq!(
        container(&objects)["volumeMounts"][0],
        json!({"name": volume["name"], "mountPath": "/var/lib/adconversion"})
    );
}

#[test]
fn probes_and_service_lead_to_the_listening_port() {
    let objects = render(&json!({}));
    let container = container(&objects);
    let port = &container["ports"][0];
    assert_eq!(port["containerPort"], 8080);
    let probes = [
        ("startupProbe", "/livez"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ];
    for (probe, path) in probes {
        let expected = json!({"path": path, "port": port["name"]});
        assert_eq!(container[probe]["httpGet"], expected, "{probe}");
    }
    let service = &the(&objects, "Service")["spec"];
    assert_eq!(service["ports"][0]["targetPort"], port["name"]);
    assert_eq!(service["ipFamilyPolicy"], "PreferDualStack");
    let labels = &the(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"];
    for (name, value) in service["selector"].as_object().unwrap() {
        assert_eq!(&labels[name], value, "{name}");
    }
}

#[test]
fn with_named_namespaces_nothing_is_cluster_wide_but_the_users_roles() {
    let objects = render(&json!({"watchNamespaces": ["marketing", "sales", "marketing"]}));
    assert!(arguments(&objects).contains(&"--watch-namespaces=marketing,sales"));
    assert!(of_kind(&objects, "ClusterRoleBinding").is_empty());
    assert_eq!(
        names(&of_kind(&objects, "ClusterRole")),
        ["adconversion-operator.system.view", "adconversion-operator.system.edit"]
    );
    for kind in ["Role", "RoleBinding"] {
        let namespaces: Vec<&Value> = of_kind(&objects, kind)
            .iter()
            .map(|object| &object["metadata"]["namespace"])
            .collect();
        assert_eq!(namespaces, ["marketing", "sales"], "{kind}");
    }
    let everywhere = render(&json!({}));
    let cluster_role = of_kind(&everywhere, "ClusterRole")
        .into_iter()
        .find(|role| role["metadata"]["name"] == "adconversion-operator.system")
        .unwrap();
    for role in of_kind(&objects, "Role") {
        assert_eq!(role["rules"], cluster_role["rules"]);
    }
}

#[test]
fn the_ledger_goes_where_the_values_say() {
    let volume = |values: Value| {
        let objects = render(&values);
        let volume = the(&objects, "Deployment")["spec"]["template"]["spec"]["volumes"][0].clone();
        let claim = of_kind(&objects, "PersistentVolumeClaim").first().copied().cloned();
        (volume, claim)
    };
    let (off, none) = volume(json!({"persistence": {"enabled": false}}));
    assert_eq!(off, json!({"name": "ledger", "emptyDir": {}}));
    assert!(none.is_none());
    let (mine, none) = volume(json!({"persistence": {"existingClaim": "mine"}}));
    assert_eq!(mine["persistentVolumeClaim"]["claimName"], "mine");
    assert!(none.is_none());
    let (_, claim) = volume(
        json!({"persistence": {"size": "5Gi", "storageClass": "fast", "keep": false, "annotations": {"a": "b"}}}),
    );
    let claim = claim.unwrap();
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "5Gi");
    assert_eq!(claim["spec"]["storageClassName"], "fast");
    assert_eq!(claim["metadata"]["annotations"], json!({"a": "b"}));
}

#[test]
fn additions_reach_the_pod_and_replace_nothing_of_ours() {
    let objects = render(&json!({
        "config": {"logFormat": "json"},
        "extraArgs": ["--overlap=2h"],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "podLabels": {"team": "ads", "app.kubernetes.io/name": "other"},
        "podAnnotations": {"note": "1"},
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "ads", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "serviceAccount": {"name": "ads", "annotations": {"iam.gke.io/gcp-service-account": "a@b.example"}},
    }));
    assert_eq!(&arguments(&objects)[3..], ["--log-format=json", "--overlap=2h"]);
    assert_eq!(container(&objects)["env"][0]["name"], "HTTPS_PROXY");
    let deployment = &the(&objects, "Deployment")["spec"];
    let template = &deployment["template"];
    assert_eq!(template["metadata"]["labels"]["team"], "ads");
    assert_eq!(
        template["metadata"]["labels"]["app.kubernetes.io/name"],
        deployment["selector"]["matchLabels"]["app.kubernetes.io/name"]
    );
    let annotations = json!({"kubectl.kubernetes.io/default-container": "operator", "note": "1"});
    assert_eq!(template["metadata"]["annotations"], annotations);
    let pod = &template["spec"];
    assert_eq!(pod["imagePullSecrets"][0]["name"], "pull");
    assert_eq!(pod["nodeSelector"]["disk"], "ssd");
    assert_eq!(pod["tolerations"][0]["key"], "ads");
    assert_eq!(pod["affinity"], json!({"nodeAffinity": {}}));
    assert_eq!(pod["priorityClassName"], "high");
    let account = the(&objects, "ServiceAccount");
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
    assert_eq!(
        the(&objects, "ClusterRoleBinding")["subjects"][0],
        json!({"kind": "ServiceAccount", "name": "ads", "namespace": "system"})
    );
    assert_eq!(
        account["metadata"]["annotations"]["iam.gke.io/gcp-service-account"],
        "a@b.example"
    );
}

#[test]
fn names_fit_whatever_the_release_is_called() {
    let long = "r".repeat(53);
    let output = helm(
        &["template", &long, "--show-only", "templates/service.yaml"],
        &json!({}),
    );
    let service: Value = serde_yaml::from_str(&output.ok().unwrap()).unwrap();
    let name = service["metadata"]["name"].as_str().unwrap();
    assert!(name.len() <= 63 && name.ends_with("-metrics"), "{name}");
}

/// `UPDATE_CRDS=1 cargo test --test it crds` writes the copies again.
#[test]
fn crds_in_the_chart_are_fresh() {
    let directory = chart().join("files/crds");
    let original = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("crds");
    let update = std::env::var_os("UPDATE_CRDS").is_some();
    let generated = api::crd_files().unwrap();
    let mut expected = Vec::new();
    for (name, yaml) in generated {
        // While originals are written again, by another test, they cannot be read.
        let text = if update {
            yaml
        } else {
            fs::read_to_string(original.join(&name)).unwrap()
        };
        if update {
            fs::write(directory.join(&name), &text).unwrap();
        }
        let copy = fs::read_to_string(directory.join(&name)).unwrap();
        assert!(
            copy == text,
            "the chart's copy of crds/{name} is stale: run UPDATE_CRDS=1 cargo test --test it crds"
        );
        expected.push(name);
    }
    let mut present: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    present.sort();
    expected.sort();
    assert_eq!(present, expected, "files in {}", directory.display());
}

/// The same with every number as a float: Helm writes `90.0` as `90`.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| (name.clone(), plain(member)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn rendered_definitions_are_the_generated_ones() {
    let generated: Vec<Value> = api::crd_files()
        .unwrap()
        .iter()
        .map(|(_, yaml)| serde_yaml::from_str(yaml).unwrap())
        .collect();
    for (keep, policy) in [(true, json!("keep")), (false, Value::Null)] {
        let objects = render(&json!({"crds": {"keep": keep}}));
        let rendered = of_kind(&objects, "CustomResourceDefinition");
        assert_eq!(rendered.len(), generated.len());
        for crd in rendered {
            assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], policy);
            let name = &crd["metadata"]["name"];
            let same = generated
                .iter()
                .find(|other| other["metadata"]["name"] == *name)
                .unwrap();
            assert!(
                plain(&crd["spec"]) == plain(&same["spec"]),
                "{name} is rendered differently"
            );
        }
    }
    assert!(
        of_kind(
            &render(&json!({"crds": {"enabled": false}})),
            "CustomResourceDefinition"
        )
        .is_empty()
    );
}

/// Members that hold the name of something, and labels that do.
const NAMES: [&str; 9] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/name",
    "claimName",
    "key",
    "name",
    "namespace",
    "priorityClassName",
    "schedulerName",
    "serviceAccountName",
];

/// The members of an object that hold names in another form than text.
fn unquoted_names(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                if NAMES.contains(&member.as_str()) && (value.is_number() || value.is_boolean() || value.is_null()) {
                    found.push(format!("{member}: {value}"));
                }
                unquoted_names(value, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                unquoted_names(item, found);
            }
        }
        _ => {}
    }
}

#[test]
fn names_that_look_like_numbers_stay_text() {
    let objects = render(&json!({
        "namespaceOverride": "456", "nameOverride": "789", "watchNamespaces": ["123"],
        "serviceAccount": {"name": "123"}, "persistence": {"existingClaim": "5"}, "caBundle": {"configMap": "true"},
        "priorityClassName": "1", "schedulerName": "1"}));
    let mut found = Vec::new();
    for object in &objects {
        unquoted_names(object, &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
    let database = json!({"ledger": {"postgresql": {"urlSecretRef": {"name": "1", "key": "2"}}}});
    let reference = container(&render(&database))["env"].clone();
    let reads = |variable: &Value| variable["valueFrom"]["secretKeyRef"] == json!({"name": "1", "key": "2"});
    assert!(
        reference.as_array().is_some_and(|all| all.iter().any(reads)),
        "{reference}"
    );
}
