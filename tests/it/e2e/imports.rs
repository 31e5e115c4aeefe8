//! `adconversion import`: what stands in Google becomes manifests that change nothing there.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::Stage;
use super::forms::{self, FORM};
use super::stage::ago;

/// `adconversion import`, which ended with this code: what it printed, and what it said beside it.
fn import(stage: &Stage, arguments: &[&str], code: i32) -> (String, String) {
    let endpoints = stage.endpoints();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let given = [
        "import",
        "--namespace",
        &stage.namespace,
        "--google-ads-account",
        "acme",
    ];
    let done = stage.command(&[&given, arguments, &endpoints].concat());
    let said = format!("{}{}", done.stdout, done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}: {said}");
    for secret in ["pat-na1", "sandbox-refresh", "\u{1b}"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    (done.stdout, done.stderr)
}

fn create(stage: &Stage, name: &str, kind: &str, more: &Value) {
    let mut action = json!({"customerId": "1234567890", "type": kind, "name": name, "category": "CONVERTED_LEAD"});
    for (field, value) in more.as_object().into_iter().flatten() {
        action[field] = value.clone();
    }
    stage.post("/google/actions", &action);
}

/// Actions and goals, every field of them.
fn configured(stage: &Stage) -> [Value; 2] {
    ["/google/actions", "/google/goals"].map(|path| stage.admin(path))
}

fn id_of(stage: &Stage, name: &str) -> String {
    let found = stage.actions().into_iter().find(|action| action["name"] == name);
    let id = found.unwrap_or_else(|| panic!("no action {name}"))["id"].clone();
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// Actions as HubSpot's own feature and people made them.
fn some_actions(stage: &Stage) {
    create(stage, "HubSpot - Customer", "UPLOAD_CLICKS", &json!({}));
    create(
        stage,
        "HubSpot <\"Marketing Qualified Lead\">",
        "UPLOAD_CLICKS",
        &json!({"category": "SIGNUP", "primaryForGoal": false}),
    );
    create(stage, "Purchase \u{1b}[2J", "UPLOAD_CLICKS", &json!({}));
    create(
        stage,
        "Demo request",
        "WEBPAGE",
        &json!({"category": "SUBMIT_LEAD_FORM"}),
    );
}

#[test]
fn imported_events_change_nothing_and_count_what_comes_after() {
    for adopt in [false, true] {
        let stage = forms::stage(if adopt { "import-adopted" } else { "import-mapped" }, &[]);
        stage.condition("gaa/acme", "Ready", "True", "");
        some_actions(&stage);
        let purchase = format!("--stage={}=lead", id_of(&stage, "Purchase \u{1b}[2J"));
        let before = stage.contact(&[("customer", ago(600))], Some("click-before"), &json!({}));
        let directory = Path::new(&stage.file("beside", "")).with_file_name("imported");
        let directory = directory.display().to_string();
        let mut arguments = vec!["--output-dir", &directory, "--consent", "ads_consent=true", &purchase];
        arguments.extend(adopt.then_some("--adopt"));
        let (listed, said) = import(&stage, &arguments, 0);
        let files: Vec<_> = listed.lines().collect();
        assert_eq!(files.len(), if adopt { 3 } else { 4 }, "{listed}{said}");
        let left_out = said.lines().filter(|line| line.starts_with("not imported:")).count();
        assert_eq!(
            left_out,
            usize::from(adopt),
            "a name with a control character can't be declared: {said}"
        );
        let at_google = configured(&stage);
        for file in &files {
            stage.apply(&fs::read_to_string(file).expect("a manifest"));
        }
        for event in ["hubspot-customer", "hubspot-marketing-qualified-lead", "demo-request"] {
            stage.condition(&format!("adce/{event}"), "Ready", "True", "");
        }
        let after = stage.contact(&[("customer", ago(0))], Some("click-after"), &json!({}));
        let event = stage.settled("hubspot-customer", 1);
        assert_eq!(
            event["status"]["sync"]["uploaded"], 1,
            "{before} was before, {after} is after: {event:#}"
        );
        let origin = if adopt { "Adopted" } else { "Mapped" };
        assert_eq!(event["status"]["conversionAction"]["origin"], origin);
        assert_eq!(
            configured(&stage),
            at_google,
            "no field of any action or goal has changed"
        );
        // What has an event is not imported again, and nothing else is left.
        let (_, said) = import(&stage, &[], 1);
        assert!(said.contains("hubspot-customer uses it already"), "{said}");
    }
}

#[test]
fn what_cannot_be_imported_is_listed_with_the_reason() {
    let stage = Stage::empty("import-listed", &[], &[]);
    stage.post("/hubspot/forms", &json!([{"id": FORM, "name": "Demo request"}]));
    stage.apply(include_str!("accounts.yaml"));
    some_actions(&stage);
    create(&stage, "Gone customer", "UPLOAD_CLICKS", &json!({}));
    stage.admin_call(
        "DELETE",
        &format!("/google/actions/{}", id_of(&stage, "Gone customer")),
        None,
    );
    let before = configured(&stage);
    let (printed, said) = import(&stage, &[], 0);
    assert_eq!(printed.matches("kind: AdConversionEvent").count(), 2, "{printed}");
    for part in [
        "(Gone customer): its status is REMOVED",
        "(Demo request): an event of a form needs the contact property that holds the consent",
        "it is not named after one lifecycle stage of the portal: name it with --stage",
    ] {
        assert!(said.contains(part), "no {part}: {said}");
    }
    let (printed, _) = import(&stage, &["-o", "json"], 0);
    let list: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(
        (&list["kind"], list["items"].as_array().map(Vec::len)),
        (&json!("List"), Some(2))
    );
    stage.apply(&printed);
    let (table, _) = import(&stage, &["-o", "table", "--consent", "ads_consent=true"], 0);
    assert!(table.starts_with("ACTION") && table.contains("demo-request"), "{table}");
    assert_eq!(configured(&stage), before, "reading changes nothing");
    // Nobody could be asked.
    import(&stage, &["--hubspot-account", "nobody"], 2);
    let stranger = stage.stranger("stranger");
    let endpoints = stage.endpoints();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    let given = [
        "import",
        "--namespace",
        &stage.namespace,
        "--google-ads-account",
        "acme",
    ];
    let done = Stage::command_as(&stranger, &[&given[..], &endpoints].concat());
    assert_eq!(done.status.code(), Some(2), "{}", done.stderr);
    assert!(
        done.stderr.contains("get googleadsaccounts.adconversion.dev"),
        "{}",
        done.stderr
    );
}
