//! What is in the cluster already: an upgrade loses no ledger, and mixes no simulation with real accounts.

use std::{fs, path::PathBuf, process::Command};

use rstest::rstest;
use serde_json::json;
use xtask::{kubectl::Kubectl, process};

use super::{LIMIT, chart, definitions::advice, helm_on};
use crate::support::cluster::{cluster, namespace};

/// A release of a chart in a namespace of its own, which is the one it works in.
struct Release {
    kubectl: &'static Kubectl,
    namespace: String,
    chart: String,
}

impl Release {
    fn new(prefix: &str, chart: &str) -> Self {
        Self {
            kubectl: cluster().client(),
            namespace: namespace(prefix),
            chart: chart.to_owned(),
        }
    }

    /// Helm with these values, as `--set` takes them.
    fn run(&self, verb: &str, values: &str) -> Result<String, xtask::Error> {
        let arguments = [
            verb,
            "plat",
            &self.chart,
            "--namespace",
            &self.namespace,
            "--set",
            values,
        ];
        helm_on(self.kubectl, &arguments, None)
    }

    fn must(&self, verb: &str, values: &str) {
        self.run(verb, values).unwrap();
    }

    fn refused(&self, values: &str) -> String {
        self.run("upgrade", values).unwrap_err().to_string()
    }

    fn claims(&self) -> Vec<String> {
        let get = ["get", "pvc", "--namespace", &self.namespace, "--output", "name"];
        let names = self.kubectl.must(&get).unwrap();
        names
            .lines()
            .map(|name| name.replace("persistentvolumeclaim/", ""))
            .collect()
    }

    fn end(&self) {
        helm_on(
            self.kubectl,
            &["uninstall", "plat", "--namespace", &self.namespace],
            None,
        )
        .unwrap();
    }
}

/// Helm deletes what a release no longer has, also a claim that the release goes on with, and also where the same upgrade would keep it.
#[test]
fn a_claim_that_helm_would_delete_is_kept_before_it_is_named() {
    const CLAIM: &str = "plat-adconversion-operator-ledger";
    let release = Release::new("keep", &chart().display().to_string());
    let base = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    release.must("install", &format!("{base},persistence.keep=false"));
    let named = format!("{base},fullnameOverride=ads");
    let words = release.refused(&named);
    let way_out = format!(
        "turn persistence.keep on in an upgrade of its own before, as Helm would delete the claim; then set persistence.existingClaim to {CLAIM}"
    );
    assert!(words.contains(&way_out), "{words}");
    let with_it = format!("{named},persistence.existingClaim={CLAIM}");
    let alone = format!("{base},persistence.existingClaim={CLAIM}");
    for values in [
        &format!("{with_it},persistence.keep=false"),
        &with_it,
        &format!("{alone},persistence.keep=false"),
    ] {
        let words = release.refused(values);
        let says = "Turn persistence.keep on in an upgrade of its own before, without persistence.existingClaim";
        assert!(
            words.contains("is this release's own") && words.contains(says),
            "{values}: {words}"
        );
    }
    release.must("upgrade", &base);
    release.must("upgrade", &with_it);
    assert_eq!(release.claims(), [CLAIM]);
    release.must("upgrade", &with_it);
    release.end();
}

/// A claim of somebody else's holds the ledger as well: an upgrade that forgets it would begin an empty one.
#[test]
fn the_claim_in_use_is_not_forgotten() {
    let release = Release::new("forgotten", &chart().display().to_string());
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "mine", "namespace": release.namespace},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    release.kubectl.apply(&claim.to_string()).unwrap();
    let base = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    let with_it = format!("{base},persistence.existingClaim=mine");
    release.must("install", &with_it);
    let words = release.refused(&base);
    assert!(words.contains(": set persistence.existingClaim to mine, or"), "{words}");
    release.must("upgrade", &format!("{with_it},fullnameOverride=ads"));
    assert_eq!(release.claims(), ["mine"]);
    release.end();
}

/// A chart that has this one twice.
fn parent() -> PathBuf {
    let parent = xtask::control_plane::new_directory().unwrap();
    fs::create_dir(parent.join("charts")).unwrap();
    let mut copy = Command::new("cp");
    copy.arg("--recursive").arg(chart()).arg(parent.join("charts"));
    process::run(copy, None, LIMIT).unwrap().ok().unwrap();
    let part = |alias: &str| json!({"name": "adconversion-operator", "version": "*", "repository": "", "alias": alias, "condition": format!("{alias}.enabled")});
    let page = json!({"apiVersion": "v2", "name": "parent", "version": "0.1.0", "dependencies": [part("ads-eu"), part("ads-us")]});
    fs::write(parent.join("Chart.yaml"), page.to_string()).unwrap();
    parent
}

/// A second one beside the first begins a ledger of its own; a first one with another name would lose its own.
#[test]
fn a_chart_may_have_this_one_twice() {
    let parent = parent();
    let release = Release::new("twice", &parent.display().to_string());
    let us = namespace("twice-us");
    let parts = [("ads-eu", release.namespace.as_str()), ("ads-us", &us)].map(|(alias, place)| {
        format!("{alias}.enabled=true,{alias}.crds.enabled=false,{alias}.watchNamespaces={{{place}}}")
    });
    release.must("install", &format!("{},ads-us.enabled=false", parts[0]));
    release.must("upgrade", &parts.join(","));
    assert_eq!(release.claims(), ["plat-ads-eu-ledger", "plat-ads-us-ledger"]);
    let words = release.refused(&format!("{},ads-us.fullnameOverride=us", parts.join(",")));
    assert!(
        words.contains("set persistence.existingClaim to plat-ads-us-ledger"),
        "{words}"
    );
    release.end();
    fs::remove_dir_all(parent).unwrap();
}

#[rstest]
#[case::same("")]
#[case::another(",fullnameOverride=other")]
fn a_simulation_and_real_accounts_never_take_turns_whatever_the_name(#[case] name: &str) {
    let release = Release::new("turns", &chart().display().to_string());
    let real = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    let simulated = format!("{real},sandbox.enabled=true,sandbox.namespace=");
    release.must("install", &simulated);
    let words = release.refused(&format!("{real}{name}"));
    assert!(words.contains("the release plat works with the simulation"), "{words}");
    release.end();
    release.must("install", &real);
    let words = release.refused(&format!("{simulated}{name}"));
    assert!(words.contains("the release plat works with real accounts"), "{words}");
    release.end();
}

/// Two operators in one namespace, where their names show it.
#[test]
fn a_namespace_of_another_release_is_not_taken() {
    let first = Release::new("first", &chart().display().to_string());
    let second = Release::new("second", &first.chart);
    let values = format!("crds.enabled=false,watchNamespaces={{{}}}", first.namespace);
    first.must("install", &values);
    let words = second.run("install", &values).unwrap_err().to_string();
    let advice = advice(&words);
    assert!(
        advice.contains("Never `--take-ownership`") && advice.contains("watchNamespaces"),
        "{advice} for {words}"
    );
    first.end();
}
