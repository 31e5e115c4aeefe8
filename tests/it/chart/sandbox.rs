//! `sandbox.enabled`: the chart's own words to both programs, and the examples, end in counted conversions.

use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use xtask::{
    control_plane::{ControlPlane, Options},
    kubectl::Kubectl,
    lab::sandbox::Sandbox,
    supervisor::{Spec, Supervisor},
};

use super::{chart, helm, helm_on, of_kind, parse, render, the};
use crate::{
    e2e::stage::binary,
    support::cluster::{cluster, namespace},
};

const RELEASE: &str = "adconversion-operator";
const SYSTEM: &str = "adconversion-system";
const USERS: &str = "marketing";
/// Where the operator of this release finds the sandbox.
const SERVICE: &str = "http://adconversion-operator-sandbox.adconversion-system.svc:8787";
const LIMIT: Duration = Duration::from_mins(3);

/// The arguments of a deployment's only container, in the cluster.
fn arguments(kubectl: &Kubectl, deployment: &str) -> Vec<String> {
    let deployment = kubectl
        .json(&["get", "deployment", deployment, "--namespace", SYSTEM])
        .unwrap();
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    let texts = arguments.as_array().unwrap().iter();
    texts.map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

/// Starts both programs with the arguments of the release, moved to this machine's loopback.
fn start(plane: &ControlPlane, supervisor: &Supervisor, directory: &std::path::Path) -> Sandbox {
    let kubectl = plane.client();
    let map = [
        "get",
        "configmap",
        "adconversion-operator-sandbox",
        "--namespace",
        SYSTEM,
    ];
    let map = kubectl.json(&map).unwrap();
    let orders = directory.join("orders.json");
    fs::write(&orders, map["data"]["orders.json"].as_str().unwrap()).unwrap();
    let orders = format!("--orders={}", orders.display());
    let given = arguments(kubectl, "adconversion-operator-sandbox");
    let moved = given
        .iter()
        .filter(|argument| !argument.starts_with("--listen=") && !argument.starts_with("--admin="));
    let moved: Vec<&str> = moved
        .map(|argument| {
            if argument.starts_with("--orders=") {
                orders.as_str()
            } else {
                argument.as_str()
            }
        })
        .collect();
    assert_eq!(moved.len(), given.len() - 2, "{given:?}");
    let program = binary("ADCONVERSION_SANDBOX_BIN", "adconversion-sandbox");
    let sandbox = Sandbox::start(supervisor, program, directory, &moved).unwrap();

    let kubeconfig = plane.service_account_kubeconfig(SYSTEM, RELEASE).unwrap();
    let given = arguments(kubectl, RELEASE);
    assert!(
        given.iter().filter(|argument| argument.contains(SERVICE)).count() == 4,
        "{given:?}"
    );
    let mut moved: Vec<String> = given
        .iter()
        .filter(|argument| !argument.starts_with("--listen=") && !argument.starts_with("--ledger-url="))
        .map(|argument| argument.replace(SERVICE, &sandbox.upstream))
        .collect();
    moved.push("--listen=127.0.0.1:0".to_owned());
    moved.push("--admin-listen=".to_owned());
    moved.push(format!(
        "--ledger-url=sqlite://{}",
        directory.join("ledger.db").display()
    ));
    let operator = Spec {
        name: "operator".to_owned(),
        program: binary("ADCONVERSION_BIN", "adconversion"),
        arguments: moved,
        environment: BTreeMap::from([("KUBECONFIG".to_owned(), kubeconfig.display().to_string())]),
        log: directory.join("operator.log"),
    };
    supervisor.run(operator).unwrap();
    sandbox
}

/// The events that are not yet ready with an uploaded conversion, and how many were uploaded by action.
fn missing(kubectl: &Kubectl) -> (Vec<String>, BTreeMap<String, u64>) {
    let events = kubectl.json(&["get", "adce", "--namespace", USERS]).unwrap();
    let mut missing = Vec::new();
    let mut uploaded = BTreeMap::new();
    for event in events["items"].as_array().unwrap() {
        let status = &event["status"];
        let count = status["sync"]["uploaded"].as_u64().unwrap_or_default();
        let conditions = status["conditions"].as_array();
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == "Ready");
        if count == 0 || ready.is_none_or(|ready| ready["status"] != "True") {
            missing.push(format!("{}: {count} uploaded, {ready:?}", event["metadata"]["name"]));
        }
        if let Some(action) = status["conversionAction"]["id"].as_str() {
            uploaded.insert(action.to_owned(), count);
        }
    }
    (missing, uploaded)
}

#[test]
fn the_examples_count_without_any_account() {
    let plane = ControlPlane::start(&Options {
        controller_manager: false,
        ..Options::default()
    })
    .unwrap();
    let kubectl = plane.client();
    let chart = chart().display().to_string();
    let install = [
        "install",
        RELEASE,
        &chart,
        "--namespace",
        SYSTEM,
        "--create-namespace",
        "--set",
        "sandbox.enabled=true,sandbox.moving=25,sandbox.every=2s",
    ];
    let notes = helm_on(kubectl, &install, None).unwrap();
    assert!(
        notes.contains("SIMULATED")
            && notes.contains("kubectl apply --filename examples/\n")
            && notes.contains("kubectl get adce --namespace marketing --watch\n"),
        "{notes}"
    );
    // It works where the examples are, and a release with the simulation may be upgraded.
    let arguments = arguments(kubectl, RELEASE);
    assert!(
        arguments.contains(&"--watch-namespaces=marketing".to_owned()),
        "{arguments:?}"
    );
    let again = [&["upgrade"][..], &install[1..5], &install[6..]].concat();
    helm_on(kubectl, &again, None).unwrap();
    let directory = xtask::control_plane::new_directory().unwrap();
    let supervisor = Supervisor::start(None, &directory, false).unwrap();
    let sandbox = start(&plane, &supervisor, &directory);
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    kubectl.must(&["apply", "--filename", examples]).unwrap();
    // A minute is what the example says; the test has less patience.
    let patch = [
        "patch",
        "hsa",
        "acme",
        "--namespace",
        USERS,
        "--type=merge",
        "--patch",
        r#"{"spec":{"interval":"2s"}}"#,
    ];
    kubectl.must(&patch).unwrap();
    let begin = Instant::now();
    let uploaded = loop {
        let (missing, uploaded) = missing(kubectl);
        if missing.is_empty() {
            break uploaded;
        }
        let log = || fs::read_to_string(directory.join("operator.log")).unwrap_or_default();
        assert!(
            begin.elapsed() < LIMIT,
            "{missing:#?}\n{}",
            xtask::process::tail(&log(), 20)
        );
        thread::sleep(Duration::from_millis(500));
    };
    assert_eq!(uploaded.len(), 5, "{uploaded:?}");
    let mut counted = BTreeMap::new();
    for (action, tally) in sandbox.tally().unwrap() {
        counted.insert(action, tally.conversions);
    }
    let enhanced = sandbox.get("/admin/google/tally").unwrap()["enhancements"]
        .as_array()
        .map_or(0, Vec::len);
    let stages: u64 = uploaded
        .iter()
        .filter(|(action, _)| counted.contains_key(*action))
        .map(|(_, count)| count)
        .sum();
    assert!(
        stages > 0 && counted.values().sum::<u64>() >= stages,
        "{uploaded:?} {counted:?}"
    );
    assert!(enhanced > 0, "no submission of the form was sent");
    super::first_table::stands_in_the_readme(kubectl);
    plane.stop().unwrap();
}

/// Where the namespace of the examples is taken, the notes say how they get into another one.
#[test]
fn the_examples_go_where_the_notes_send_them() {
    let namespace = namespace("elsewhere");
    let values = json!({"sandbox": {"enabled": true, "namespace": namespace}, "namespaceOverride": namespace});
    let kubectl = cluster().client();
    let release = super::install(kubectl, &namespace, &values);
    let notes = helm_on(kubectl, &["get", "notes", &release, "--namespace", &namespace], None).unwrap();
    let (_, command) = notes.split_once("look at the counts:\n").unwrap();
    let (command, _) = command.split_once("   kubectl get adce").unwrap();
    assert!(
        command.contains("kubectl create --dry-run=client --filename examples/"),
        "{notes}"
    );
    let mut shell = Command::new("sh");
    let bin = xtask::tools::kubectl().unwrap().parent().unwrap().display().to_string();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap_or_default());
    shell.env("PATH", path).env("KUBECONFIG", cluster().admin_kubeconfig());
    shell.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-c", command]);
    xtask::process::run(shell, None, LIMIT).unwrap().ok().unwrap();
    let found = kubectl
        .json(&["get", "adconversion", "--namespace", &namespace])
        .unwrap();
    assert_eq!(found["items"].as_array().unwrap().len(), 7, "{found:#}");
}

#[test]
fn pods_of_the_simulation_are_placed_like_the_operators() {
    let objects = render(
        &json!({"sandbox": {"enabled": true}, "affinity": {"nodeAffinity": {}}, "priorityClassName": "high",
        "schedulerName": "other", "hostUsers": false, "podLabels": {"team": "ads"}, "podAnnotations": {"note": "1"},
        "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "ads", "operator": "Exists"}], "service": {"ipFamilies": ["IPv6"]}}),
    );
    let deployments = of_kind(&objects, "Deployment");
    let [one, other] = deployments[..] else {
        panic!("{} deployments", deployments.len());
    };
    let test = &the(&objects, "Pod")["spec"];
    for field in [
        "affinity",
        "priorityClassName",
        "schedulerName",
        "hostUsers",
        "nodeSelector",
        "tolerations",
    ] {
        let [one, other] = [one, other].map(|deployment| &deployment["spec"]["template"]["spec"][field]);
        assert!(
            !one.is_null() && one == other && one == &test[field],
            "{field}: {one}, {other}"
        );
    }
    for deployment in [one, other] {
        let metadata = &deployment["spec"]["template"]["metadata"];
        assert_eq!(
            (&metadata["labels"]["team"], &metadata["annotations"]["note"]),
            (&json!("ads"), &json!("1"))
        );
    }
    for service in of_kind(&objects, "Service") {
        assert_eq!(service["spec"]["ipFamilies"], json!(["IPv6"]));
    }
}

#[test]
fn no_account_is_mixed_with_the_sandbox() {
    for flag in [
        "hubspotEndpoint",
        "googleAdsEndpoint",
        "dataManagerEndpoint",
        "googleTokenEndpoint",
    ] {
        let values = json!({"sandbox": {"enabled": true}, "config": {flag: "https://example.com"}});
        let output = helm(&["template", "adconversion-operator"], &values);
        assert!(
            !output.success() && output.stderr.contains("exclude each other"),
            "{}",
            output.stderr
        );
    }
    let objects = render(&json!({"sandbox": {"enabled": true}, "config": {"uploadInterval": "7s"}}));
    let deployments = of_kind(&objects, "Deployment");
    let operator = deployments
        .iter()
        .find(|object| object["metadata"]["name"] == "adconversion-operator")
        .unwrap();
    let arguments = operator["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    assert!(
        arguments.as_array().unwrap().contains(&json!("--upload-interval=7s")),
        "{arguments}"
    );
}

#[test]
fn the_credentials_are_where_the_operator_works() {
    let made = |values: &Value| -> Vec<String> {
        let objects = render(values);
        let secrets = of_kind(&objects, "Secret")
            .into_iter()
            .chain(of_kind(&objects, "Namespace"));
        let named = |object: &Value| {
            let metadata = &object["metadata"];
            let parts = [&object["kind"], &metadata["namespace"], &metadata["name"]];
            parts.map(|part| part.as_str().unwrap_or_default().to_owned()).join("/")
        };
        secrets.map(named).collect()
    };
    let of = |namespace: &str| ["hubspot", "google-ads"].map(|name| format!("Secret/{namespace}/{name}"));
    assert!(made(&json!({})).is_empty(), "real accounts have Secrets of their own");
    let usual = [&of("marketing")[..], &["Namespace//marketing".to_owned()]].concat();
    assert_eq!(made(&json!({"sandbox": {"enabled": true}})), usual);
    let beside = json!({"sandbox": {"enabled": true, "namespace": "system"}, "namespaceOverride": "system"});
    assert_eq!(made(&beside), of("system"), "Helm makes that namespace itself");
    let none = json!({"sandbox": {"enabled": true, "namespace": ""}, "watchNamespaces": ["ads"]});
    assert!(made(&none).is_empty());
    let named = json!({"sandbox": {"enabled": true}, "watchNamespaces": ["ads"]});
    let output = helm(&["template", "adconversion-operator"], &named);
    assert!(
        !output.success()
            && output
                .stderr
                .contains("sandbox.namespace (marketing) is none of watchNamespaces"),
        "{}",
        output.stderr
    );
}

/// Whoever runs the sandbox without the chart has the same Secrets beside it.
#[test]
fn the_credentials_are_those_beside_the_sandbox() {
    let said = |objects: &[Value]| -> BTreeMap<String, Value> {
        let secrets = of_kind(objects, "Secret").into_iter();
        let named = |secret: &Value| {
            let metadata = &secret["metadata"];
            [&metadata["namespace"], &metadata["name"]]
                .map(|part| part.as_str().unwrap().to_owned())
                .join("/")
        };
        secrets
            .map(|secret| (named(secret), secret["stringData"].clone()))
            .collect()
    };
    let of_chart = said(&render(&json!({"sandbox": {"enabled": true}})));
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sandbox");
    let beside = said(&parse(&fs::read_to_string(directory.join("credentials.yaml")).unwrap()));
    assert_eq!(of_chart.len(), 2);
    assert_eq!(beside, of_chart);
    let page = fs::read_to_string(directory.join("README.md")).unwrap();
    assert!(page.contains("--filename examples/sandbox/credentials.yaml"));
}

#[test]
fn the_operators_service_does_not_lead_to_the_sandbox() {
    let objects = render(&json!({"sandbox": {"enabled": true}, "replicas": 1}));
    let template = |name: &str| -> Value {
        let deployments = of_kind(&objects, "Deployment");
        let found = deployments
            .into_iter()
            .find(|object| object["metadata"]["name"] == name)
            .unwrap();
        found["spec"]["template"].clone()
    };
    let finds = |selector: &Value, name: &str| {
        let labels = &template(name)["metadata"]["labels"];
        selector
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, value)| &labels[key] == value)
    };
    for service in of_kind(&objects, "Service") {
        let selector = &service["spec"]["selector"];
        let operators = service["metadata"]["name"] == "adconversion-operator-metrics";
        assert_eq!(finds(selector, "adconversion-operator"), operators);
        assert_eq!(finds(selector, "adconversion-operator-sandbox"), !operators);
    }
    let pod = &template("adconversion-operator-sandbox")["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    let claim = the(&objects, "PersistentVolumeClaim");
    let marked = json!({"adconversion.dev/simulated": "true"});
    assert_eq!(
        claim["metadata"]["annotations"], marked,
        "a simulation's ledger is not kept"
    );
}
