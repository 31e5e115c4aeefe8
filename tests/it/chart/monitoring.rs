//! Alerts and dashboard: in the words of Prometheus, about metrics that there are, with a way out of each alert.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use xtask::{process, prometheus};

use super::{LIMIT, read, render, the};

const ALERTS: &str = "files/alerts.yaml";

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let letters = heading.trim_start_matches('#').trim().to_lowercase();
    letters
        .chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

fn alerts(values: &Value) -> Vec<Value> {
    let mut values = values.clone();
    values["prometheusRule"]["enabled"] = json!(true);
    let objects = render(&values);
    let groups = &the(&objects, "PrometheusRule")["spec"]["groups"];
    groups[0]["rules"].as_array().unwrap().clone()
}

fn names(rules: &[Value]) -> Vec<&str> {
    rules.iter().filter_map(|rule| rule["alert"].as_str()).collect()
}

#[test]
fn every_alert_leads_to_a_section_that_is_there() {
    let operations = page("docs/operations.md");
    let anchors: BTreeSet<String> = operations
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    let base = "https://example.com/operations.md";
    let rules = alerts(&json!({"prometheusRule": {"runbookUrl": base}}));
    assert!(rules.len() >= 12, "{rules:?}");
    for rule in &rules {
        let name = rule["alert"].as_str().unwrap();
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        let section = url.strip_prefix(base).and_then(|rest| rest.strip_prefix('#')).unwrap();
        assert_eq!(section, name.to_lowercase());
        assert!(anchors.contains(section), "docs/operations.md has no section {name}");
        for annotation in ["summary", "description"] {
            assert!(
                rule["annotations"][annotation]
                    .as_str()
                    .is_some_and(|text| text.ends_with('.')),
                "{name}"
            );
        }
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity}"
        );
    }
    let headings: Vec<&str> = operations
        .lines()
        .filter_map(|line| line.strip_prefix("### AdConversion"))
        .collect();
    assert_eq!(
        headings.len(),
        rules.len(),
        "a section for each alert, and for no other: {headings:?}"
    );
}

#[test]
fn the_rules_are_about_this_release() {
    let job = |values: Value| alerts(&values)[0]["expr"].as_str().unwrap().to_owned();
    assert!(job(json!({})).contains(r#"job="adconversion-operator-metrics""#));
    assert!(job(json!({"podMonitor": {"enabled": true}})).contains(r#"job="system/adconversion-operator""#));
    assert!(job(json!({"prometheusRule": {"job": "mine"}})).contains(r#"job="mine""#));
    let volume = |values: Value| {
        let rules = alerts(&values);
        let rule = rules
            .iter()
            .find(|rule| rule["alert"] == "AdConversionLedgerVolumeFull");
        rule.map(|rule| rule["expr"].as_str().unwrap().to_owned())
    };
    assert!(
        volume(json!({}))
            .unwrap()
            .contains(r#"="adconversion-operator-ledger""#)
    );
    assert!(
        volume(json!({"persistence": {"existingClaim": "mine"}}))
            .unwrap()
            .contains(r#"="mine""#)
    );
    assert_eq!(
        volume(json!({"ledger": {"postgresql": {"urlSecretRef": {"name": "x"}}}})),
        None
    );
    assert_eq!(volume(json!({"persistence": {"enabled": false}})), None);
}

#[test]
fn alerts_can_be_left_out_labelled_and_added() {
    let all = alerts(&json!({}));
    let extra = json!({"alert": "Mine", "expr": "vector(1)"});
    let rules = alerts(&json!({"prometheusRule": {"disabled": ["AdConversionThrottled"],
        "alertLabels": {"team": "ads", "severity": "none"}, "extraRules": [extra]}}));
    assert_eq!(rules.len(), all.len());
    assert!(!names(&rules).contains(&"AdConversionThrottled") && rules.contains(&extra));
    assert_eq!(rules[0]["labels"], json!({"team": "ads", "severity": "critical"}));
}

/// A file of rules with a directory of its own.
fn file(name: &str, text: &str) -> std::path::PathBuf {
    let path = xtask::control_plane::new_directory().unwrap().join(name);
    fs::write(&path, text).unwrap();
    path
}

fn promtool(arguments: &[&str], path: &Path) -> process::Output {
    let mut command = std::process::Command::new(prometheus::promtool().unwrap());
    command.args(arguments).arg(path);
    process::run(command, None, LIMIT).unwrap()
}

#[test]
fn the_rules_fire_when_they_should_and_not_before() {
    let release = json!({"namespaceOverride": "adconversion-system"});
    let rules = json!({"groups": [{"name": "x", "rules": alerts(&release)}]}).to_string();
    let path = file("rules.yaml", &rules);
    let output = promtool(&["check", "rules"], &path);
    assert!(output.success(), "{}{}", output.stdout, output.stderr);
    let cases = page("tests/it/chart/alerts.test.yaml");
    for name in names(&alerts(&json!({}))) {
        assert!(cases.contains(&format!("alertname: {name}\n")), "no case for {name}");
    }
    let tests = path.with_file_name("tests.yaml");
    fs::write(&tests, cases).unwrap();
    let output = promtool(&["test", "rules"], &tests);
    assert!(output.success(), "{}{}", output.stdout, output.stderr);
}

/// Names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.split(|letter| !word(letter))
        .filter(|name| name.starts_with("adconversion_") || name.starts_with("process_"))
        .map(|name| name.trim_end_matches("_bucket"))
        .collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("files/dashboard.json")).unwrap()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn alerts_and_dashboard_are_about_metrics_that_there_are() {
    let there = crate::metrics::exposed();
    let there = crate::metrics::found(&there);
    // The process's own are read from the system when they are scraped.
    let documented = page("docs/metrics.md");
    let known = |name: &&str| there.contains_key(*name) || documented.contains(&format!("| `{name}` |"));
    let (alerts, dashboard) = (read(ALERTS), expressions(&dashboard()).join(" "));
    for text in [&alerts, &dashboard] {
        let named = metrics(text);
        assert!(named.len() > 8, "{named:?}");
        let unknown: Vec<_> = named.iter().filter(|name| !known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

/// Releases of one name have the same job. Series by event have the event's namespace, all others the operator's.
#[test]
fn releases_of_one_name_are_told_apart_by_their_namespace() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let query = |name: &str| {
        let variable = variables.iter().find(|variable| variable["name"] == name);
        variable.unwrap_or_else(|| panic!("no ${name}"))["query"]["query"].clone()
    };
    let operators = r#"label_values(adconversion_build_info{job=~"$job"}, namespace)"#;
    assert_eq!(query("operator"), operators);
    assert_eq!(query("namespace"), "label_values(adconversion_event_ready, namespace)");
    for expression in expressions(&dashboard) {
        let by_event = expression.contains("adconversion_event_");
        let variable = if by_event { "namespace" } else { "operator" };
        let filter = format!(r#"namespace=~"${variable}""#);
        assert_eq!(
            expression.matches(&filter).count(),
            expression.matches('{').count(),
            "{expression}"
        );
    }
}

#[test]
fn prometheus_understands_the_dashboard() {
    let dashboard = dashboard();
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 20, "{expressions:?}");
    let rules: Vec<Value> = expressions
        .iter()
        .map(|expression| json!({"record": "x", "expr": expression.replace("$__rate_interval", "5m")}))
        .collect();
    let rules: Vec<Value> = rules
        .into_iter()
        .enumerate()
        .map(|(number, mut rule)| {
            rule["record"] = json!(format!("panel_{number}"));
            rule
        })
        .collect();
    let path = file(
        "panels.yaml",
        &json!({"groups": [{"name": "x", "rules": rules}]}).to_string(),
    );
    let output = promtool(&["check", "rules"], &path);
    assert!(output.success(), "{}{}", output.stdout, output.stderr);
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels {}", panel["id"]);
        let place = &panel["gridPos"];
        assert!(
            place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24,
            "{panel}"
        );
    }
    let objects = render(&json!({"dashboard": {"enabled": true}}));
    let map = the(&objects, "ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let shipped: Value = serde_json::from_str(map["data"]["adconversion-operator.json"].as_str().unwrap()).unwrap();
    assert_eq!(shipped, dashboard);
}

#[test]
fn monitors_lead_to_the_port_of_the_metrics() {
    let objects = render(&json!({"serviceMonitor": {"enabled": true, "namespace": "monitoring", "interval": "1m"}}));
    let monitor = the(&objects, "ServiceMonitor");
    assert_eq!(monitor["metadata"]["namespace"], "monitoring");
    let spec = &monitor["spec"];
    assert_eq!(spec["namespaceSelector"]["matchNames"], json!(["system"]));
    let service = the(&objects, "Service");
    assert_eq!(spec["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(
        (&spec["endpoints"][0]["interval"], &spec["endpoints"][0]["honorLabels"]),
        (&json!("1m"), &json!(true))
    );
    for (name, value) in spec["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&service["metadata"]["labels"][name], value);
    }
    let objects = render(&json!({"podMonitor": {"enabled": true}}));
    let spec = &the(&objects, "PodMonitor")["spec"];
    assert_eq!(
        spec["podMetricsEndpoints"][0]["port"],
        super::container(&objects)["ports"][0]["name"]
    );
    assert_eq!(spec["selector"], the(&objects, "Deployment")["spec"]["selector"]);
}
