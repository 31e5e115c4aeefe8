//! `adconversion plan`: what it says before is what the operator does later, and it does nothing itself.

mod adoptions;
mod days;
mod first_read;
mod history;
mod unread;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, crowd, occurrences};
use super::stage::{Counts, ago};
use crate::support::documents::section_names_fields;

const DAY: i64 = 86_400;
/// The waits that decide, of operator and plan.
const WAITS: [(&str, &str); 2] = [("click-grace", "1h"), ("too-recent-wait", "1h")];
/// So that Google has shown the new action, with its click window, before anything is sent to it.
const HOLD: (&str, &str) = ("new-action-hold", "12s");
const ACCOUNTS: &str = include_str!("accounts.yaml");

/// A file that ends with the test.
struct File(PathBuf);

impl File {
    fn with(text: &str) -> Self {
        let directory = xtask::control_plane::new_directory().expect("a directory");
        let path = directory.join("manifests.yaml");
        std::fs::write(&path, text).expect("a file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Left behind, it is in a directory of the test's own.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// An event for the accounts `acme`; `spec` is merged into its own.
fn event(name: &str, spec: &Value) -> Value {
    let mut whole = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent", "metadata": {"name": name},
        "spec": {"googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"}},
    });
    let fields = whole["spec"].as_object_mut().expect("a spec");
    fields.extend(spec.as_object().expect("an object").clone());
    whole
}

/// Runs `plan`; what it printed.
fn run(stage: &Stage, arguments: &[&str], code: i32) -> String {
    let upstream = &stage.sandbox.upstream;
    let token = format!("{upstream}/token");
    let mut all = vec!["plan", "--namespace", &stage.namespace];
    for endpoint in ["--hubspot-endpoint", "--google-ads-endpoint", "--data-manager-endpoint"] {
        all.extend([endpoint, upstream]);
    }
    all.extend(["--google-token-endpoint", &token]);
    let waits = WAITS.map(|(flag, value)| format!("--{flag}={value}"));
    all.extend(waits.iter().map(String::as_str));
    all.extend(arguments);
    let done = stage.command(&all);
    assert_eq!(
        done.status.code(),
        Some(code),
        "{arguments:?}: {}{}",
        done.stdout,
        done.stderr
    );
    // Whatever goes on: nobody looks at a progress line in a pipe.
    assert!(done.stderr.is_empty() || code == 2, "{}", done.stderr);
    done.stdout
}

fn plan(stage: &Stage, arguments: &[&str], code: i32) -> Value {
    let said = run(stage, &[arguments, &["-o", "json"]].concat(), code);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn of<'a>(plan: &'a Value, name: &str) -> &'a Value {
    let mut events = plan["events"].as_array().expect("events").iter();
    events
        .find(|event| event["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {plan:#}"))
}

/// Counts by outcome and reason, of those that are not sent.
fn reasons(list: &Value) -> BTreeMap<(String, String), u64> {
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let all = list.as_array().cloned().unwrap_or_default();
    let of_entry = |entry: &Value| {
        (
            (text(entry, "outcome"), text(entry, "reason")),
            entry["count"].as_u64().expect("a count"),
        )
    };
    let mut found: BTreeMap<_, _> = all.iter().map(of_entry).collect();
    found.retain(|(outcome, _), _| !matches!(outcome.as_str(), "WouldBeSent" | "AlreadySent"));
    found
}

fn manifests() -> String {
    let won = json!({
        "trigger": {"lifecycleStage": {"stage": "Customer"}},
        "eventName": "HubSpot - Won",
        "startTime": ago(DAY * 50),
        "value": {"dealAmount": {"default": {"amount": "12.50", "currency": "EUR"}}},
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "conversionAction": {"create": {"clickThroughLookbackWindowDays": 30}},
    });
    let demo = json!({
        "trigger": {"formSubmission": {"formId": "Demo request"}},
        "eventName": "HubSpot - Demo",
        "startTime": ago(DAY),
        "value": {"fixed": {"amount": "40", "currency": "EUR"}},
        "consent": {"property": "ads_consent", "grantedValues": ["true"]},
        "shareData": ["Email"],
    });
    [
        ACCOUNTS.to_owned(),
        event("won", &won).to_string(),
        event("demo", &demo).to_string(),
    ]
    .join("\n---\n")
}

/// Nothing was sent to Google, and nothing changed there.
fn nothing_was_written(stage: &Stage) {
    assert!(stage.actions().is_empty(), "{:#?}", stage.actions());
    let log = stage.admin("/requests?since=0");
    let requests = log["requests"]
        .as_array()
        .or_else(|| log.as_array())
        .expect("a log")
        .clone();
    assert!(!requests.is_empty());
    for request in &requests {
        let (method, path) = (
            request["method"].as_str().expect("a method"),
            request["path"].as_str().expect("a path"),
        );
        let reads = [
            "/search",
            "/batch/read",
            "googleAds:search",
            "googleAds:searchStream",
            "/token",
            "token-info",
            "/get",
        ];
        let read = method == "GET"
            || reads
                .iter()
                .any(|end| path.split('?').next().is_some_and(|p| p.contains(end)));
        assert!(read, "{method} {path}");
    }
    let sent = stage.admin("/tally");
    let lists = sent
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, list)| list.as_array());
    assert_eq!(lists.map(Vec::len).sum::<usize>(), 0, "{sent:#}");
}

/// The event once the operator has nothing to do for it but wait, as the plan says.
fn at_rest(stage: &Stage, planned: &Value) -> Value {
    let name = planned["name"].as_str().expect("a name");
    let counts = &planned["conversions"];
    stage.wait_within(Duration::from_mins(4), "the operator to come to rest", || {
        let event = stage.get(&format!("adce/{name}"));
        let found = Counts::of(&event);
        found.conserved(&event);
        let rests = found.processing == 0 && Some(found.pending) <= counts["pending"].as_u64();
        if rests && Some(found.observed) == counts["observed"].as_u64() {
            Ok(event)
        } else {
            Err(json!({"status": event["status"], "planned": planned}))
        }
    })
}

fn sum(conversions: &[Value]) -> f64 {
    conversions.iter().filter_map(|c| c["value"].as_f64()).sum()
}

#[test]
fn a_plan_of_a_thousand_contacts_is_what_the_operator_does() {
    let stage = Stage::empty("planned", &[], &[WAITS[0], WAITS[1], HOLD]);
    history::generate(&stage);
    let file = File::with(&manifests());
    let planned = plan(&stage, &["-f", file.path()], 0);
    nothing_was_written(&stage);
    assert_eq!(stage.get("adce/won"), Value::Null, "nothing is applied");
    assert_eq!(planned["limited"], false);
    section_names_fields("docs/commands.md", "plan", &planned);
    // Conversions also become due while the others are read.
    stage.post(
        "/faults",
        &json!({"service": "hubspot", "count": 0, "action": {"delayMs": 150}}),
    );
    let slow = plan(&stage, &["-f", file.path()], 0);
    stage.admin_call("DELETE", "/faults", None);
    for name in ["won", "demo"] {
        let counts = |plan| of(plan, name)["conversions"].clone();
        assert_eq!(counts(&slow), counts(&planned), "{name}");
    }

    let won = of(&planned, "won");
    let counts = &won["conversions"];
    for (outcome, reason) in [
        ("Skipped", "NoClickId"),
        ("Skipped", "NoConsent"),
        ("Skipped", "OutsideClickWindow"),
        ("Pending", "ClickTooRecent"),
        ("Pending", "AwaitingClickId"),
    ] {
        let found = reasons(&counts["reasons"]);
        assert!(
            found.contains_key(&(outcome.to_owned(), reason.to_owned())),
            "no {reason}: {found:#?}"
        );
    }
    assert!(counts["wouldBeSent"].as_u64() > Some(100), "{counts:#}");
    assert_eq!(won["conversionAction"]["change"], "Create");
    let fields = won["conversionAction"]["fields"].as_array().expect("fields");
    let window = fields.iter().find(|f| f["field"] == "clickThroughLookbackWindowDays");
    assert_eq!(window.map(|f| &f["to"]), Some(&json!("30")), "{fields:#?}");

    stage.start_operator();
    stage.apply(&manifests_of(&file));
    for name in ["won", "demo"] {
        let planned = of(&planned, name);
        let event = at_rest(&stage, planned);
        let counts = &planned["conversions"];
        assert_eq!(
            reasons(&counts["reasons"]),
            reasons(&event["status"]["sync"]["reasons"]),
            "{name}"
        );
        assert_eq!(counts["wouldBeSent"], event["status"]["sync"]["uploaded"], "{name}");
        assert_eq!(days::planned(counts), days::counted(&stage, name), "{name}");
        let tally = stage.admin(&format!("/google/tally?actionId={}", action(&event)));
        let list = if name == "won" { "conversions" } else { "enhancements" };
        let sent = tally[list].as_array().expect("a list");
        assert_eq!(counts["wouldBeSent"].as_u64(), Some(sent.len() as u64), "{name}");
        let total: f64 = counts["values"]
            .as_array()
            .expect("values")
            .iter()
            .map(|v| v["total"].as_str().expect("a total").parse::<f64>().expect("a number"))
            .sum();
        assert!((total - sum(sent)).abs() < 0.005, "{name}: {total} and {}", sum(sent));
    }
}

/// A conversion action that would be created makes its goal biddable for the whole account.
fn shows_the_goal_of_a_new_action(stage: &Stage, spec: &Value) {
    let goal = |biddable| json!({"customerId": "1234567890", "category": "CONVERTED_LEAD", "origin": "WEBSITE", "biddable": biddable});
    stage.admin_call("PATCH", "/google/goals", Some(&goal(false)));
    let managed = ACCOUNTS.replace("{customerId: ", "{manageAccountGoals: true, customerId: ");
    let file = File::with(&format!("{managed}\n---\n{}", event("fresh", spec)));
    let planned = plan(stage, &["-f", file.path()], 0);
    assert_eq!(of(&planned, "fresh")["conversionAction"]["change"], "Create");
    assert_eq!(planned["accountGoals"], json!([goal(true)]), "{planned:#}");
}

/// The manifests as they were planned: their start is a time.
fn manifests_of(file: &File) -> String {
    std::fs::read_to_string(&file.0).expect("the file")
}

/// What was sent stays so, also where HubSpot does not have the contact any more.
fn keeps_what_hubspot_has_deleted(stage: &Stage, ask: &[&str]) {
    let (gone, _) = &occurrences(stage, "customer")[0];
    stage.admin_call("DELETE", &format!("/hubspot/contacts/{gone}"), None);
    let still = plan(stage, &[&["won"], ask].concat(), 0);
    let conversions = &of(&still, "won")["conversions"];
    assert_eq!(
        (&conversions["observed"], &conversions["alreadySent"]),
        (&json!(3), &json!(3)),
        "{still:#}"
    );
}

#[test]
fn a_plan_of_an_event_that_works_tells_changes_and_what_was_sent() {
    let stage = Stage::with("replanned", &[], &WAITS);
    let spec = |more: Value| {
        let mut spec = json!({"trigger": {"lifecycleStage": {"stage": "customer"}}, "eventName": "Old", "startTime": ago(DAY * 5)});
        spec.as_object_mut()
            .expect("a spec")
            .extend(more.as_object().expect("an object").clone());
        spec
    };
    let start = spec(json!({}));
    stage.apply(&event("won", &start).to_string());
    crowd(&stage, 3);
    let before = stage.settled("won", 3);
    let url = format!("http://{}", stage.admin_address());
    let ask = ["--operator-url", url.as_str()];

    let kept = plan(&stage, &[&["won"], &ask[..]].concat(), 0);
    let won = of(&kept, "won");
    let yaml = run(&stage, &[&["won", "-o", "yaml"], &ask[..]].concat(), 0);
    assert_eq!(serde_yaml::from_str::<Value>(&yaml).expect("YAML"), kept);
    section_names_fields("docs/commands.md", "plan", &kept);
    assert_eq!(won["conversionAction"]["change"], "Keep");
    assert_eq!(
        won["conversionAction"]["id"],
        before["status"]["conversionAction"]["id"]
    );
    assert_eq!(
        (&won["conversions"]["alreadySent"], &won["conversions"]["wouldBeSent"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(
        (&won["alreadySent"]["known"], &won["alreadySent"]["count"]),
        (&json!(true), &json!(3))
    );

    let mut renamed = start.clone();
    renamed["eventName"] = json!("New");
    renamed["includeInConversions"] = json!(false);
    let file = File::with(&event("won", &renamed).to_string());
    // Other tests' pods, which do not run, are in namespaces of their own.
    let nobody = ["-f", file.path(), "--operator-namespace", &stage.namespace];
    let told = plan(&stage, &nobody, 2);
    let won = of(&told, "won");
    assert_eq!(won["conversionAction"]["change"], "Update");
    assert_eq!(
        won["conversionAction"]["fields"],
        json!([{"field": "eventName", "from": "Old", "to": "New"},
               {"field": "includeInConversions", "from": "true", "to": "false"}])
    );
    assert_eq!(
        won["alreadySent"]["known"], false,
        "no pod of an operator is there to be asked"
    );
    assert_eq!(won["conversions"]["wouldBeSent"], 3);
    let unanswered = told["unanswered"].to_string();
    assert!(unanswered.contains("no pod of the operator was found"), "{told:#}");
    let text = run(&stage, &nobody, 2);
    assert!(text.contains("eventName") && text.contains("WouldBeSent"), "{text}");
    let short = run(&stage, &[&nobody[..], &["--short"]].concat(), 2);
    for said in [text, short] {
        assert_eq!(said.matches("no pod of the operator was found").count(), 1, "{said}");
    }
    // So it is where nobody answers at the address that is given.
    let refused = ["won", "--operator-url", "http://127.0.0.1:1"];
    let told = plan(&stage, &refused, 2);
    assert!(
        told["unanswered"].to_string().contains("connection refused"),
        "{told:#}"
    );

    let few = plan(&stage, &[&["won", "--limit", "2"], &ask[..]].concat(), 0);
    assert_eq!(
        (&few["limited"], &of(&few, "won")["conversions"]["observed"]),
        (&json!(true), &json!(3)),
        "what the operator has recorded counts, read or not"
    );

    keeps_what_hubspot_has_deleted(&stage, &ask);

    let rival = event("rival", &spec(json!({})));
    let lost = event(
        "lost",
        &spec(json!({"trigger": {"lifecycleStage": {"stage": "nowhere"}}, "eventName": "Lost"})),
    );
    let file = File::with(&format!("{rival}\n---\n{lost}"));
    let found = plan(&stage, &["-f", file.path()], 1);
    assert_eq!(of(&found, "rival")["reason"], "OwnershipConflict", "{found:#}");
    assert_eq!(of(&found, "lost")["reason"], "StageNotFound", "{found:#}");
    assert_eq!(of(&found, "lost")["conversions"]["known"], false, "nothing was read");
    assert!(
        of(&found, "lost")["message"]
            .as_str()
            .is_some_and(|m| m.contains("customer")),
        "{found:#}"
    );
    run(&stage, &["nobody"], 2);
    shows_the_goal_of_a_new_action(&stage, &spec(json!({"eventName": "Fresh"})));
    let after = stage.get("adce/won");
    assert_eq!(
        after["metadata"]["generation"], before["metadata"]["generation"],
        "nothing was applied"
    );
}
