//! Releases that may stand beside each other in one cluster take no name from each other.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::json;

use super::{helm_in, of_kind, parse};

/// Kind, namespace and name of all that a release brings, the definitions apart.
fn brought(namespace: &str, release: &str) -> BTreeSet<String> {
    let values = json!({"crds": {"enabled": false}, "leaderElection": {"enabled": true}, "networkPolicy": {"enabled": true},
        "serviceMonitor": {"enabled": true, "namespace": "monitoring"}, "dashboard": {"enabled": true, "namespace": "monitoring"},
        "prometheusRule": {"enabled": true, "namespace": "monitoring"}});
    let rendered = helm_in(namespace, &["template", release], &values).ok().unwrap();
    let object = |object: &serde_json::Value| {
        let about = &object["metadata"];
        format!("{} {} in {}", object["kind"], about["name"], about["namespace"])
    };
    parse(&rendered).iter().map(object).collect()
}

#[rstest]
#[case::one_name(["prod", "adconversion-operator"], ["test", "adconversion-operator"])]
#[case::a_name_in_two_halves(["eu-prod", "adconversion-operator"], ["prod", "adconversion-operator-eu"])]
#[case::a_namespace_like_a_role(["prod", "adconversion-operator"], ["prod-view", "adconversion-operator"])]
#[case::a_release_like_a_role(["prod", "adconversion-operator"], ["prod", "adconversion-operator-view"])]
fn two_releases_have_no_name_in_common(#[case] one: [&str; 2], #[case] other: [&str; 2]) {
    let (one, other) = (brought(one[0], one[1]), brought(other[0], other[1]));
    let common: Vec<&String> = one.intersection(&other).collect();
    assert!(one.len() > 15 && common.is_empty(), "{common:?}");
}

/// Prometheus names the job of a `PodMonitor` by its namespace and name.
#[test]
fn the_alerts_of_a_pod_monitor_elsewhere_are_about_its_job() {
    let values =
        json!({"podMonitor": {"enabled": true, "namespace": "monitoring"}, "prometheusRule": {"enabled": true}});
    let objects = super::render(&values);
    let monitor = &of_kind(&objects, "PodMonitor")[0]["metadata"]["name"];
    let job = format!(r#"job="monitoring/{}""#, monitor.as_str().unwrap());
    let rules = super::the(&objects, "PrometheusRule").to_string().replace('\\', "");
    assert!(rules.contains(&job), "{job}: {rules}");
}
