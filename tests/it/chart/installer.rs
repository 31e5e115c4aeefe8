//! Whoever administers one namespace only installs the chart as its README says.

use serde_json::{Value, json};

use super::definitions::advice;
use super::{chart, helm_in, helm_on, read};
use crate::support::cluster::{LONG_CALL, cluster, namespace};

/// The values of the README, for this namespace.
fn documented(namespace: &str) -> Value {
    let readme = read("README.md");
    let (_, section) = readme.split_once("### Rights that an installation needs").unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut values: Value = serde_yaml::from_str(block).unwrap();
    assert_eq!(values["watchNamespaces"], json!(["team"]));
    values["watchNamespaces"] = json!([namespace]);
    values
}

#[test]
fn the_administrator_of_a_namespace_installs_what_the_page_says() {
    let kubectl = cluster().client();
    let team = namespace("team");
    let user = format!("admin-of-{team}");
    let binding = [
        "create",
        "rolebinding",
        "admin",
        "--clusterrole=admin",
        "--namespace",
        &team,
        "--user",
        &user,
    ];
    kubectl.must(&binding).unwrap();
    let chart = chart().display().to_string();
    let install = |values: &Value| {
        let release = [
            "upgrade",
            "--install",
            "adconversion-operator",
            &chart,
            "--namespace",
            &team,
            "--kube-as-user",
            &user,
        ];
        helm_on(kubectl, &release, Some(values))
    };
    let mut values = documented(&team);

    let all = install(&json!({})).unwrap_err().to_string();
    assert!(advice(&all).contains("(#rights-that-an-installation-needs)"), "{all}");

    let mut own = values.clone();
    own["rbac"]["create"] = json!(true);
    let refused = install(&own).unwrap_err().to_string();
    assert!(
        refused.contains("is attempting to grant RBAC permissions not currently held"),
        "{refused}"
    );
    own["rbac"] = json!({"create": false, "aggregate": true});
    let refused = install(&own).unwrap_err().to_string();
    assert!(
        advice(&refused).contains("(#rights-that-an-installation-needs)"),
        "{refused}"
    );

    // An upgrade would remove the Role that the failed release names, which is the administrator's then.
    let uninstall = ["uninstall", "adconversion-operator", "--namespace", &team];
    helm_on(kubectl, &uninstall, None).unwrap();

    // The administrator of the cluster before, then theirs. With several replicas also what the Lease needs.
    let several = json!({"replicas": 2, "leaderElection": {"enabled": true},
        "ledger": {"postgresql": {"urlSecretRef": {"name": "ledger"}}}});
    values
        .as_object_mut()
        .unwrap()
        .extend(several.as_object().unwrap().clone());
    let theirs = values.clone();
    values["rbac"]["create"] = json!(true);
    let show = [
        "template",
        "adconversion-operator",
        "--show-only",
        "templates/rbac.yaml",
    ];
    let role = helm_in(&team, &show, &values).ok().unwrap();
    let apply = ["apply", "--filename", "-"];
    kubectl.run_with(&apply, Some(&role), LONG_CALL).unwrap().ok().unwrap();
    install(&theirs).unwrap();
    let account = format!("--as=system:serviceaccount:{team}:adconversion-operator");
    let status = ["patch", "adconversionevents.adconversion.dev", "--subresource=status"];
    for right in [&status[..], &["update", "lease/adconversion-operator"]] {
        let may = [&["auth", "can-i"], right, &["--namespace", &team, &account]].concat();
        kubectl.must(&may).unwrap();
    }
    helm_on(kubectl, &uninstall, None).unwrap();
}
