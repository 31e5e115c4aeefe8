//! A real Prometheus that scrapes a test's processes and judges them by the rules of the chart.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::supervisor::Spec;
use xtask::{process, prometheus};

use super::{Stage, repository};

/// The job that the rules are about, and the claim of the ledger's volume.
pub const JOB: &str = "adconversion-operator-metrics";
pub const CLAIM: &str = "adconversion-operator-ledger";
/// What is asked of the last hours and minutes in the chart's rules, and here.
const WINDOWS: [(&str, &str); 3] = [("[6h]", "[30s]"), ("[1h]", "[30s]"), ("[15m]", "[10s]")];
/// A query is answered in less.
const ANSWER: Duration = Duration::from_secs(20);

/// A Prometheus at work.
pub struct Monitor<'a> {
    stage: &'a Stage,
    address: String,
}

/// The rules of the chart, in which hours and minutes become seconds: what a test provokes cannot last for hours. When each
/// fires is tested by promtool; here what counts is that it fires for what a real process shows.
fn rules() -> Value {
    let text = fs::read_to_string(repository().join("charts/adconversion-operator/files/alerts.yaml")).expect("rules");
    let text = text
        .replace("\"JOB\"", &format!("{JOB:?}"))
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
            rule["for"] = json!("1s");
        }
    }
    rules
}

impl Stage {
    /// Starts a Prometheus that scrapes these ports of this machine twice a second.
    pub fn monitored(&self, ports: &[u16]) -> Monitor<'_> {
        let targets: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let labels = json!({"namespace": self.namespace});
        let config = json!({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [{"job_name": JOB, "honor_labels": true,
                "static_configs": [{"targets": targets, "labels": labels}]}]});
        let write = |name: &str, value: &Value| -> PathBuf {
            let path = self.directory.join(name);
            fs::write(&path, value.to_string()).expect("a file");
            path
        };
        // JSON is YAML.
        write("rules.yaml", &rules());
        let config = write("prometheus.yaml", &config);
        let address = format!("127.0.0.1:{}", xtask::ports::free(1).expect("a port")[0]);
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
            let up = monitor.query("count(count_over_time(up[5m]) > 10)");
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
        let mut command = Command::new(prometheus::promtool().expect("promtool"));
        command.args([
            "query",
            "instant",
            "--format=json",
            &format!("http://{}", self.address),
            expression,
        ]);
        let output = process::run(command, None, ANSWER).expect("promtool ends");
        serde_json::from_str(&output.stdout).unwrap_or_default()
    }

    /// Names of the alerts that fire.
    pub fn firing(&self) -> BTreeSet<String> {
        let alerts = self.query("ALERTS{alertstate=\"firing\"}");
        let names = alerts.as_array().into_iter().flatten();
        names
            .filter_map(|alert| Some(alert["metric"]["alertname"].as_str()?.to_owned()))
            .collect()
    }

    /// Waits until this alert fires.
    pub fn fires(&self, alert: &str) {
        self.wait_for(alert, true);
    }

    /// Waits until this alert fires no more.
    pub fn ends(&self, alert: &str) {
        self.wait_for(alert, false);
    }

    /// Waits until none fires.
    pub fn quiet(&self) {
        self.stage.wait_for("no alert", || {
            let firing = self.firing();
            if firing.is_empty() { Ok(()) } else { Err(json!(firing)) }
        });
    }

    fn wait_for(&self, alert: &str, wanted: bool) {
        self.stage.wait_for(&format!("{alert} fires: {wanted}"), || {
            let firing = self.firing();
            if firing.contains(alert) == wanted {
                Ok(())
            } else {
                Err(json!(firing))
            }
        });
    }
}
