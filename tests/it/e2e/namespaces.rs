//! Of several namespaces one that is gone, and its role binding with it, keeps no other from being served.

use std::time::Duration;

use serde_json::{Value, json};
use xtask::lab::install;

use super::stage::{Counts, Stage, ago, service_account};
use crate::support::cluster::{cluster, namespace};

const ACCOUNT: &str = "of-some-namespaces";

/// Binds the chart's roles to the account in one namespace.
fn bind(namespace: &str) {
    let roles = cluster()
        .client()
        .json(&["get", "clusterroles", "-o", "json"])
        .expect("roles");
    let ours = |role: &&Value| role["rules"].to_string().contains("adconversionevents");
    let roles = roles["items"].as_array().into_iter().flatten().filter(ours);
    for (number, role) in roles.enumerate() {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("{ACCOUNT}-{number}"), "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": install::NAMESPACE}],
        });
        cluster().client().apply(&binding.to_string()).expect("a binding");
    }
}

#[test]
fn a_namespace_that_cannot_be_listed_is_named_and_the_others_are_served() {
    service_account();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": install::NAMESPACE}});
    cluster().client().apply(&account.to_string()).expect("an account");
    let (here, gone) = (namespace("here"), namespace("gone"));
    bind(&here);
    let mut stage = Stage::on(cluster(), ACCOUNT, here.clone(), &[], &[]);
    stage.flag("watch-namespaces", &format!("{here},{gone}"));
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.contact(&[("customer", ago(3_600))], Some("click-1"), &json!({}));
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.wait_within(Duration::from_mins(2), "the others are served", || {
        let event = stage.get("adce/won");
        let counts = Counts::of(&event);
        if counts.observed == 1 && counts.uploaded + counts.processing + counts.pending == 1 {
            Ok(())
        } else {
            Err(event["status"].clone())
        }
    });
    let said = stage.http("/readyz");
    assert!(
        said.contains("200 OK") && said.contains(&format!("namespace {gone} is not served")),
        "{said}"
    );
    assert!(stage.log().contains("a namespace is not served"), "{}", stage.log());

    // It comes back.
    bind(&gone);
    stage.wait_within(Duration::from_mins(2), "it is served too", || {
        let said = stage.http("/readyz");
        if said.contains("not served") {
            Err(json!(said))
        } else {
            Ok(())
        }
    });
    stage.namespace.clone_from(&gone);
    stage.apply(include_str!("accounts.yaml"));
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.namespace = here;
}
