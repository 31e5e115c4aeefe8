//! `check` of many events: HubSpot and Google are asked as much as for one, and what holds for all is said once.

use serde_json::{Value, json};

use super::super::Stage;
use super::super::judge::{calls, crowd};
use super::super::stage::ago;
use super::{ACCOUNTS, check, manifest, some_action};

const MANY: usize = 12;

/// Searches of contacts, and uploads, that were answered so far: who is put off by a limit asks again.
fn asked(stage: &Stage) -> (usize, usize) {
    let log = stage.admin("/requests?since=0&service=hubspot");
    let all = log["requests"].as_array().or_else(|| log.as_array());
    let is_search = |request: &&Value| {
        let path = request["path"].as_str().unwrap_or_default();
        path.contains("/contacts/search") && request["status"] == 200
    };
    let uploads = calls(stage, "events:ingest");
    (
        all.expect("a log").iter().filter(is_search).count(),
        uploads.iter().filter(|(_, status)| *status < 500).count(),
    )
}

#[test]
fn of_many_events_what_holds_for_all_is_asked_and_said_once() {
    let stage = Stage::empty("check-many", &[], &[]);
    crowd(&stage, 3);
    some_action(&stage);
    let events = |count: usize, stage_name: &str| {
        let more = json!({"startTime": ago(86_400), "trigger": {"lifecycleStage": {"stage": stage_name}}});
        let all: Vec<_> = (0..count)
            .map(|number| manifest(&format!("event-{number:02}"), &more))
            .collect();
        stage.file("events.yaml", &format!("{ACCOUNTS}\n---\n{}", all.join("\n---\n")))
    };
    let none = asked(&stage);
    check(&stage, &["-f", &events(1, "customer")], 0);
    let one = asked(&stage);
    assert!(one.0 > none.0 && one.1 > none.1, "{one:?}");
    let said = check(&stage, &["-f", &events(MANY, "customer")], 0);
    let many = asked(&stage);
    assert_eq!((many.0 - one.0, many.1 - one.1), (one.0 - none.0, one.1 - none.1));
    assert_eq!(
        said.matches("3 of 3 contacts").count(),
        MANY,
        "each is told as fine: {said}"
    );
    let said = check(&stage, &["-f", &events(MANY, "Kunde")], 1);
    assert_eq!(said.matches("HubSpot has no lifecycle stage").count(), 1, "{said}");
    let title = format!(
        "AdConversionEvent {}/event-00, event-01, event-02 and {} more (",
        stage.namespace,
        MANY - 3
    );
    assert!(
        said.contains(&title) && said.contains(&format!("{MANY} findings")),
        "{said}"
    );
    let said = check(&stage, &["-f", &events(MANY, "Kunde"), "-o", "json"], 1);
    assert_eq!(said.matches("HubSpot has no lifecycle stage").count(), MANY);
}
