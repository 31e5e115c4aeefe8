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
fn a_claim_that_helm_would_delete_is_kept_before() {
    const CLAIM: &str = "plat-adconversion-operator-ledger";
    let release = Release::new("keep", &chart().display().to_string());
    let base = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    let loose = format!("{base},persistence.keep=false");
    release.must("install", &loose);
    let way_out = format!(
        "kubectl annotate persistentvolumeclaim {CLAIM} --namespace {} helm.sh/resource-policy=keep",
        release.namespace
    );
    let named = format!("fullnameOverride=ads,persistence.existingClaim={CLAIM}");
    for values in [
        "fullnameOverride=ads",
        &named,
        &format!("persistence.existingClaim={CLAIM}"),
        "persistence.existingClaim=a-slip",
        "persistence.enabled=false",
        "ledger.postgresql.urlSecretRef.name=url",
    ] {
        for before in [&base, &loose] {
            let words = release.refused(&format!("{before},{values}"));
            assert!(words.contains(&way_out), "{values}: {words}");
        }
    }
    let way_out: Vec<_> = way_out.split(' ').skip(1).collect();
    release.kubectl.must(&way_out).unwrap();
    release.must("upgrade", &loose);
    let words = release.refused(&format!("{loose},fullnameOverride=ads"));
    assert!(
        words.contains(&format!("set persistence.existingClaim to {CLAIM}, or")),
        "{words}"
    );
    release.must("upgrade", &format!("{loose},{named}"));
    release.must("upgrade", &format!("{loose},{named}"));
    assert_eq!(release.claims(), [CLAIM]);
    release.end();
    assert_eq!(release.claims(), [CLAIM]);
}

fn claim(name: &str, namespace: &str) -> String {
    let spec = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": namespace}, "spec": spec}).to_string()
}

/// A claim of somebody else's holds the ledger as well: an upgrade that forgets it would begin an empty one, or go back to an old one.
#[test]
fn the_claim_in_use_is_not_forgotten() {
    let release = Release::new("forgotten", &chart().display().to_string());
    let base = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    let with_it = format!("{base},persistence.existingClaim=mine");
    for verb in ["install", "upgrade"] {
        release.kubectl.apply(&claim("mine", &release.namespace)).unwrap();
        release.must(verb, &with_it);
        let words = release.refused(&base);
        assert!(words.contains(": set persistence.existingClaim to mine, or"), "{words}");
        let words = release.refused(&format!("{base},persistence.enabled=false"));
        assert!(words.contains(": leave persistence.enabled on"), "{words}");
        release.must("upgrade", &format!("{with_it},fullnameOverride=ads"));
        assert!(release.claims().contains(&"mine".to_owned()));
        release.end();
        // The second time its own claim of the first name is there too, as after a restore.
        if verb == "install" {
            release.must("install", &base);
        }
    }
    assert_eq!(release.claims(), ["mine", "plat-adconversion-operator-ledger"]);
}

/// A claim that the release brings along by itself is no loss: it stays in it.
#[test]
fn a_claim_among_further_objects_is_the_ledger_from_the_first_day() {
    let release = Release::new("further", &chart().display().to_string());
    let claim = "extraObjects[0].apiVersion=v1,extraObjects[0].kind=PersistentVolumeClaim,extraObjects[0].metadata.name=mine,\
        extraObjects[0].spec.accessModes[0]=ReadWriteOnce,extraObjects[0].spec.resources.requests.storage=1Gi";
    let values = format!(
        "crds.enabled=false,watchNamespaces={{{}}},persistence.existingClaim=mine,{claim}",
        release.namespace
    );
    release.must("install", &values);
    release.must("upgrade", &values);
    release.must("upgrade", &format!("{values},fullnameOverride=ads"));
    assert_eq!(release.claims(), ["mine"]);
    release.end();
}

/// What was in a database is in no claim: an upgrade that forgets the database is told so, and how to leave it.
#[test]
fn the_database_in_use_is_not_forgotten() {
    let release = Release::new("database", &chart().display().to_string());
    let base = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    release.must("install", &format!("{base},ledger.postgresql.urlSecretRef.name=url"));
    let without = release.refused(&format!("{base},persistence.enabled=false"));
    assert!(
        without.contains("in the database of the Secret url") && without.contains("would keep it in the pod instead"),
        "{without}"
    );
    let words = release.refused(&base);
    assert!(
        words.contains("in the database of the Secret url") && words.contains("set ledger.postgresql.urlSecretRef. If it is to be another ledger, name its claim in persistence.existingClaim"),
        "{words}"
    );
    release.kubectl.apply(&claim("mine", &release.namespace)).unwrap();
    release.must("upgrade", &format!("{base},persistence.existingClaim=mine"));
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

    let alike = parts.map(|part| {
        let alias = part[..6].to_owned();
        format!("{part},{alias}.nameOverride=ads,{alias}.fullnameOverride={alias}")
    });
    release.must("install", &format!("{},ads-us.enabled=false", alike[0]));
    let words = release.refused(&alike.join(","));
    let other = "If ads-eu is another operator of this release, give this one a nameOverride of its own";
    assert!(words.contains(other), "{words}");
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
    let service = [
        "delete",
        "deployment",
        "plat-adconversion-operator-sandbox",
        "--namespace",
        &release.namespace,
    ];
    release.kubectl.must(&service).unwrap();
    let words = release.refused(&format!("{real}{name}"));
    assert!(words.contains("the release plat works with the simulation"), "{words}");
    release.must("upgrade", &simulated);
    release.end();
    release.must("install", &real);
    let words = release.refused(&format!("{simulated}{name}"));
    assert!(words.contains("the release plat works with real accounts"), "{words}");
    release.end();
}

/// Under another name the simulation has a claim of its own; going back to the name of real accounts it would have theirs.
#[test]
fn a_simulation_takes_no_claim_that_was_not_made_for_one() {
    let release = Release::new("simulated", &chart().display().to_string());
    let real = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    let simulated = format!("{real},sandbox.enabled=true,sandbox.namespace=");
    release.must("install", &real);
    release.end();
    let says = "the claim plat-adconversion-operator-ledger in the namespace";
    let words = release.run("install", &simulated).unwrap_err().to_string();
    assert!(
        words.contains(says) && words.contains("was not made for a simulation"),
        "{words}"
    );
    release.must("install", &format!("{simulated},fullnameOverride=simulation"));
    let words = release.refused(&simulated);
    assert!(
        words.contains(says) && words.contains("was not made for a simulation"),
        "{words}"
    );
    release.must("upgrade", &format!("{simulated},fullnameOverride=another"));
    release.end();
    assert_eq!(release.claims(), ["plat-adconversion-operator-ledger"]);
}

/// The claim of a simulation, if somebody has kept it, is not for real accounts.
#[test]
fn real_accounts_take_no_claim_of_a_simulation() {
    let release = Release::new("played", &chart().display().to_string());
    let real = format!("crds.enabled=false,watchNamespaces={{{}}}", release.namespace);
    let simulated = format!("{real},sandbox.enabled=true,sandbox.namespace=");
    release.must("install", &simulated);
    let keep = [
        "annotate",
        "pvc",
        "--all",
        "--namespace",
        &release.namespace,
        "helm.sh/resource-policy=keep",
    ];
    release.kubectl.must(&keep).unwrap();
    release.must("upgrade", &format!("{simulated},fullnameOverride=another"));
    release.end();
    let claim = "plat-adconversion-operator-ledger";
    for values in [
        &real,
        &format!("{real},fullnameOverride=ads,persistence.existingClaim={claim}"),
    ] {
        let words = release.run("install", values).unwrap_err().to_string();
        assert!(words.contains("holds what a simulation has counted"), "{words}");
    }
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
