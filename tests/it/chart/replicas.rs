//! Several replicas: what they need, and what comes with them.

use serde_json::{Value, json};

use super::{arguments, container, names, of_kind, render, the};

/// Values of a release whose ledger is in PostgreSQL, for so many replicas.
fn replicas(count: u32) -> Value {
    json!({
        "replicas": count,
        "leaderElection": {"enabled": true},
        "ledger": {"postgresql": {"urlSecretRef": {"name": "ledger-url"}}},
    })
}

fn deployment(objects: &[Value]) -> &Value {
    &the(objects, "Deployment")["spec"]
}

#[test]
fn two_replicas_share_a_database_and_a_lease() {
    let objects = render(&replicas(2));
    let spec = deployment(&objects);
    assert_eq!(spec["replicas"], 2);
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    );
    let elects = [
        "--leader-elect=true",
        "--lease-name=adconversion-operator",
        "--lease-namespace=system",
    ];
    assert_eq!(
        &arguments(&objects)[2..],
        elects,
        "the URL is no argument: it holds a password"
    );
    let reference = json!({"secretKeyRef": {"name": "ledger-url", "key": "url"}});
    let url = json!({"name": "ADCONVERSION_LEDGER_URL", "valueFrom": reference});
    assert_eq!(container(&objects)["env"], json!([url]));
    assert!(of_kind(&objects, "PersistentVolumeClaim").is_empty());
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["volumes"], json!([{"name": "tmp", "emptyDir": {}}]));
    assert_eq!(
        container(&objects)["volumeMounts"],
        json!([{"name": "tmp", "mountPath": "/tmp"}])
    );
    let spread = &pod["topologySpreadConstraints"][0];
    assert_eq!(spread["whenUnsatisfiable"], "ScheduleAnyway");
    let budget = &the(&objects, "PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    for selector in [&spread["labelSelector"], &budget["selector"]] {
        assert_eq!(selector, &spec["selector"]);
    }
}

#[test]
fn the_lease_is_the_only_one_it_may_touch() {
    let objects = render(&replicas(1));
    let lease = the(&objects, "Lease");
    assert_eq!(lease["metadata"]["namespace"], "system");
    assert!(
        lease.get("spec").is_none(),
        "nobody's, and no upgrade changes whose it is"
    );
    let role = the(&objects, "Role");
    let rule = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
        "resourceNames": [lease["metadata"]["name"]], "verbs": ["get", "watch", "update"]});
    assert_eq!(role["rules"], json!([rule]));
    assert_eq!(role["metadata"]["namespace"], "system");
    let binding = the(&objects, "RoleBinding");
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    let account = the(&objects, "ServiceAccount");
    assert_eq!(binding["subjects"][0]["name"], account["metadata"]["name"]);
    // Beside the roles of the namespaces it works in, one of which may be its own.
    let mut values = replicas(1);
    values["watchNamespaces"] = json!(["system"]);
    let objects = render(&values);
    assert_eq!(
        names(&of_kind(&objects, "Role")),
        ["adconversion-operator", "adconversion-operator-lease"]
    );
    let without = render(&json!({}));
    assert!(of_kind(&without, "Lease").is_empty() && of_kind(&without, "Role").is_empty());
    let mut values = replicas(1);
    values["rbac"] = json!({"create": false});
    assert!(of_kind(&render(&values), "Role").is_empty());
}

#[test]
fn one_replica_rolls_only_where_another_may_stand_by() {
    let rolls = |values: &Value| deployment(&render(values))["strategy"]["type"] == "RollingUpdate";
    assert!(rolls(&replicas(1)));
    let mut without = replicas(1);
    without["leaderElection"] = json!({"enabled": false});
    assert!(!rolls(&without), "the second would never be ready");
    assert!(
        !rolls(&json!({"leaderElection": {"enabled": true}})),
        "the volume is one pod's"
    );
    let objects = render(&replicas(1));
    assert!(
        of_kind(&objects, "PodDisruptionBudget").is_empty(),
        "it would block every drain"
    );
    assert!(
        deployment(&objects)["template"]["spec"]
            .get("topologySpreadConstraints")
            .is_none()
    );
}

#[test]
fn what_comes_with_replicas_can_be_replaced() {
    let mut values = replicas(3);
    values["podDisruptionBudget"] = json!({"enabled": false});
    let zones =
        json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}]);
    values["topologySpreadConstraints"] = zones.clone();
    values["ledger"]["postgresql"]["urlSecretRef"]["key"] = json!("uri");
    values["extraEnv"] = json!([{"name": "SSL_CERT_DIR", "value": "/certs"}]);
    let objects = render(&values);
    assert!(of_kind(&objects, "PodDisruptionBudget").is_empty());
    assert_eq!(
        deployment(&objects)["template"]["spec"]["topologySpreadConstraints"],
        zones
    );
    let environment = &container(&objects)["env"];
    assert_eq!(environment[0]["valueFrom"]["secretKeyRef"]["key"], "uri");
    assert_eq!(environment[1]["name"], "SSL_CERT_DIR");
}
