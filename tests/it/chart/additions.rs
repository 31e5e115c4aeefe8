//! What users add to the pod, replace of it or take away.

use rstest::rstest;
use serde_json::{Value, json};

use super::{container, helm, of_kind, parse, render, the};

fn pod(objects: &[Value]) -> &Value {
    &the(objects, "Deployment")["spec"]["template"]["spec"]
}

#[test]
fn openshift_gives_out_the_ids_itself() {
    let ids = ["runAsUser", "runAsGroup", "fsGroup"];
    let contexts = |arguments: &[&str], values: &Value| -> Vec<Value> {
        let text = helm(&[&["template", "x"], arguments].concat(), values).ok().unwrap();
        let objects = parse(&text);
        let pod = |object: Value| match object["kind"].as_str() {
            Some("Deployment") => Some(object["spec"]["template"]["spec"]["securityContext"].clone()),
            Some("Pod") => Some(object["spec"]["securityContext"].clone()),
            _ => None,
        };
        objects.into_iter().filter_map(pod).collect()
    };
    let openshift = ["--api-versions", "security.openshift.io/v1"];
    let sandbox = |openshift: &str| json!({"openshift": openshift, "sandbox": {"enabled": true}});
    for (arguments, mode, without) in [
        (&openshift[..], "auto", true),
        (&[], "auto", false),
        (&[], "enabled", true),
        (&openshift, "disabled", false),
    ] {
        let contexts = contexts(arguments, &sandbox(mode));
        assert_eq!(contexts.len(), 3, "operator, sandbox and test");
        for context in contexts {
            assert_eq!(context["runAsNonRoot"], true);
            for id in ids {
                assert_eq!(context.get(id).is_none(), without, "{mode}: {context}");
            }
        }
    }
}

#[test]
fn a_member_set_to_null_is_left_out() {
    let objects = render(&json!({"podSecurityContext": {"runAsUser": null, "runAsGroup": null, "fsGroup": 1000}}));
    let context = &pod(&objects)["securityContext"];
    assert!(context.get("runAsUser").is_none() && context.get("runAsGroup").is_none());
    assert_eq!(
        (&context["fsGroup"], &context["runAsNonRoot"]),
        (&json!(1000), &json!(true))
    );
}

#[test]
fn further_authorities_are_trusted_beside_the_public_ones() {
    let source = [
        (
            "configMap",
            json!({"name": "ca-bundle", "configMap": {"name": "company"}}),
        ),
        (
            "secret",
            json!({"name": "ca-bundle", "secret": {"secretName": "company"}}),
        ),
    ];
    for (kind, volume) in source {
        let objects = render(&json!({"caBundle": {kind: "company"}}));
        assert!(pod(&objects)["volumes"].as_array().unwrap().contains(&volume));
        let container = container(&objects);
        let mount = json!({"name": "ca-bundle", "mountPath": "/etc/adconversion/ca", "readOnly": true});
        assert!(container["volumeMounts"].as_array().unwrap().contains(&mount));
        let variable = json!({"name": "SSL_CERT_DIR", "value": "/etc/ssl/certs:/etc/adconversion/ca"});
        assert_eq!(container["env"], json!([variable]));
    }
    assert!(container(&render(&json!({}))).get("env").is_none());
}

#[test]
fn a_proxy_is_for_the_way_out() {
    let objects = render(&json!({"proxy": {"httpsProxy": "http://proxy:3128", "noProxy": "metadata.google.internal"}}));
    let expected = json!([
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
        {"name": "NO_PROXY", "value": "metadata.google.internal"},
    ]);
    assert_eq!(container(&objects)["env"], expected);
}

#[test]
fn labels_of_all_reach_every_object_and_replace_none() {
    let simulated = json!({"commonLabels": {"team": "ads", "app.kubernetes.io/name": "other"}, "sandbox": {"enabled": true},
        "networkPolicy": {"enabled": true}, "serviceMonitor": {"enabled": true}, "prometheusRule": {"enabled": true},
        "dashboard": {"enabled": true}});
    let several = json!({"commonLabels": simulated["commonLabels"], "replicas": 2, "leaderElection": {"enabled": true},
        "ledger": {"postgresql": {"urlSecretRef": {"name": "x"}}}});
    let plain = render(&json!({}));
    let selector = &the(&plain, "Deployment")["spec"]["selector"];
    for object in render(&simulated).into_iter().chain(render(&several)) {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["team"], "ads", "{object}");
        assert_ne!(labels["app.kubernetes.io/name"], "other", "{object}");
        assert_eq!(labels["app.kubernetes.io/part-of"], "adconversion", "{object}");
        if object["kind"] == "Deployment" && labels["app.kubernetes.io/component"] == "operator" {
            assert_eq!(&object["spec"]["selector"], selector, "it cannot be changed");
        }
    }
}

#[test]
fn another_namespace_takes_everything() {
    let everywhere = json!({"namespaceOverride": "elsewhere", "leaderElection": {"enabled": true}});
    let mut simulated = everywhere.clone();
    simulated["sandbox"] = json!({"enabled": true, "namespace": "elsewhere"});
    let objects = render(&everywhere);
    for object in objects.iter().chain(&render(&simulated)) {
        let namespace = &object["metadata"]["namespace"];
        assert!(namespace.is_null() || namespace == "elsewhere", "{object}");
    }
    let subject = &the(&objects, "ClusterRoleBinding")["subjects"][0];
    assert_eq!(subject["namespace"], "elsewhere");
    let policy = the(&objects, "ValidatingAdmissionPolicy")["spec"]["matchConditions"][0]["expression"].clone();
    assert!(
        policy.as_str().unwrap().contains("system:serviceaccount:elsewhere:"),
        "{policy}"
    );
}

#[test]
fn the_registry_stands_before_the_repository() {
    let image = |values: Value| container(&render(&values))["image"].as_str().unwrap().to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let one = json!({"image": {"registry": "one.example/", "repository": "ads/operator"}});
    assert_eq!(image(one.clone()), format!("one.example/ads/operator:{version}"));
    let mut both = one;
    both["global"] = json!({"imageRegistry": "two.example"});
    assert_eq!(image(both), format!("two.example/ads/operator:{version}"));
}

#[test]
fn what_was_fixed_can_be_changed() {
    let objects = render(&json!({
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
        "revisionHistoryLimit": 0,
        "livenessProbe": {"periodSeconds": 60, "failureThreshold": 5},
        "startupProbe": {"initialDelaySeconds": 3},
        "hostUsers": false,
        "deploymentAnnotations": {"a": "b"},
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.10"]},
        "schedulerName": "other",
    }));
    let deployment = the(&objects, "Deployment");
    let spec = &deployment["spec"];
    assert_eq!(
        spec["strategy"]["rollingUpdate"],
        json!({"maxSurge": 0, "maxUnavailable": 1})
    );
    assert_eq!(spec["revisionHistoryLimit"], 0);
    assert_eq!(deployment["metadata"]["annotations"], json!({"a": "b"}));
    let probe = &container(&objects)["livenessProbe"];
    let expected = json!({"httpGet": {"path": "/livez", "port": "http"}, "periodSeconds": 60, "timeoutSeconds": 5, "failureThreshold": 5});
    assert_eq!(probe, &expected);
    assert_eq!(container(&objects)["startupProbe"]["initialDelaySeconds"], 3);
    let pod = pod(&objects);
    assert_eq!(
        (&pod["hostUsers"], &pod["schedulerName"]),
        (&json!(false), &json!("other"))
    );
    assert_eq!(pod["dnsConfig"]["nameservers"], json!(["10.0.0.10"]));
    assert!(self::pod(&render(&json!({}))).get("hostUsers").is_none());
}

#[test]
fn definitions_have_the_annotations_of_the_values() {
    let annotations = json!({"argocd.argoproj.io/sync-options": "Prune=false"});
    for (keep, policy) in [(true, json!("keep")), (false, Value::Null)] {
        let objects = render(&json!({"crds": {"annotations": annotations, "keep": keep}}));
        for definition in of_kind(&objects, "CustomResourceDefinition") {
            let found = &definition["metadata"]["annotations"];
            assert_eq!(found["argocd.argoproj.io/sync-options"], "Prune=false");
            assert_eq!(found["helm.sh/resource-policy"], policy);
        }
    }
}

#[test]
fn more_objects_may_be_templates() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-a";
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}});
    let objects = render(&json!({"extraObjects": [text, object]}));
    assert_eq!(
        super::names(&of_kind(&objects, "ConfigMap")),
        ["adconversion-operator-a", "b"]
    );
}

#[rstest]
#[case::probe(json!({"livenessProbe": {"path": "/"}}))]
#[case::security(json!({"securityContext": {"readOnlyRootFS": true}}))]
#[case::label(json!({"commonLabels": {"team": "two words"}}))]
#[case::environment(json!({"extraEnv": [{"name": "A", "values": "b"}]}))]
#[case::alert(json!({"prometheusRule": {"disabled": ["AdConversionNoLeaders"]}}))]
#[case::openshift(json!({"openshift": true}))]
#[case::sandbox(json!({"sandbox": {"every": "often"}}))]
#[case::contacts(json!({"sandbox": {"contacts": 0}}))]
fn mistakes_are_refused(#[case] values: Value) {
    let output = helm(&["template", "adconversion-operator"], &values);
    assert!(!output.success(), "{values} is taken");
    assert!(
        output.stderr.contains("don't meet the specifications of the schema"),
        "{}",
        output.stderr
    );
}
