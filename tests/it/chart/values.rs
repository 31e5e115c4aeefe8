//! Which values the chart takes, and what becomes of the flags among them.

use std::collections::BTreeSet;

use adconversion_operator::cli::Cli;
use clap::{CommandFactory, Parser};
use rstest::rstest;
use serde_json::{Map, Value, json};

use super::{arguments, helm, read, render};

/// Flags that the chart sets by itself.
const OWN: [&str; 7] = [
    "ambient-credentials-namespaces",
    "leader-elect",
    "lease-name",
    "lease-namespace",
    "ledger-url",
    "listen",
    "watch-namespaces",
];

/// The flags of `adconversion run`, asked from the program.
fn flags() -> BTreeSet<String> {
    let program = Cli::command();
    let run = program.find_subcommand("run").unwrap();
    let flags = run.get_arguments().filter_map(|argument| argument.get_long());
    flags.filter(|flag| *flag != "help").map(str::to_owned).collect()
}

fn schema() -> Value {
    serde_json::from_str(&read("values.schema.json")).unwrap()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// Values in Kubernetes' own words.
const KUBERNETES: [&str; 9] = [
    "affinity",
    "dnsConfig",
    "livenessProbe",
    "podSecurityContext",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "strategy",
];

/// A property, or the definition it refers to, alone or first.
fn resolved<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    let name = property.get("allOf").map_or(property, |all| &all[0])["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix("#/definitions/"));
    name.map_or(property, |name| &schema["definitions"][name])
}

/// A value that the schema takes.
fn sample(property: &Value) -> Value {
    match property["$ref"].as_str() {
        Some(name) if name.starts_with("#/definitions/duration") => json!("1h30m"),
        Some("#/definitions/url") => json!("http://127.0.0.1:4000"),
        _ if property["type"] == "boolean" => json!(false),
        _ => match property["pattern"].as_str() {
            Some("^v[0-9]+$") => json!("v27"),
            Some(pattern) if pattern.starts_with("^$|") => json!("127.0.0.1:8081"),
            Some("^/[^/]") => json!("/var/run/tokens"),
            Some(pattern) if pattern.contains("debug") => json!("warn,adconversion_operator=debug"),
            Some(_) => json!("2027-03"),
            None => json!("text"),
        },
    }
}

/// Values with which the chart passes every flag.
fn all_flags() -> Value {
    let schema = schema();
    let properties = schema["properties"]["config"]["properties"].as_object().unwrap();
    let mut config: Map<String, Value> = properties
        .iter()
        .map(|(key, property)| (key.clone(), sample(property)))
        .collect();
    // Of these three, each must be shorter than the one before.
    config["leaseRenew"] = json!("1h");
    config["leaseRetry"] = json!("30m");
    json!({"config": config, "watchNamespaces": ["marketing"], "leaderElection": {"enabled": true},
        "ambientCredentialsNamespaces": ["marketing", "sales"]})
}

/// The names of the flags that the chart passes.
fn passed<'a>(arguments: &[&'a str]) -> BTreeSet<&'a str> {
    let flags = arguments
        .iter()
        .filter_map(|argument| Some(argument.strip_prefix("--")?.split_once('=')?.0));
    flags.collect()
}

#[test]
fn every_key_of_config_is_a_flag_of_the_program() {
    let values = all_flags();
    let config = &values["config"];
    let objects = render(&values);
    let arguments = arguments(&objects);
    let passed = passed(&arguments);
    let known = flags();
    assert!(OWN.iter().all(|flag| known.contains(*flag)));
    assert_eq!(passed, known.iter().map(String::as_str).collect());
    for flag in known.iter().filter(|flag| !OWN.contains(&flag.as_str())) {
        let mut words = flag.split('-');
        let first = words.next().unwrap().to_owned();
        let key = words.fold(first, |key, word| key + &word[..1].to_uppercase() + &word[1..]);
        let value = &config[&key];
        let expected = format!(
            "--{flag}={}",
            value.as_str().map_or_else(|| value.to_string(), str::to_owned)
        );
        assert!(arguments.contains(&expected.as_str()), "{expected}: {arguments:?}");
    }
    for arguments in [arguments, super::arguments(&render(&json!({})))] {
        let line = std::iter::once("adconversion").chain(arguments);
        Cli::try_parse_from(line).expect("the program takes what the chart passes");
    }
}

/// What of the other ways to set a flag would have no effect, or keep the program from starting.
#[test]
fn a_flag_that_the_chart_passes_is_set_in_no_other_way() {
    let program = Cli::command();
    let run = program.find_subcommand("run").unwrap();
    let variable = |flag: &str| {
        let of_flag = |argument: &&clap::Arg| argument.get_long() == Some(flag);
        let argument = run.get_arguments().find(of_flag).unwrap();
        argument.get_env().unwrap().to_str().unwrap().to_owned()
    };
    for values in [json!({}), all_flags(), json!({"sandbox": {"enabled": true}})] {
        let objects = render(&values);
        let arguments = operators(&objects);
        for flag in passed(&arguments) {
            let variable = variable(flag);
            for (value, addition, says) in [
                (
                    "extraEnv",
                    json!({"name": &variable, "value": "x"}),
                    format!("extraEnv: {variable} would have no effect"),
                ),
                (
                    "extraArgs",
                    json!(format!("--{flag}=x")),
                    format!("extraArgs: the chart passes --{flag} already"),
                ),
            ] {
                let mut values = values.clone();
                values[value] = json!([addition]);
                let output = helm(&["template", "adconversion-operator"], &values);
                assert!(
                    !output.success() && output.stderr.contains(&says),
                    "{says}: {}",
                    output.stderr
                );
            }
        }
    }
}

/// The arguments of the operator, beside which the simulation may be.
fn operators(objects: &[Value]) -> Vec<&str> {
    let named =
        |object: &&Value| object["kind"] == "Deployment" && object["metadata"]["name"] == "adconversion-operator";
    let deployment = objects.iter().find(named).unwrap();
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
        .as_array()
        .unwrap();
    arguments.iter().map(|argument| argument.as_str().unwrap()).collect()
}

#[test]
fn values_and_schema_name_the_same_things() {
    let values: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let schema = schema();
    assert_eq!(keys(&values), keys(&schema["properties"]));
    for (name, value) in values.as_object().unwrap() {
        let property = resolved(&schema, &schema["properties"][name]);
        let open = property.get("additionalProperties").is_some_and(Value::is_object);
        if !value.is_object() || open || name == "global" {
            continue;
        }
        assert_eq!(property["additionalProperties"], false, "{name}");
        let (given, known) = (keys(value), keys(&property["properties"]));
        // Members of Kubernetes' own have no default each.
        let ours = !KUBERNETES.contains(&name.as_str()) && name != "config";
        assert!(
            if ours { given == known } else { given.is_subset(&known) },
            "{name}: {given:?}, {known:?}"
        );
    }
    let text = read("values.yaml");
    for key in keys(&schema["properties"]["config"]["properties"]) {
        assert!(
            text.contains(&format!("\n  # {key}: ")),
            "values.yaml does not name config.{key}"
        );
    }
}

#[rstest]
#[case::unknown(json!({"replicaCount": 2}), "replicaCount")]
#[case::unknown_flag(json!({"config": {"leaderElect": "true"}}), "leaderElect")]
#[case::flag_of_the_chart(json!({"config": {"ledgerUrl": "sqlite://x"}}), "ledgerUrl")]
#[case::unknown_member(json!({"persistence": {"mode": "x"}}), "mode")]
#[case::unknown_member_of_crds(json!({"crds": {"install": true}}), "install")]
#[case::days(json!({"config": {"overlap": "1d"}}), "/config/overlap")]
#[case::bare_number(json!({"config": {"overlap": 60}}), "/config/overlap")]
#[case::empty_duration(json!({"config": {"overlap": ""}}), "/config/overlap")]
#[case::log_level(json!({"config": {"logLevel": "inof"}}), "/config/logLevel")]
#[case::event_metrics(json!({"config": {"eventMetrics": "no"}}), "/config/eventMetrics")]
#[case::log_format(json!({"config": {"logFormat": "xml"}}), "/config/logFormat")]
#[case::endpoint(json!({"config": {"hubspotEndpoint": "api.hubapi.com"}}), "/config/hubspotEndpoint")]
#[case::version(json!({"config": {"googleAdsVersion": "26"}}), "/config/googleAdsVersion")]
#[case::namespace(json!({"watchNamespaces": ["Marketing"]}), "/watchNamespaces/0")]
#[case::one_namespace(json!({"watchNamespaces": "marketing"}), "/watchNamespaces")]
#[case::digest(json!({"image": {"digest": "sha256:12"}}), "/image/digest")]
#[case::repository(json!({"image": {"repository": "Upper"}}), "/image/repository")]
#[case::repository_on_a_host(json!({"image": {"repository": "registry.example/Upper"}}), "/image/repository")]
#[case::admin_api_for_all(json!({"config": {"adminListen": "0.0.0.0:8081"}}), "/config/adminListen")]
#[case::admin_api_for_the_network(json!({"config": {"adminListen": "[::]:8081"}}), "/config/adminListen")]
#[case::admin_api_at_any_port(json!({"config": {"adminListen": "127.0.0.1:0"}}), "/config/adminListen")]
#[case::tag(json!({"image": {"tag": "-x"}}), "/image/tag")]
#[case::dots_in_a_name(json!({"fullnameOverride": "a.b"}), "/fullnameOverride")]
#[case::a_name_of_a_service(json!({"fullnameOverride": "1a"}), "/fullnameOverride")]
#[case::dots_in_a_namespace(json!({"dashboard": {"namespace": "a.b"}}), "/dashboard/namespace")]
#[case::two_successes(json!({"livenessProbe": {"successThreshold": 2}}), "/livenessProbe/successThreshold")]
#[case::size(json!({"persistence": {"size": "big"}}), "/persistence/size")]
#[case::never_a_pause(json!({"sandbox": {"every": "0s"}}), "/sandbox/every")]
#[case::no_pause_to_speak_of(json!({"sandbox": {"every": "10ms"}}), "/sandbox/every")]
#[case::no_port_of_the_api_server(json!({"networkPolicy": {"egress": {"apiServerPorts": []}}}), "/networkPolicy/egress/apiServerPorts")]
#[case::no_port_of_postgresql(json!({"networkPolicy": {"egress": {"postgresqlPorts": []}}}), "/networkPolicy/egress/postgresqlPorts")]
#[case::no_room(json!({"persistence": {"size": "0"}}), "/persistence/size")]
#[case::a_grace_period_of_readiness(json!({"readinessProbe": {"terminationGracePeriodSeconds": 5}}), "/readinessProbe/terminationGracePeriodSeconds")]
#[case::no_address(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["10.1.2.300/32"]}}}), "/networkPolicy/egress/apiServerCIDRs/0")]
#[case::no_length(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["fd00::1/129"]}}}), "/networkPolicy/egress/apiServerCIDRs/0")]
fn values_it_does_not_know_are_refused(#[case] values: Value, #[case] says: &str) {
    let output = helm(&["template", "adconversion-operator"], &values);
    assert!(!output.success(), "{values} is taken");
    assert!(
        output.stderr.contains("don't meet the specifications of the schema"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains(says), "{}", output.stderr);
}

#[rstest]
#[case::zero(json!({"config": {"newActionHold": "0s"}}))]
#[case::all_units(json!({"config": {"overlap": "1h2m3s4ms"}}))]
#[case::binary_size(json!({"persistence": {"size": "1Pi"}}))]
#[case::size_by_an_exponent(json!({"persistence": {"size": "1e9"}}))]
#[case::whole_bytes(json!({"persistence": {"size": "1073741824"}}))]
#[case::pauses(json!({"sandbox": {"every": "1h0m30s"}}))]
#[case::successes_until_ready(json!({"readinessProbe": {"successThreshold": 2}}))]
#[case::a_registry_with_a_port(json!({"image": {"repository": "localhost:5000/ads/adconversion_operator", "tag": "v0.1.0-rc.1"}}))]
#[case::a_registry_in_capitals(json!({"image": {"repository": "Registry.Example:5000/ads/operator"}}))]
#[case::admin_api_of_version_6(json!({"config": {"adminListen": "[::1]:8081"}}))]
#[case::no_admin_api(json!({"config": {"adminListen": ""}}))]
#[case::a_condition_of_another_chart(json!({"enabled": true}))]
#[case::inside_another_chart(json!({"global": {"registry": "x"}}))]
#[case::addresses(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["10.0.0.1/32", "0.0.0.0/0", "::/0", "fd00::1/128"]}}}))]
#[case::a_grace_period_of_liveness(json!({"livenessProbe": {"terminationGracePeriodSeconds": 5}}))]
fn values_it_knows_are_taken(#[case] values: Value) {
    let output = helm(&["template", "adconversion-operator"], &values);
    assert!(output.success(), "{}", output.stderr);
}
