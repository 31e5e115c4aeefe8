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
        let open = property.get("patternProperties").is_some();
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
#[case::an_address_in_the_form_of_another(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["::ffff:10.0.0.1/96"]}}}), "/networkPolicy/egress/apiServerCIDRs/0")]
#[case::the_same_in_hexadecimal(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["::FFFF:a00:1/128"]}}}), "/networkPolicy/egress/apiServerCIDRs/0")]
#[case::three_groups(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["1:2:3/64"]}}}), "/networkPolicy/egress/apiServerCIDRs/0")]
#[case::nothing_about_the_api_server(json!({"networkPolicy": {"egress": {"apiServerPorts": null}}}), "missing property 'apiServerPorts'")]
#[case::nothing_about_postgresql(json!({"networkPolicy": {"egress": {"postgresqlPorts": null}}}), "missing property 'postgresqlPorts'")]
#[case::nobody_in_particular(json!({"networkPolicy": {"ingress": {"from": [{}]}}}), "/networkPolicy/ingress/from/0")]
#[case::addresses_and_pods(json!({"networkPolicy": {"ingress": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}}}), "/networkPolicy/ingress/from/0")]
#[case::addresses_without_any(json!({"networkPolicy": {"ingress": {"from": [{"ipBlock": {}}]}}}), "/networkPolicy/ingress/from/0/ipBlock")]
#[case::a_rule_of_the_other_way(json!({"networkPolicy": {"egress": {"extra": [{"from": []}]}}}), "/networkPolicy/egress/extra/0")]
#[case::a_rule_for_no_port(json!({"networkPolicy": {"egress": {"extra": [{"ports": [{"port": 70000}]}]}}}), "/networkPolicy/egress/extra/0/ports/0/port")]
#[case::registry_with_a_scheme(json!({"image": {"registry": "http://reg"}}), "/image/registry")]
#[case::registry_of_two_words(json!({"image": {"registry": "Reg Istry"}}), "/image/registry")]
#[case::registry_of_all(json!({"global": {"imageRegistry": "-bad-"}}), "/global/imageRegistry")]
#[case::a_tag_in_the_repository(json!({"image": {"repository": "ads/operator:1"}}), "/image/repository")]
#[case::admin_api_at_a_port_too_high(json!({"config": {"adminListen": "127.0.0.1:99999"}}), "/config/adminListen")]
#[case::admin_api_at_no_address(json!({"config": {"adminListen": "127.0.0.300:8081"}}), "/config/adminListen")]
#[case::a_label_without_a_name(json!({"commonLabels": {"": "x"}}), "/commonLabels")]
#[case::a_label_with_two_prefixes(json!({"podLabels": {"a/b/c": "x"}}), "/podLabels")]
#[case::a_label_of_two_words(json!({"serviceMonitor": {"labels": {"bad key": "x"}}}), "/serviceMonitor/labels")]
#[case::an_annotation_of_two_words(json!({"podAnnotations": {"bad key": "x"}}), "/podAnnotations")]
#[case::a_label_of_no_node(json!({"nodeSelector": {"disk": "two words"}}), "/nodeSelector/disk")]
#[case::a_label_of_alerts(json!({"prometheusRule": {"alertLabels": {"the-team": "x"}}}), "/prometheusRule/alertLabels")]
#[case::a_family_twice(json!({"service": {"ipFamilies": ["IPv4", "IPv4"]}}), "/service/ipFamilies")]
#[case::a_name_of_a_volume(json!({"extraVolumes": [{"name": "Bad_Name", "emptyDir": {}}]}), "/extraVolumes/0/name")]
#[case::a_name_of_a_container(json!({"extraContainers": [{"name": "Bad_Name", "image": "x"}]}), "/extraContainers/0/name")]
#[case::a_name_of_a_container_before(json!({"extraInitContainers": [{"name": "", "image": "x"}]}), "/extraInitContainers/0/name")]
#[case::a_name_of_a_variable(json!({"extraEnv": [{"name": "A=B", "value": "x"}]}), "/extraEnv/0/name")]
#[case::a_variable_of_two_sources(json!({"extraEnv": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}), "/extraEnv/0")]
#[case::variables_of_nothing(json!({"extraEnvFrom": [{"prefix": "A_"}]}), "/extraEnvFrom/0")]
#[case::variables_of_two_sources(json!({"extraEnvFrom": [{"configMapRef": {"name": "a"}, "secretRef": {"name": "b"}}]}), "/extraEnvFrom/0")]
#[case::a_path_with_a_colon(json!({"extraVolumeMounts": [{"name": "tmp", "mountPath": "/a:b"}]}), "/extraVolumeMounts/0/mountPath")]
#[case::dots_side_by_side(json!({"serviceAccount": {"name": "a..b"}}), "/serviceAccount/name")]
#[case::no_quantity(json!({"resources": {"requests": {"cpu": "half"}}}), "/resources/requests/cpu")]
#[case::no_share(json!({"podDisruptionBudget": {"maxUnavailable": "half"}}), "/podDisruptionBudget/maxUnavailable")]
#[case::no_name_server(json!({"dnsConfig": {"nameservers": ["dns.example"]}}), "/dnsConfig/nameservers/0")]
#[case::no_address_of_a_host(json!({"hostAliases": [{"ip": "10.0.0"}]}), "/hostAliases/0/ip")]
#[case::a_name_of_two_words(json!({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["two words"]}]}), "/hostAliases/0/hostnames/0")]
#[case::a_domain_with_a_dash_first(json!({"dnsConfig": {"searches": ["-bad_"]}}), "/dnsConfig/searches/0")]
#[case::no_resource(json!({"resources": {"requests": {"cpus": "200m"}}}), "'cpus' not allowed")]
#[case::a_way_out_of_the_volume(json!({"extraVolumeMounts": [{"name": "tmp", "mountPath": "/a", "subPath": "../y"}]}), "/extraVolumeMounts/0/subPath")]
#[case::two_ways_into_a_volume(json!({"extraVolumeMounts": [{"name": "tmp", "mountPath": "/a", "subPath": "a", "subPathExpr": "b"}]}), "/extraVolumeMounts/0")]
#[case::a_mount_with_a_slip(json!({"extraVolumeMounts": [{"name": "tmp", "mountPath": "/a", "readonly": true}]}), "'readonly' not allowed")]
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
#[case::more_addresses(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["64:ff9b::10.0.0.1/128", "1:2:3:4:5:6:7:8/128", "2001:db8::ffff:1:2/128", "fe80::/10", "::1/128"]}}}))]
#[case::peers(json!({"networkPolicy": {"ingress": {"from": [{"podSelector": {}, "namespaceSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}}}))]
#[case::rules(json!({"networkPolicy": {"egress": {"extra": [{"ports": [{"port": "http"}, {"port": 1, "endPort": 9}], "to": [{"podSelector": {}}]}, {}]}}}))]
#[case::registries(json!({"image": {"registry": "Registry.Example:5000/mirror/"}, "global": {"imageRegistry": "localhost"}}))]
#[case::a_registry_by_address(json!({"image": {"registry": "[fd00::1]:5000"}}))]
#[case::labels(json!({"commonLabels": {"example.com/team": "ads", "Team_1.a": ""}, "podAnnotations": {"Example.com/Note": "two words"}}))]
#[case::the_highest_port(json!({"config": {"adminListen": "127.255.0.1:65535"}}))]
#[case::quantities(json!({"resources": {"requests": {"cpu": 0.5, "memory": "0.5Gi"}, "limits": {"cpu": "600m", "memory": 1e9}}}))]
#[case::variables(json!({"extraEnv": [{"name": "A.b-c_1"}, {"name": "B", "value": ""}], "extraEnvFrom": [{"prefix": "A_", "configMapRef": {"name": "a", "optional": true}}]}))]
#[case::shares(json!({"podDisruptionBudget": {"maxUnavailable": "50%"}}))]
#[case::servers_of_names(json!({"dnsConfig": {"nameservers": ["10.0.0.10", "fd00::10"]}, "hostAliases": [{"ip": "::1", "hostnames": ["a"]}]}))]
#[case::resources_of_devices(json!({"resources": {"requests": {"example.com/gpu": 1, "ephemeral-storage": "1Gi"}, "limits": {"hugepages-2Mi": "4Mi"}}}))]
#[case::all_of_the_limit(json!({"resources": {"requests": {"memory": "0.25Gi", "cpu": 1}, "limits": {"cpu": "1000m"}}}))]
#[case::domains(json!({"dnsConfig": {"searches": [".", "svc.cluster.local.", "_tcp.example"]}, "hostAliases": [{"ip": "::1", "hostnames": ["a.b", "0"]}]}))]
#[case::a_mount(json!({"extraVolumeMounts": [{"name": "tmp", "mountPath": "/a", "subPath": "b/..c/...", "readOnly": true}]}))]
#[case::a_grace_period_of_liveness(json!({"livenessProbe": {"terminationGracePeriodSeconds": 5}}))]
fn values_it_knows_are_taken(#[case] values: Value) {
    let output = helm(&["template", "adconversion-operator"], &values);
    assert!(output.success(), "{}", output.stderr);
}
