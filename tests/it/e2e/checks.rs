//! `adconversion check`: each mistake that keeps an event from working is named with its way out, before anything is
//! applied and after, and nothing is counted or changed by asking.

mod crowds;
mod mistakes;

use std::path::Path;

use serde_json::{Value, json};

use self::mistakes::{Mistake, mistakes_at_google, mistakes_in_manifests};
use super::Stage;
use super::forms::FORM;
use super::judge::{action, calls, crowd};
use super::stage::ago;
use crate::support::documents::section_names_fields;

const ACCOUNTS: &str = include_str!("accounts.yaml");
/// What must stand in no output.
const SECRETS: [&str; 5] = ["pat-na1", "sandbox-refresh", "sandbox-secret", "click-", "@example.com"];

/// `adconversion check` in the stage's namespace, which ended with this code; what it printed.
fn check(stage: &Stage, arguments: &[&str], code: i32) -> String {
    let endpoints = stage.endpoints();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let all = [&["check", "--namespace", &stage.namespace], arguments, &endpoints].concat();
    let done = stage.command(&all);
    judge(&done, &all, code)
}

fn judge(done: &xtask::process::Output, arguments: &[&str], code: i32) -> String {
    let said = format!("{}{}", done.stdout, done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    let unseen = said.chars().find(|c| c.is_control() && *c != '\n');
    assert!(unseen.is_none(), "{unseen:?}: {said}");
    said
}

/// A manifest of an event; `more` is merged into its spec.
fn manifest(name: &str, more: &Value) -> String {
    let mut event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": name},
        "spec": {
            "googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
            "trigger": {"lifecycleStage": {"stage": "Customer"}},
        },
    });
    for (field, value) in more.as_object().into_iter().flatten() {
        event["spec"][field] = value.clone();
    }
    event.to_string()
}

/// The line of a probe.
fn line<'a>(said: &'a str, mark: char, probe: &str) -> &'a str {
    let found = said.lines().find(|line| {
        let mut words = line.split("  ").filter(|word| !word.is_empty()).map(str::trim);
        words.next() == Some(&mark.to_string()) && words.next() == Some(probe)
    });
    found.unwrap_or_else(|| panic!("no line {mark} {probe}: {said}"))
}

/// What the sandbox has counted, and how Google is configured.
fn outside(stage: &Stage) -> [Value; 3] {
    ["/google/tally", "/google/actions", "/google/goals"].map(|path| stage.admin(path))
}

/// An action that takes uploads, so that the way to Google can be proved before an event has its own.
fn some_action(stage: &Stage) {
    let action =
        json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": "Any \"<b>\"", "category": "SIGNUP"});
    stage.post("/google/actions", &action);
}

#[test]
fn all_is_fine_before_and_after_it_is_applied_and_nothing_is_counted() {
    let stage = Stage::empty("check-fine", &[], &[]);
    crowd(&stage, 3);
    some_action(&stage);
    let files = [
        stage.file("accounts.yaml", ACCOUNTS),
        stage.file("won.yaml", &manifest("won", &json!({"startTime": ago(86_400 * 5)}))),
    ];
    let before = outside(&stage);
    let said = check(&stage, &["-f", &files[0], "-f", &files[1]], 0);
    for probe in [
        "credentials",
        "token",
        "portal",
        "scope crm.objects.contacts.read",
        "limits",
        "Google Ads API",
        "Data Manager API",
        "customer",
        "conversion tracking",
        "project tier",
        "manifest",
        "start",
        "stage",
        "properties",
        "click ids",
        "conversion action",
        "upload",
    ] {
        line(&said, '✓', probe);
    }
    assert!(line(&said, '✓', "click ids").contains("3 of 3 contacts"), "{said}");
    assert!(
        line(&said, '✓', "conversion action").contains("\"won\" would be created"),
        "{said}"
    );
    assert!(line(&said, '✓', "manifest").contains("not applied yet"), "{said}");
    assert!(
        !said.contains("scope forms") && !said.contains("deals.read"),
        "only what is needed: {said}"
    );
    assert_eq!(outside(&stage), before, "nothing is counted or changed");

    stage.start_operator();
    stage.apply(ACCOUNTS);
    stage.apply(&manifest("won", &json!({"startTime": ago(86_400 * 5)})));
    let event = stage.settled("won", 3);
    let before = outside(&stage);
    let applied = check(&stage, &["won"], 0);
    let id = action(&event);
    assert!(line(&applied, '✓', "conversion action").contains(&id), "{applied}");
    assert!(
        line(&applied, '✓', "upload").contains(&format!("conversion action {id}")),
        "{applied}"
    );
    assert_eq!(outside(&stage), before, "nothing is counted or changed");
    // Without a name it is all of the namespace, and programs get it as JSON.
    let all: Value = serde_json::from_str(&check(&stage, &["-o", "json"], 0)).expect("JSON");
    assert_eq!(all["verdict"], "Fine", "{all:#}");
    section_names_fields("docs/commands.md", "check", &all);
    let kinds: Vec<_> = all["objects"]
        .as_array()
        .expect("objects")
        .iter()
        .map(|o| o["kind"].clone())
        .collect();
    assert_eq!(kinds, ["HubSpotAccount", "GoogleAdsAccount", "AdConversionEvent"]);
    assert_eq!(all["objects"][2]["source"], "cluster");
    assert_eq!(
        all["objects"][2]["probes"][0],
        json!({"probe": "manifest", "verdict": "Fine", "message": "It is applied."})
    );
    let account: Value = serde_yaml::from_str(&check(&stage, &["gaa/acme", "-o", "yaml"], 0)).expect("YAML");
    assert_eq!(account["objects"].as_array().map(Vec::len), Some(1));
    check(&stage, &["nobody"], 2);
    check(&stage, &["gaa/nobody"], 2);
    check(&stage, &["pod/x"], 2);
}

#[test]
fn a_form_event_is_tried_by_the_way_that_forms_take() {
    let stage = Stage::empty("check-form", &[], &[]);
    stage.post("/hubspot/forms", &json!([{"id": FORM, "name": "Demo request"}]));
    let action = json!({"customerId": "1234567890", "type": "WEBPAGE", "name": "Any", "category": "SUBMIT_LEAD_FORM"});
    stage.post("/google/actions", &action);
    let form = json!({
        "trigger": {"formSubmission": {"formId": "Demo request"}}, "shareData": ["Email"],
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
    });
    let files = [
        stage.file("accounts.yaml", ACCOUNTS),
        stage.file("event.yaml", &manifest("demo", &form)),
    ];
    let before = outside(&stage);
    let said = check(&stage, &["-f", &files[0], "-f", &files[1]], 0);
    assert!(line(&said, '✓', "form").contains(FORM), "{said}");
    for probe in ["scope forms", "customer data terms", "conversion tracking"] {
        line(&said, '✓', probe);
    }
    assert!(
        line(&said, '✓', "upload").contains("Google Ads takes conversions"),
        "{said}"
    );
    assert!(
        !said.contains("click ids"),
        "forms are told apart by their own ids: {said}"
    );
    assert_eq!(outside(&stage), before, "nothing is counted or changed");
}

/// As the operator goes on without goals, so does whoever looks: the rest is judged all the same.
#[test]
fn goals_that_cannot_be_read_hide_nothing_else() {
    let stage = Stage::empty("check-goals", &[], &[]);
    crowd(&stage, 3);
    some_action(&stage);
    let files = [
        stage.file("accounts.yaml", ACCOUNTS),
        stage.file("event.yaml", &manifest("won", &json!({}))),
    ];
    for status in [503, 403] {
        let query = "FROM customer_conversion_goal";
        let action = json!({"status": status});
        let fault = json!({"service": "googleAds", "bodyContains": query, "count": 0, "action": action});
        stage.post("/faults", &fault);
        let said = check(&stage, &["-f", &files[0], "-f", &files[1]], 2);
        assert!(
            line(&said, '?', "account goals").contains("could not be read"),
            "{said}"
        );
        for probe in ["customer", "conversion tracking", "stage", "upload"] {
            line(&said, '✓', probe);
        }
        stage.admin_call("DELETE", "/faults", None);
    }
}

/// Makes the mistake, checks, and takes it back.
fn meet(stage: &Stage, mistake: &Mistake) {
    let Mistake {
        what,
        spec,
        accounts,
        admin,
        probe,
        parts,
    } = mistake;
    let mut text = ACCOUNTS.to_owned();
    if let Some((from, to)) = accounts {
        assert!(text.contains(from), "{what}: {from}");
        text = text.replace(from, to);
    }
    let files = [
        stage.file("accounts.yaml", &text),
        stage.file("event.yaml", &manifest("won", spec)),
    ];
    let before = admin.as_ref().map(|(method, path, body)| {
        let before = if path.contains("/portals/") {
            let all = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
            json!({"scopes": {"pat-na1-sandbox": all}})
        } else {
            let opposite = |(name, value): (&String, &Value)| (name.clone(), json!(!value.as_bool().unwrap()));
            Value::Object(body.as_object().unwrap().iter().map(opposite).collect())
        };
        stage.admin_call(method, path, Some(body));
        (*method, *path, before)
    });
    let said = check(stage, &["-f", &files[0], "-f", &files[1]], 1);
    let told = line(&said, '✗', probe);
    for part in *parts {
        assert!(told.contains(part), "{what}: no {part:?} in {told}\n{said}");
    }
    if let Some((method, path, before)) = before {
        stage.admin_call(method, path, Some(&before));
    }
}

#[test]
fn each_mistake_is_named_with_its_way_out() {
    let stage = Stage::empty("check-mistakes", &[], &[]);
    crowd(&stage, 3);
    some_action(&stage);
    stage.post(
        "/hubspot/forms",
        &json!([{"id": FORM, "name": "Demo \"<b>\"\u{1b}[2J"}]),
    );
    let name = json!({"descriptiveName": "Acme \"<script>\" \u{1b}[2J\u{202e}"});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&name));
    let before = outside(&stage);
    for mistake in mistakes_in_manifests().iter().chain(&mistakes_at_google()) {
        meet(&stage, mistake);
    }
    assert_eq!(outside(&stage), before, "nothing is counted or changed");
    let mutated: Vec<_> = calls(&stage, ":mutate");
    assert!(mutated.is_empty(), "{mutated:?}");
    // Nobody with a click id, and nothing declared to share.
    let stage = Stage::empty("check-no-clicks", &[], &[]);
    for _ in 0..10 {
        stage.contact(&[("customer", ago(600))], None, &json!({"email": "ada@example.com"}));
    }
    let files = [
        stage.file("accounts.yaml", ACCOUNTS),
        stage.file("event.yaml", &manifest("won", &json!({}))),
    ];
    let said = check(&stage, &["-f", &files[0], "-f", &files[1]], 1);
    let told = line(&said, '✗', "click ids");
    assert!(
        told.contains("0 of 10 contacts") && told.contains("spec.shareData"),
        "{told}"
    );
    let shared = manifest("won", &json!({"shareData": ["Email"]}));
    let shared = stage.file("event.yaml", &shared);
    check(&stage, &["-f", &files[0], "-f", &shared], 0);
}

fn check_as(stage: &Stage, kubeconfig: &Path, arguments: &[&str], code: i32) -> String {
    let endpoints = stage.endpoints();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let all = [&["check", "--namespace", &stage.namespace], arguments, &endpoints].concat();
    judge(&Stage::command_as(kubeconfig, &all), &all, code)
}

#[test]
fn the_right_that_is_missing_is_named() {
    let stage = Stage::empty("check-rights", &[], &[]);
    crowd(&stage, 3);
    stage.apply(ACCOUNTS);
    stage.event("won", "customer", &json!({}));
    let stranger = stage.stranger("stranger");
    let said = check_as(&stage, &stranger, &["won"], 2);
    assert!(
        said.contains("get adconversionevents.adconversion.dev in namespace"),
        "{said}"
    );
    // Whoever may read events and accounts, and no Secrets.
    stage.kubectl(&[
        "create", "role", "reader", "--verb=get,list",
        "--resource=adconversionevents.adconversion.dev,googleadsaccounts.adconversion.dev,hubspotaccounts.adconversion.dev",
    ]);
    let account = format!("--serviceaccount={}:stranger", stage.namespace);
    stage.kubectl(&["create", "rolebinding", "reader", "--role=reader", &account]);
    let said = check_as(&stage, &stranger, &["won"], 2);
    let told = line(&said, '?', "credentials");
    assert!(
        told.contains("get secrets in namespace") && told.contains("-f"),
        "{told}"
    );
    // The Secrets alone may come from a file.
    let secrets: Vec<_> = ACCOUNTS
        .split("---\n")
        .filter(|part| part.contains("kind: Secret"))
        .collect();
    let secrets = stage.file("secrets.yaml", &secrets.join("---\n"));
    check_as(&stage, &stranger, &["won", "-f", &secrets], 0);
    // With everything in files only the cluster is left to say whether it would take them.
    let files = [
        stage.file("accounts.yaml", ACCOUNTS),
        stage.file("event.yaml", &manifest("other", &json!({}))),
    ];
    let given = ["-f", &files[0], "-f", &files[1]];
    let said = check_as(&stage, &stranger, &given, 2);
    let told = line(&said, '?', "manifest");
    assert!(
        told.contains("right to patch adconversionevents.adconversion.dev"),
        "{told}"
    );
    let nowhere = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}], "users": [{"name": "x", "user": {}}],
    });
    let nowhere = stage.file("nowhere.kubeconfig", &nowhere.to_string());
    let said = check_as(&stage, Path::new(&nowhere), &given, 2);
    assert!(
        line(&said, '?', "manifest").contains("no usable answer"),
        "a cluster that is named must answer: {said}"
    );
    let said = check_as(&stage, Path::new(&nowhere), &["won"], 2);
    assert!(
        said.contains("no usable answer") && said.contains("--kubeconfig"),
        "{said}"
    );
    let said = check_as(&stage, Path::new("/nowhere"), &["won"], 2);
    assert!(said.contains("no cluster can be asked"), "{said}");
    // What HubSpot does not answer is no finding.
    let fault = json!({"service": "hubspot", "count": 0, "action": {"status": 503}});
    stage.post("/faults", &fault);
    let said = check(&stage, &given, 2);
    assert!(said.contains("could not be determined"), "{said}");
    let portal = line(&said, '?', "portal");
    assert!(
        portal.contains("503") && portal.ends_with("Try again later."),
        "{portal}"
    );
    line(&said, '–', "token");
}
