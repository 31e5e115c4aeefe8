//! Values that contradict each other are refused with a sentence;
//! values that are set to null are left out, or missed by name.

use rstest::rstest;
use serde_json::{Value, json};

use super::{helm, parse, read, render, the};

fn database() -> Value {
    json!({"postgresql": {"urlSecretRef": {"name": "ledger"}}})
}

fn refusal(values: &Value) -> String {
    let output = helm(&["template", "adconversion-operator"], values);
    assert!(!output.success(), "{values} is taken");
    output.stderr
}

#[rstest]
#[case::replicas_on_a_file(json!({"replicas": 2, "leaderElection": {"enabled": true}}),
    "replicas: 2 needs a ledger in PostgreSQL, because a file is one pod's: set ledger.postgresql.urlSecretRef.name")]
#[case::replicas_without_a_lease(json!({"replicas": 3, "ledger": database()}), "replicas: 3 needs leaderElection.enabled")]
#[case::both_monitors(json!({"serviceMonitor": {"enabled": true}, "podMonitor": {"enabled": true}}),
    "serviceMonitor.enabled and podMonitor.enabled exclude each other")]
#[case::both_bundles(json!({"caBundle": {"configMap": "a", "secret": "b"}}), "caBundle.configMap and caBundle.secret exclude each other")]
#[case::no_name_server(json!({"dnsPolicy": "None"}), "dnsPolicy None needs dnsConfig.nameservers")]
#[case::no_name_server_listed(json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": []}}), "dnsConfig.nameservers")]
#[case::rolls_on_a_file(json!({"strategy": {"type": "RollingUpdate"}}), "strategy.type RollingUpdate would never end")]
#[case::rolls_by_a_share(json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}}}), "would never end")]
#[case::rolls_with_none_missing(json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}}), "would never end")]
#[case::rolls_without_a_type(json!({"strategy": {"rollingUpdate": {"maxUnavailable": 0}}}), "strategy.rollingUpdate needs strategy.type RollingUpdate")]
#[case::recreates_and_rolls(json!({"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}}), "strategy.rollingUpdate needs")]
#[case::proxy_twice(json!({"proxy": {"httpsProxy": "http://p:1"}, "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://q:1"}]}),
    "extraEnv and proxy.httpsProxy both set HTTPS_PROXY: use one of them")]
#[case::ledger_twice(json!({"ledger": database(), "extraEnv": [{"name": "ADCONVERSION_LEDGER_URL", "value": "u"}]}),
    "extraEnv and ledger.postgresql.urlSecretRef both set ADCONVERSION_LEDGER_URL")]
#[case::ledger_in_a_variable(json!({"extraEnv": [{"name": "ADCONVERSION_LEDGER_URL", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}),
    "extraEnv: ADCONVERSION_LEDGER_URL would have no effect, because the chart passes --ledger-url, which wins. Set ledger.postgresql.urlSecretRef")]
#[case::port_in_a_variable(json!({"extraEnv": [{"name": "ADCONVERSION_LISTEN", "value": "[::]:9090"}]}),
    "the chart passes --listen, which wins. Leave it out: service.port is the port of the Service")]
#[case::namespaces_in_a_variable(json!({"watchNamespaces": ["a"], "extraEnv": [{"name": "ADCONVERSION_WATCH_NAMESPACES", "value": "b"}]}),
    "the chart passes --watch-namespaces, which wins. Set watchNamespaces")]
#[case::a_flag_twice(json!({"config": {"overlap": "2h"}, "extraArgs": ["--overlap", "3h"]}),
    "extraArgs: the chart passes --overlap already, and a flag is given once only. Set config.overlap")]
#[case::a_flag_and_its_variable(json!({"extraArgs": ["--overlap=2h"], "extraEnv": [{"name": "ADCONVERSION_OVERLAP", "value": "3h"}]}),
    "extraEnv: ADCONVERSION_OVERLAP would have no effect, because extraArgs has --overlap, which wins. Leave one of them out")]
#[case::a_port_too_high(json!({"proxy": {"httpsProxy": "http://proxy:70000"}}),
    "proxy.httpsProxy: 70000 is no port. Give one from 1 to 65535, or none, which is 80 for http and 443 for https")]
#[case::port_zero(json!({"config": {"hubspotEndpoint": "http://a:0/x"}}), "config.hubspotEndpoint: 0 is no port")]
#[case::a_port_of_a_variable(json!({"extraEnv": [{"name": "https_proxy", "value": "proxy:99999"}]}), "extraEnv https_proxy: 99999 is no port")]
#[case::no_digits(json!({"proxy": {"httpsProxy": "http://ada:se/cret@proxy"}}), "proxy.httpsProxy: what follows the last colon is no port")]
#[case::an_address_the_policy_does_not_know(
    json!({"networkPolicy": {"enabled": true}, "extraEnv": [{"name": "ADCONVERSION_GOOGLE_ADS_ENDPOINT", "value": "http://x:8443"}]}),
    "extraEnv: the NetworkPolicy does not know the address in ADCONVERSION_GOOGLE_ADS_ENDPOINT, and would not let the operator reach it. Set config.googleAdsEndpoint")]
#[case::an_argument_the_policy_does_not_know(
    json!({"networkPolicy": {"enabled": true}, "extraArgs": ["--hubspot-endpoint=http://x:8443"]}),
    "extraArgs: the NetworkPolicy does not know the address of --hubspot-endpoint, and would not let the operator reach it. Set config.hubspotEndpoint")]
#[case::an_address_or_a_network(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["10.0.0.0/8", "10.0.0.1/31"]}}}),
    "networkPolicy.egress.apiServerCIDRs: 10.0.0.1/31 is not the first address of a network of that size. Write 10.0.0.1/32 for this one address")]
#[case::an_address_or_a_network_of_ipv6(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["fd00::/8", "2001:db8:0:c::/61"]}}}),
    "networkPolicy.egress.apiServerCIDRs: 2001:db8:0:c::/61 is not the first address of a network of that size. Write 2001:db8:0:c::/128 for this one")]
#[case::whom_metrics_are_for(json!({"networkPolicy": {"ingress": {"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.1/8"}}]}}}),
    "networkPolicy.ingress.from: 10.0.0.1/8 is not the first address of a network of that size")]
#[case::a_further_way(json!({"networkPolicy": {"egress": {"extra": [{"to": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}]}}}),
    "networkPolicy.egress.extra: 10.0.0.1/8 is not the first address of a network of that size")]
#[case::an_exception_that_is_no_network(json!({"networkPolicy": {"ingress": {"from": [{"ipBlock": {"cidr": "::/0", "except": ["fd00::1/8"]}}]}}}),
    "networkPolicy.ingress.from: fd00::1/8 is not the first address of a network of that size")]
#[case::an_exception_elsewhere(json!({"networkPolicy": {"ingress": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}}}),
    "networkPolicy.ingress.from: except 11.0.0.0/16 is not a smaller network within 10.0.0.0/8. Name one that is, or leave it out")]
#[case::an_exception_of_all(json!({"networkPolicy": {"egress": {"extra": [{"to": [{"ipBlock": {"cidr": "fd00::/8", "except": ["fd00::/8"]}}]}]}}}),
    "networkPolicy.egress.extra: except fd00::/8 is not a smaller network within fd00::/8")]
#[case::an_exception_of_the_other_family(json!({"networkPolicy": {"ingress": {"from": [{"ipBlock": {"cidr": "::/0", "except": ["0.0.0.0/1"]}}]}}}),
    "networkPolicy.ingress.from: except 0.0.0.0/1 is not a smaller network within ::/0")]
#[case::a_flag_twice_among_more(json!({"extraArgs": ["--status-interval=1s", "--overlap", "3h", "--status-interval", "2s"]}),
    "extraArgs has --status-interval twice, and a flag is given once only: leave one of them out")]
#[case::a_proxy_of_variables(json!({"proxy": {"httpsProxy": "http://ada:$(P)@proxy:3128"}, "extraEnv": [{"name": "P", "value": "x"}]}),
    "proxy.httpsProxy: Kubernetes does not put variables of extraEnv in there. Set HTTPS_PROXY in extraEnv")]
#[case::ports_backwards(json!({"networkPolicy": {"egress": {"extra": [{"ports": [{"port": 90, "endPort": 80}]}]}}}),
    "networkPolicy.egress.extra: endPort 80 is below port 90")]
#[case::more_than_the_limit(json!({"resources": {"requests": {"memory": "1Gi"}}}),
    "resources: the request of memory (1Gi) is above its limit (256Mi), and Kubernetes refuses the pod. Raise limits.memory, or lower requests.memory")]
#[case::more_processor_than_the_limit(json!({"resources": {"requests": {"cpu": "0.25"}, "limits": {"cpu": "200m"}}}), "the request of cpu (0.25) is above its limit (200m)")]
#[case::more_for_the_simulation(json!({"sandbox": {"enabled": true, "resources": {"requests": {"memory": "300e6"}}}}), "sandbox.resources: the request of memory (300e6)")]
#[case::a_host_twice(json!({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}, {"ip": "10.0.0.1", "hostnames": ["b"]}]}),
    "hostAliases has 10.0.0.1 twice: give all its names in one entry")]
#[case::a_port_in_a_variable_and_the_policy(json!({"networkPolicy": {"enabled": true}, "config": {"hubspotEndpoint": "http://$(H)"}}),
    "config.hubspotEndpoint: the NetworkPolicy does not know the address in a variable")]
#[case::nobodys_account(json!({"serviceAccount": {"create": false}}),
    "serviceAccount.create false needs serviceAccount.name: without it the operator would run as the account default")]
#[case::a_variable_twice(json!({"extraEnv": [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}]}),
    "extraEnv sets A twice: leave one of them out")]
#[case::a_container_of_the_chart(json!({"extraContainers": [{"name": "operator", "image": "x"}]}),
    "extraContainers: the pod has a container named operator already: give this one another name")]
#[case::a_container_before_it_of_that_name(json!({"extraInitContainers": [{"name": "operator", "image": "x"}]}),
    "extraInitContainers: the pod has a container named operator already")]
#[case::a_container_twice(json!({"extraInitContainers": [{"name": "a", "image": "x"}], "extraContainers": [{"name": "a", "image": "x"}]}),
    "extraContainers: the pod has a container named a already")]
#[case::a_volume_twice(json!({"extraVolumes": [{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]}),
    "extraVolumes: the pod has a volume named a already: give this one another name")]
#[case::a_volume_of_the_chart(json!({"extraVolumes": [{"name": "tmp", "emptyDir": {}}]}), "extraVolumes: the pod has a volume named tmp already")]
#[case::the_ledgers_volume(json!({"extraVolumes": [{"name": "ledger", "emptyDir": {}}]}), "a volume named ledger")]
#[case::a_mount_of_the_chart(json!({"extraVolumes": [{"name": "more", "emptyDir": {}}], "extraVolumeMounts": [{"name": "more", "mountPath": "/tmp"}]}),
    "extraVolumeMounts: something else is mounted at /tmp: mount more elsewhere")]
#[case::the_ledgers_mount(json!({"extraVolumeMounts": [{"name": "more", "mountPath": "/var/lib/adconversion"}]}), "mounted at /var/lib/adconversion")]
#[case::the_bundles_mount(json!({"caBundle": {"secret": "ca"}, "extraVolumeMounts": [{"name": "more", "mountPath": "/etc/adconversion/ca"}]}),
    "mounted at /etc/adconversion/ca")]
#[case::a_mount_twice(json!({"extraVolumeMounts": [{"name": "a", "mountPath": "/x"}, {"name": "b", "mountPath": "/x"}]}), "mounted at /x: mount b elsewhere")]
#[case::a_mount_of_nothing(json!({"extraVolumes": [{"name": "more", "emptyDir": {}}], "extraVolumeMounts": [{"name": "zz", "mountPath": "/x"}]}),
    "extraVolumeMounts: the pod has no volume named zz: add it to extraVolumes, or name one of ledger, more, tmp")]
#[case::two_families_of_one(json!({"service": {"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}}),
    "service.ipFamilyPolicy SingleStack takes one of service.ipFamilies: name one, or set PreferDualStack")]
#[case::two_sockets_on_a_port(json!({"config": {"adminListen": "127.0.0.1:8080"}}), "config.adminListen: port 8080 of the pod is that of /metrics")]
#[case::rolls_without_a_lease(json!({"strategy": {"type": "RollingUpdate"}, "ledger": database()}), "would never end")]
#[case::renews_too_late(json!({"leaderElection": {"enabled": true}, "config": {"leaseRenew": "20s"}}),
    "config.leaseDuration (15s) must be longer than config.leaseRenew (20s), and that longer than config.leaseRetry (2s)")]
#[case::retries_too_late(json!({"leaderElection": {"enabled": true}, "config": {"leaseRetry": "10s"}}), "config.leaseRetry (10s)")]
#[case::in_other_units(json!({"leaderElection": {"enabled": true}, "config": {"leaseDuration": "1m500ms", "leaseRenew": "60500ms"}}),
    "config.leaseDuration (1m500ms)")]
#[case::simulation_in_a_database(json!({"sandbox": {"enabled": true}, "ledger": database()}),
    "sandbox.enabled and ledger.postgresql exclude each other")]
#[case::a_claim_that_is_not_used(json!({"persistence": {"existingClaim": "mine", "enabled": false}}),
    "persistence.existingClaim needs persistence.enabled")]
#[case::a_claim_beside_a_database(json!({"persistence": {"existingClaim": "mine"}, "ledger": {"postgresql": {"urlSecretRef": {"name": "pg"}}}}),
    "persistence.existingClaim and ledger.postgresql exclude each other")]
#[case::simulation_in_a_ledger_that_is_kept(json!({"sandbox": {"enabled": true}, "persistence": {"existingClaim": "mine"}}),
    "sandbox.enabled and persistence.existingClaim exclude each other")]
#[case::simulation_for_all(json!({"sandbox": {"enabled": true, "namespace": ""}}), "sandbox.enabled needs sandbox.namespace or watchNamespaces")]
fn contradictions_are_refused_in_words(#[case] values: Value, #[case] says: &str) {
    let error = refusal(&values);
    assert!(
        error.contains("_checks.tpl") || error.contains("execution error"),
        "{error}"
    );
    assert!(error.contains(says), "{error}");
}

#[rstest]
#[case::one_may_be_missing(json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}))]
#[case::all_may_be_missing(json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}}}))]
#[case::another_stands_by(json!({"strategy": {"type": "RollingUpdate"}, "leaderElection": {"enabled": true}, "ledger": database()}))]
#[case::times_in_other_units(json!({"leaderElection": {"enabled": true}, "config": {"leaseDuration": "1m500ms", "leaseRenew": "60400ms"}}))]
#[case::a_variable_that_nothing_else_sets(json!({"extraEnv": [{"name": "HTTPS_PROXY", "value": "http://q:1"}]}))]
#[case::a_flag_by_its_variable_alone(json!({"extraEnv": [{"name": "ADCONVERSION_OVERLAP", "value": "2h"}], "extraArgs": ["--retention=240h"]}))]
#[case::values_apart_from_their_flags(json!({"extraArgs": ["--overlap", "3h", "--retention", "240h"]}))]
#[case::an_address_without_a_policy(json!({"extraArgs": ["--hubspot-endpoint=http://x:8443"]}))]
#[case::networks(json!({"networkPolicy": {"egress": {"apiServerCIDRs": ["0.0.0.0/0", "10.0.0.2/31", "255.255.255.255/32", "fd00::1/128",
    "::/0", "fe80::/10", "2001:db8:0:8::/61", "1:2:3:4:5:6:7:8/128", "64:ff9b::1.2.3.4/128"]}}}))]
#[case::ports(json!({"networkPolicy": {"egress": {"extra": [{"ports": [{"port": 80, "endPort": 80}, {"port": "dns"}]}]}}}))]
#[case::exceptions(json!({"networkPolicy": {"ingress": {"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.3.0.0/16", "10.0.0.0/9"]}}]},
    "egress": {"extra": [{"to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": "2001:db8::/32", "except": ["2001:db8:8000::/33"]}}]}, {}]}}}))]
#[case::another_account(json!({"serviceAccount": {"create": false, "name": "default"}}))]
#[case::a_volume_of_a_name_that_is_free(json!({"ledger": database(), "extraVolumes": [{"name": "ledger", "emptyDir": {}}]}))]
#[case::a_mount_at_a_path_that_is_free(json!({"ledger": database(), "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/var/lib/adconversion"}, {"name": "more", "mountPath": "/etc/adconversion/ca"}]}))]
#[case::times_of_no_lease(json!({"config": {"leaseRenew": "20s"}}))]
#[case::simulation_beside_named_namespaces(json!({"sandbox": {"enabled": true, "namespace": ""}, "watchNamespaces": ["ads"]}))]
fn what_only_looks_like_a_contradiction_is_taken(#[case] values: Value) {
    let output = helm(&["template", "adconversion-operator"], &values);
    assert!(output.success(), "{}", output.stderr);
}

#[test]
fn without_replicas_all_but_the_pods_is_there() {
    let objects = render(&json!({"replicas": 0}));
    assert_eq!(the(&objects, "Deployment")["spec"]["replicas"], 0);
    assert_eq!(objects.len(), render(&json!({})).len());
}

/// Values that hold others: the schema misses those by name that a template cannot do without.
#[test]
fn no_value_that_is_null_ends_in_a_broken_template() {
    let defaults: Value = serde_yaml::from_str(&read("values.yaml")).unwrap();
    let base = json!({"networkPolicy": {"enabled": true}, "prometheusRule": {"enabled": true}, "serviceMonitor": {"enabled": true},
        "dashboard": {"enabled": true}, "sandbox": {"enabled": true}});
    let (mut taken, mut missed) = (0, 0);
    for (name, value) in defaults.as_object().unwrap() {
        if !value.is_object() && !value.is_array() {
            continue;
        }
        let mut values = base.clone();
        values[name] = Value::Null;
        let output = helm(&["template", "adconversion-operator"], &values);
        if output.success() {
            assert!(
                !output.stdout.contains("<nil>") && !parse(&output.stdout).is_empty(),
                "{name}"
            );
            taken += 1;
        } else {
            let says = format!("missing property '{name}'");
            assert!(output.stderr.contains(&says), "{name}: {}", output.stderr);
            missed += 1;
        }
    }
    assert!(taken > 20 && missed > 10, "{taken} taken, {missed} missed");
    let objects = render(&json!({"livenessProbe": null}));
    let container = super::container(&objects);
    assert!(
        container.get("livenessProbe").is_none() && container["readinessProbe"].is_object(),
        "{container}"
    );
}
