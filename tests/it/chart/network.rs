//! The `NetworkPolicy`: what the operator needs and nothing else.

use rstest::rstest;
use serde_json::{Value, json};

use super::{of_kind, render, the};

fn policy(values: &Value) -> Value {
    let mut values = values.clone();
    values["networkPolicy"]["enabled"] = json!(true);
    let objects = render(&values);
    let found = of_kind(&objects, "NetworkPolicy").into_iter();
    let mut found = found.filter(|policy| policy["metadata"]["name"] == "adconversion-operator");
    found.next().unwrap()["spec"].clone()
}

/// The ports of each rule for what goes out.
fn ports(policy: &Value) -> Vec<Vec<Value>> {
    let rules = policy["egress"].as_array().unwrap();
    let ports = |rule: &Value| {
        rule["ports"]
            .as_array()
            .unwrap()
            .iter()
            .map(|port| port["port"].clone())
            .collect()
    };
    rules.iter().map(ports).collect()
}

#[test]
fn nothing_is_limited_unless_it_is_asked_for() {
    assert!(of_kind(&render(&json!({})), "NetworkPolicy").is_empty());
}

#[test]
fn out_go_names_the_api_server_and_https() {
    let found = policy(&json!({}));
    assert_eq!(found["policyTypes"], json!(["Ingress", "Egress"]));
    let selector = the(&render(&json!({})), "Deployment")["spec"]["selector"].clone();
    assert_eq!(found["podSelector"], selector);
    assert_eq!(
        ports(&found),
        [
            vec![json!(53), json!(53)],
            vec![json!(443), json!(6443)],
            vec![json!(443)]
        ]
    );
    assert_eq!(
        found["ingress"],
        json!([{"ports": [{"port": "http", "protocol": "TCP"}]}])
    );
}

#[test]
fn what_else_is_configured_can_be_reached() {
    let found = policy(&json!({
        "ledger": {"postgresql": {"urlSecretRef": {"name": "x"}}},
        "ambientCredentialsNamespaces": ["marketing"],
        "networkPolicy": {"egress": {"apiServerCIDRs": ["10.0.0.1/32"], "postgresqlPorts": [6432],
            "extra": [{"ports": [{"port": 3128, "protocol": "TCP"}]}]}},
    }));
    let all = ports(&found);
    assert!(all.contains(&vec![json!(6432)]) && all.contains(&vec![json!(3128)]));
    assert!(all.contains(&vec![json!(80), json!(988)]), "the metadata server");
    assert_eq!(found["egress"][1]["to"], json!([{"ipBlock": {"cidr": "10.0.0.1/32"}}]));
}

#[rstest]
#[case::proxy(json!({"proxy": {"httpsProxy": "http://proxy:3128"}}), &[443, 3128])]
#[case::proxy_by_address(json!({"proxy": {"httpsProxy": "http://[fd00::1]:8080/"}}), &[443, 8080])]
#[case::proxy_with_a_password(json!({"proxy": {"httpsProxy": "https://ada:1@proxy.example"}}), &[443])]
#[case::proxy_at_the_port_of_its_scheme(json!({"proxy": {"httpsProxy": "http://proxy"}}), &[443, 80])]
#[case::proxy_in_a_variable(json!({"extraEnv": [{"name": "https_proxy", "value": "proxy:3128"}]}), &[443, 3128])]
#[case::addresses(json!({"config": {"hubspotEndpoint": "http://a:4000/x:1", "googleTokenEndpoint": "https://b:4000/token"}}), &[443, 4000])]
#[case::scheme_in_capitals(json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "HTTP://proxy:3128"}]}), &[443, 3128])]
#[case::secure_scheme_in_capitals(json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "HTTPS://proxy"}]}), &[443])]
#[case::no_port_behind_the_colon(json!({"proxy": {"httpsProxy": "http://proxy:"}}), &[443, 80])]
#[case::password_out_of_a_variable(json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://ada:$(P)@proxy:3128"}]}), &[443, 3128])]
#[case::host_out_of_a_variable(json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://$(H):3128"}]}), &[443, 3128])]
#[case::port_out_of_a_variable(json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://$(H):$(P)"}]}), &[443])]
#[case::other_variables(json!({"extraEnv": [{"name": "PORT", "value": "proxy:3128"}]}), &[443])]
fn the_way_out_is_open(#[case] values: Value, #[case] expected: &[u16]) {
    let found = policy(&values);
    let expected: Vec<Value> = expected.iter().map(|port| json!(port)).collect();
    assert_eq!(ports(&found)[2], expected);
}

fn in_a_secret() -> Value {
    json!([{"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}])
}

fn out_of_variables() -> Value {
    json!([{"name": "HTTPS_PROXY", "value": "http://$(HOST):$(PORT)"}])
}

const IN_A_SECRET: &str = "the port of the proxy is not known here, as its address is in a Secret (HTTPS_PROXY)";
const OUT_OF_VARIABLES: &str =
    "the port of the proxy is not known here, as it comes out of another variable (HTTPS_PROXY)";
const FROM_ELSEWHERE: &str = "what extraEnvFrom sets is not known here";

/// Nobody but the cluster knows the port of a proxy whose address is in a Secret.
#[rstest]
#[case::in_a_secret(json!({"extraEnv": in_a_secret()}), IN_A_SECRET)]
#[case::out_of_variables(json!({"extraEnv": out_of_variables()}), OUT_OF_VARIABLES)]
#[case::from_elsewhere(json!({"extraEnvFrom": [{"secretRef": {"name": "proxy"}}]}), FROM_ELSEWHERE)]
fn a_port_that_may_be_missing_is_in_the_notes(#[case] values: Value, #[case] says: &str) {
    let notes = |policy: Value| {
        let mut values = values.clone();
        values["networkPolicy"] = policy;
        let install = ["install", "adconversion-operator", "--dry-run=client"];
        super::helm(&install, &values).ok().unwrap()
    };
    let warning = format!("WARNING: {says}");
    let limited = notes(json!({"enabled": true}));
    assert!(limited.contains(&warning), "{limited}");
    let allowed = json!({"enabled": true, "egress": {"extra": [{"ports": [{"port": 3128}]}]}});
    for policy in [allowed, json!({})] {
        let notes = notes(policy);
        assert!(!notes.contains(&warning), "{notes}");
    }
}

#[test]
fn a_port_that_is_known_is_not_in_the_notes() {
    let known = json!({"networkPolicy": {"enabled": true}, "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://ada:$(P)@proxy:3128"}]});
    let install = ["install", "adconversion-operator", "--dry-run=client"];
    let notes = super::helm(&install, &known).ok().unwrap();
    assert!(!notes.contains("WARNING: the port"), "{notes}");
}

/// A rule without ports lets everything out.
#[test]
fn no_rule_is_without_ports() {
    let most = json!({"ledger": {"postgresql": {"urlSecretRef": {"name": "x"}}}, "ambientCredentialsNamespaces": ["marketing"]});
    for values in [json!({}), json!({"sandbox": {"enabled": true}}), most] {
        for rule in policy(&values)["egress"].as_array().unwrap() {
            let ports = rule["ports"].as_array();
            assert!(ports.is_some_and(|ports| !ports.is_empty()), "{values}: {rule}");
        }
    }
}

#[test]
fn who_may_read_metrics_can_be_named_and_the_test_may() {
    let peer = json!({"namespaceSelector": {"matchLabels": {"name": "monitoring"}}});
    let values = json!({"networkPolicy": {"ingress": {"from": [peer]}}});
    let from = policy(&values)["ingress"][0]["from"].clone();
    assert_eq!(from[0], peer);
    let objects = render(&json!({}));
    let labels = &the(&objects, "Pod")["metadata"]["labels"];
    for (name, value) in from[1]["podSelector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[name], value);
    }
}

#[test]
fn with_the_sandbox_nothing_leaves_the_cluster() {
    let objects = render(&json!({"sandbox": {"enabled": true}, "networkPolicy": {"enabled": true}}));
    let policies = of_kind(&objects, "NetworkPolicy");
    let of = |name: &str| {
        policies
            .iter()
            .find(|policy| policy["metadata"]["name"] == name)
            .unwrap()
    };
    let operator = &of("adconversion-operator")["spec"];
    assert_eq!(
        ports(operator),
        [
            vec![json!(53), json!(53)],
            vec![json!(443), json!(6443)],
            vec![json!("sandbox")]
        ]
    );
    let sandbox = &of("adconversion-operator-sandbox")["spec"];
    assert!(sandbox.get("egress").is_none(), "it asks nobody");
    let deployments = of_kind(&objects, "Deployment");
    let selectors: Vec<&Value> = deployments
        .iter()
        .map(|deployment| &deployment["spec"]["selector"])
        .collect();
    assert!(selectors.contains(&&sandbox["podSelector"]));
    assert_eq!(
        operator["egress"][2]["to"],
        json!([{"podSelector": sandbox["podSelector"]}])
    );
    assert_eq!(
        sandbox["ingress"][0]["from"],
        json!([{"podSelector": operator["podSelector"]}])
    );
}
