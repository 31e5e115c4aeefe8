//! People steer events and accounts with the commands: `adconversion suspend`, `resume`, `reconcile`.

use serde_json::{Value, json};

use super::Stage;
use super::counts::{Counts, ago, reason};

/// The command in the stage's namespace: what it printed, where it ended with this code.
fn steer(stage: &Stage, arguments: &[&str], code: i32) -> String {
    let arguments = [arguments, &["--namespace", &stage.namespace]].concat();
    let done = stage.command(&arguments);
    let (said, complaint) = (done.stdout, done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}\n{complaint}");
    said + &complaint
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
}

#[test]
fn events_and_accounts_are_suspended_resumed_and_reconciled_by_hand() {
    let stage = Stage::start("steering");
    stage.event("steered", "customer", &json!({}));
    stage.condition("adce/steered", "Ready", "True", "");

    let said = steer(&stage, &["suspend", "adce", "steered", "--wait"], 0);
    says(
        &said,
        &["AdConversionEvent", "/steered is suspended.", "is ready. Suspended: "],
    );
    assert_eq!(stage.get("adce/steered")["spec"]["suspend"], true);
    says(&steer(&stage, &["suspend", "adce/steered"], 0), &["suspended already"]);
    stage.contact(&[("customer", ago(-1))], Some("meanwhile"), &json!({}));
    stage.wait("adce/steered", "a conversion that waits", |event| {
        reason(event, "Pending", "Suspended") == 1
    });

    let said = steer(&stage, &["resume", "adconversionevents", "steered", "--wait"], 0);
    says(&said, &["is resumed.", "is ready. Succeeded: "]);
    assert_eq!(Counts::of(&stage.settled("steered", 1)).uploaded, 1);

    let said = steer(&stage, &["reconcile", "HubSpotAccount/acme", "--wait"], 0);
    says(&said, &["The operator was asked to look at ", "is ready. Succeeded: "]);
    let account = stage.get("hsa/acme");
    let asked = &account["metadata"]["annotations"]["adconversion.dev/reconcile-requested-at"];
    assert_eq!(account["status"]["lastHandledReconcileAt"], *asked);
}

#[test]
fn the_object_is_printed_as_kubectl_does_in_place_of_words() {
    let stage = Stage::start("steering-forms");
    stage.event("steered", "customer", &json!({}));
    stage.condition("adce/steered", "Ready", "True", "");
    let said = steer(&stage, &["suspend", "adce/steered", "-o", "name"], 0);
    assert_eq!(said, "adconversionevent.adconversion.dev/steered\n");
    // With --wait it is as it is at the end.
    let said = steer(&stage, &["resume", "adce/steered", "--wait", "-o", "json"], 0);
    let resumed: Value = serde_json::from_str(&said).expect("JSON and nothing else");
    assert_eq!(resumed["kind"], "AdConversionEvent");
    assert_eq!(
        resumed["status"]["observedGeneration"],
        resumed["metadata"]["generation"]
    );
    assert!(resumed["metadata"].get("managedFields").is_none(), "{resumed:#}");
    let said = steer(&stage, &["reconcile", "gaa/acme", "--wait", "-o", "yaml"], 0);
    let account: Value = serde_yaml::from_str(&said).expect("YAML and nothing else");
    let asked = &account["metadata"]["annotations"]["adconversion.dev/reconcile-requested-at"];
    assert_eq!(account["status"]["lastHandledReconcileAt"], *asked);
    // Why it is not ready stands beside it.
    stage.kill_operator();
    let arguments = [
        "suspend",
        "gaa/acme",
        "--wait",
        "--timeout=1s",
        "-o",
        "json",
        "--namespace",
        &stage.namespace,
    ];
    let done = stage.command(&arguments);
    assert_eq!(done.status.code(), Some(1), "{}", done.stderr);
    let account: Value = serde_json::from_str(&done.stdout).expect("JSON and nothing else");
    assert_eq!(account["spec"]["suspend"], true);
    says(&done.stderr, &["was not done with it within 1s"]);
}

#[test]
fn what_is_not_ready_is_a_finding_and_what_is_not_there_an_error() {
    let stage = Stage::start("steering-finding");
    stage.event("odd", "no-such-stage", &json!({}));
    stage.condition("adce/odd", "Stalled", "True", "StageNotFound");
    let said = steer(&stage, &["reconcile", "adce/odd", "--wait"], 1);
    says(&said, &["is not ready. StageNotFound: "]);
    says(
        &steer(&stage, &["resume", "gaa", "nobody"], 2),
        &["GoogleAdsAccount", "/nobody does not exist"],
    );
    says(
        &steer(&stage, &["resume", "pods", "nobody"], 2),
        &["AdConversionEvent (adce)"],
    );
    stage.kill_operator();
    let said = steer(&stage, &["reconcile", "gaa/acme", "--wait", "--timeout", "1s"], 1);
    says(
        &said,
        &[
            "was not done with it within 1s",
            "It says Succeeded: ",
            "check that an operator runs and watches this namespace",
        ],
    );
}
