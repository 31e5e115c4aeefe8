//! A real Prometheus that scrapes a test's processes and judges them by the rules of the chart.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use reqwest::Url;
use serde_json::{Value, json};
use xtask::lab::http;
use xtask::prometheus;
use xtask::supervisor::Spec;

use super::{Stage, repository};

/// The job that the rules are about, and the claim of the ledger's volume.
pub const JOB: &str = "adconversion-operator-metrics";
pub const CLAIM: &str = "adconversion-operator-ledger";
/// What is asked of the last hours and minutes in the chart's rules, and here.
const WINDOWS: [(&str, &str); 3] = [("[6h]", "[30s]"), ("[1h]", "[30s]"), ("[15m]", "[10s]")];
/// For how long a condition of a few minutes must hold here: longer than a busy machine takes to answer two scrapes, so
/// that a target that answers late is not taken for one that is gone.
const HELD: &str = "4s";

/// A Prometheus at work.
pub struct Monitor<'a> {
    stage: &'a Stage,
    address: SocketAddr,
}

/// The rules of the chart, in which hours and minutes become seconds: what a test provokes cannot last for hours. When
/// each fires is tested by promtool; here what counts is that it fires for what a real process shows.
fn rules(namespace: &str) -> Value {
    let text = fs::read_to_string(repository().join("charts/adconversion-operator/files/alerts.yaml")).expect("rules");
    let text = text
        .replace("\"JOB\"", &format!("{JOB:?}"))
        .replace("\"NAMESPACE\"", &format!("{namespace:?}"))
        .replace("\"CLAIM\"", &format!("{CLAIM:?}"));
    let mut rules: Value = serde_yaml::from_str(&text.replace("RUNBOOKS", "operations.md")).expect("YAML");
    for rule in rules["groups"][0]["rules"].as_array_mut().expect("rules") {
        let mut expression = rule["expr"].as_str().expect("an expression").to_owned();
        for (there, here) in WINDOWS {
            expression = expression.replace(there, here);
        }
        rule["expr"] = json!(expression.replace("> 86400", "> 8"));
        assert!(!expression.contains("m]") && !expression.contains("h]"), "{expression}");
        if rule.get("for").is_some() {
            rule["for"] = json!(HELD);
        }
    }
    rules
}

impl Stage {
    /// Starts a Prometheus that scrapes these ports of this machine once a second.
    pub fn monitored(&self, ports: &[u16]) -> Monitor<'_> {
        let targets: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let labels = json!({"namespace": self.namespace});
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": JOB, "honor_labels": true,
                "static_configs": [{"targets": targets, "labels": labels}]}]});
        let write = |name: &str, value: &Value| -> PathBuf {
            let path = self.directory.join(name);
            fs::write(&path, value.to_string()).expect("a file");
            path
        };
        // JSON is YAML.
        write("rules.yaml", &rules(&self.namespace));
        let config = write("prometheus.yaml", &config);
        let address = SocketAddr::from(([127, 0, 0, 1], xtask::ports::free(1).expect("a port")[0]));
        let spec = Spec {
            name: "prometheus".to_owned(),
            program: prometheus::server().expect("Prometheus"),
            arguments: vec![
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", self.directory.join("series").display()),
                format!("--web.listen-address={address}"),
            ],
            environment: std::collections::BTreeMap::new(),
            log: self.directory.join("prometheus.log"),
        };
        self.supervisor.run(spec).expect("Prometheus");
        let monitor = Monitor { stage: self, address };
        self.wait_for("samples of every target", || {
            let up = monitor.query("count(count_over_time(up[5m]) > 8)");
            let count = up.pointer("/0/value/1").and_then(Value::as_str).unwrap_or_default();
            if count == ports.len().to_string() {
                Ok(())
            } else {
                Err(up)
            }
        });
        monitor
    }
}

impl Monitor<'_> {
    /// What an expression is now; null where Prometheus does not answer yet.
    pub fn query(&self, expression: &str) -> Value {
        let parameters = [("query", expression)];
        let url = Url::parse_with_params("http://prometheus/api/v1/query", parameters).expect("an address");
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let answer = http::call(self.address, "GET", &path, None).unwrap_or_default();
        answer["data"]["result"].clone()
    }

    /// Names of the alerts that fire; none where Prometheus does not answer.
    fn firing(&self) -> Option<BTreeSet<String>> {
        let alerts = self.query("count by (alertname) (ALERTS{alertstate=\"firing\"})");
        let name = |alert: &Value| Some(alert["metric"]["alertname"].as_str()?.to_owned());
        alerts.as_array()?.iter().map(name).collect()
    }

    /// Waits until this alert fires.
    pub fn fires(&self, alert: &str) {
        self.wait_for(&format!("{alert} to fire"), |firing| firing.contains(alert));
    }

    /// Waits until this alert fires no more.
    pub fn ends(&self, alert: &str) {
        self.wait_for(&format!("{alert} to end"), |firing| !firing.contains(alert));
    }

    /// Waits until these fire and no others.
    pub fn fire_alone(&self, alerts: &[&str]) {
        let alone: BTreeSet<String> = alerts.iter().map(|&alert| alert.to_owned()).collect();
        self.wait_for(&format!("{alone:?} to fire, and no others"), |firing| *firing == alone);
    }

    fn wait_for(&self, what: &str, wanted: impl Fn(&BTreeSet<String>) -> bool) {
        self.stage.wait_for(what, || match self.firing() {
            Some(firing) if wanted(&firing) => Ok(()),
            firing => Err(json!(firing)),
        });
    }
}
