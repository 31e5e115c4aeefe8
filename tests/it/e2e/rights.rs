//! Whoever lacks a right is told which one and who gives it,
//! whatever the command; and none of them passes for want of it.

mod roles;

use serde_json::{Value, json};

use super::Stage;
use super::judge::crowd;
use super::stage::ago;

const ACCOUNTS: &str = include_str!("accounts.yaml");
const KINDS: &str =
    "adconversionevents.adconversion.dev,googleadsaccounts.adconversion.dev,hubspotaccounts.adconversion.dev";

struct Stranger<'a> {
    stage: &'a Stage,
    kubeconfig: std::path::PathBuf,
}

impl<'a> Stranger<'a> {
    fn of(stage: &'a Stage) -> Self {
        let kubeconfig = stage.stranger("stranger");
        Self { stage, kubeconfig }
    }

    /// Everything that the command printed.
    fn run(&self, arguments: &[&str], code: i32) -> String {
        let all = [arguments, &["--namespace", &self.stage.namespace]].concat();
        let done = Stage::command_as(&self.kubeconfig, &all);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
        for dump in ["ApiError", "Status {", "Some("] {
            assert!(!said.contains(dump), "{dump}: {said}");
        }
        said
    }

    /// A command that looks at HubSpot and Google.
    fn look(&self, arguments: &[&str], code: i32) -> String {
        let endpoints = self.stage.endpoints();
        let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
        self.run(&[arguments, &endpoints].concat(), code)
    }

    fn lacks(&self, arguments: &[&str], parts: &[&str]) {
        let said = self.run(arguments, 2);
        for part in parts {
            assert!(said.contains(part), "{arguments:?}: no {part:?} in {said}");
        }
    }

    fn grant(&self, role: &str, verbs: &str, resources: &str) {
        let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
        self.stage.kubectl(&["create", "role", role, &verbs, &resources]);
        let account = format!("--serviceaccount={}:stranger", self.stage.namespace);
        let of = format!("--role={role}");
        self.stage.kubectl(&["create", "rolebinding", role, &of, &account]);
    }
}

/// A pod of the operator's, as the chart labels it.
fn lay_pod(stage: &Stage) {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "operator", "labels": {"app.kubernetes.io/part-of": "adconversion", "app.kubernetes.io/component": "operator"}},
        "spec": {"containers": [{"name": "operator", "image": "operator"}]},
    });
    stage.apply(&pod.to_string());
    let running = json!({"status": {"phase": "Running"}}).to_string();
    stage.kubectl(&[
        "patch",
        "pod",
        "operator",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &running,
    ]);
}

#[test]
fn whoever_may_not_ask_the_operator_or_change_an_object_is_told_what_is_missing() {
    let stage = Stage::empty("rights-asked", &[], &[]);
    stage.apply(ACCOUNTS);
    stage.event("won", "customer", &json!({}));
    let stranger = Stranger::of(&stage);
    for question in [
        &["explain", "won", "--contact", "1"][..],
        &["conversions", "won"],
        &["dashboard"],
    ] {
        let everywhere = [
            "right to list pods in all namespaces",
            "adconversion-questions",
            "--operator-namespace",
        ];
        stranger.lacks(question, &everywhere);
        let one = [question, &["--operator-namespace", &stage.namespace]].concat();
        let place = format!("right to list pods in namespace {}", stage.namespace);
        stranger.lacks(&one, &[&place, "adconversion-questions"]);
    }
    for order in ["suspend", "resume", "reconcile"] {
        stranger.lacks(
            &[order, "adce/won"],
            &["right to get adconversionevents.adconversion.dev", "*-edit"],
        );
    }
    stranger.lacks(
        &["uninstall"],
        &["right to list adconversionevents.adconversion.dev", "*-edit"],
    );
    stranger.lacks(
        &["conversions", "won", "--context", "nowhere"],
        &["has no context \"nowhere\""],
    );
    // With some rights it is the next one.
    stranger.grant("reader", "get,list", KINDS);
    stranger.grant("pods", "get,list", "pods");
    lay_pod(&stage);
    stranger.lacks(
        &["suspend", "adce/won"],
        &["right to patch adconversionevents.adconversion.dev"],
    );
    stranger.lacks(
        &[
            "explain",
            "won",
            "--contact",
            "1",
            "--operator-namespace",
            &stage.namespace,
        ],
        &["right to get pods/portforward in namespace", "adconversion-questions"],
    );
}

fn event(name: &str) -> String {
    let spec = json!({
        "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
        "trigger": {"lifecycleStage": {"stage": "customer"}}, "startTime": ago(86_400),
    });
    let event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": name}, "spec": spec,
    });
    event.to_string()
}

#[test]
fn no_look_beforehand_passes_for_want_of_a_right() {
    let stage = Stage::empty("rights-looked", &[], &[]);
    crowd(&stage, 3);
    let action = json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "Any", "category": "SIGNUP"});
    stage.post("/google/actions", &action);
    let files = [
        stage.file("accounts.yaml", ACCOUNTS),
        stage.file("event.yaml", &event("other")),
    ];
    let stranger = Stranger::of(&stage);
    for command in ["check", "plan"] {
        let said = stranger.look(&[command, "-f", &files[0], "-f", &files[1]], 2);
        for part in [
            "right to get adconversionevents.adconversion.dev in namespace",
            "adconversion-check",
        ] {
            assert!(said.contains(part), "{command}: no {part:?} in {said}");
        }
    }
    let another = stage.file("another.yaml", &event("another"));
    for command in ["check", "plan"] {
        let said = stranger.look(
            &[command, "-f", &files[0], "-f", &files[1], "-f", &another, "--short"],
            2,
        );
        assert_eq!(said.matches("right to get adconversionevents").count(), 1, "{said}");
    }
    let as_json = |arguments: &[&str]| -> Value {
        let said = stranger.look(&[arguments, &["-o", "json"]].concat(), 2);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    };
    let planned = as_json(&["plan", "-f", &files[0], "-f", &files[1]]);
    assert_eq!(planned["events"][0]["ready"], "True", "{planned:#}");
    let missing = planned["unanswered"].to_string();
    for right in [
        "get adconversionevents",
        "list adconversionevents",
        "get hubspotaccounts",
        "get googleadsaccounts",
    ] {
        assert!(missing.contains(right), "no {right:?} in {missing}");
    }
    stranger.grant("reader", "get,list", KINDS);
    for command in ["check", "plan"] {
        let said = stranger.look(&[command, "-f", &files[0], "-f", &files[1]], 2);
        assert!(
            said.contains("right to patch adconversionevents.adconversion.dev"),
            "{said}"
        );
    }
    stranger.grant("writer", "create,patch", "adconversionevents.adconversion.dev");
    for command in ["check", "plan"] {
        stranger.look(&[command, "-f", &files[0], "-f", &files[1]], 0);
    }
    // What an operator has sent it must be asked for.
    stage.start_operator();
    stage.apply(ACCOUNTS);
    stage.apply(&event("other"));
    stage.settled("other", 3);
    let planned = as_json(&["plan", "other", "-f", &files[0]]);
    let missing = planned["unanswered"].to_string();
    assert!(missing.contains("right to list pods in all namespaces"), "{planned:#}");
    let said = stranger.look(&["plan", "other"], 2);
    for secret in ["google-ads", "hubspot"] {
        let secret = format!("read Secret {}/{secret}", stage.namespace);
        assert!(said.contains(&secret), "no {secret} in {said}");
    }
}
