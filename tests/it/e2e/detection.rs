//! Every entry into a stage is found, once, whatever the contact's history looks like.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::rows_of::{Rows, accepted, action, compare, entries, row, transaction};
use super::stage::{Counts, ago, condition};
use crate::support::cluster::namespace;

const DAY: i64 = 86_400;
const TRIAL: &str = "1066237962";

/// Event name, how it names its stage, the stage's internal value: more stages than one search takes, one stage twice,
/// and a custom one by value and by label.
const EVENTS: [(&str, &str, &str); 9] = [
    ("lead", "lead", "lead"),
    ("mql", "marketingqualifiedlead", "marketingqualifiedlead"),
    ("sql", "Sales Qualified Lead", "salesqualifiedlead"),
    ("opportunity", "opportunity", "opportunity"),
    ("customer", "customer", "customer"),
    ("customer-too", "Customer", "customer"),
    ("evangelist", "evangelist", "evangelist"),
    ("trial", TRIAL, TRIAL),
    ("trial-label", "Trial", TRIAL),
];

struct World {
    stage: Stage,
    since: String,
    clicks: RefCell<BTreeMap<String, String>>,
}

impl World {
    fn new(dated: bool) -> Self {
        let stage = Stage::empty("histories", &[], &[("sweep-interval", "4s")]);
        let portal = json!({"dateEntered": dated, "customStages": [{"value": TRIAL, "label": "Trial"}]});
        stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&portal));
        Self {
            stage,
            since: ago(DAY * 20),
            clicks: RefCell::default(),
        }
    }

    /// A contact with this past: stages with the seconds since; its click id is its own.
    fn contact(&self, name: &str, past: &[(&str, i64)]) -> String {
        let rows: Vec<_> = past.iter().map(|(stage, seconds)| (*stage, ago(*seconds))).collect();
        let id = self.stage.contact(&rows, Some(&format!("click-{name}")), &json!({}));
        self.clicks.borrow_mut().insert(id.clone(), format!("click-{name}"));
        id
    }

    fn merge(&self, first: &str, second: &str) -> String {
        let merged = self.stage.post("/hubspot/merge", &json!({"ids": [first, second]}));
        let id = merged["id"].as_str().expect("an id").to_owned();
        let click = self.clicks.borrow()[first].clone();
        self.clicks.borrow_mut().insert(id.clone(), click);
        id
    }

    fn set(&self, id: &str, value: &str) {
        let change = json!({"properties": {"lifecyclestage": value}});
        self.stage
            .admin_call("PATCH", &format!("/hubspot/contacts/{id}"), Some(&change));
    }

    /// Compares all events; returns how many conversions there are.
    fn compare(&self) -> usize {
        let click = |id: &str| json!(self.clicks.borrow().get(id));
        let of = |(name, _, value): &(&str, &str, &str)| {
            let expected = entries(&self.stage, value, &self.since, click);
            compare(&self.stage, name, &expected);
            expected.len()
        };
        EVENTS.iter().map(of).sum()
    }
}

fn past_of(world: &World) -> (String, String) {
    let jumped = world.contact("jump", &[("subscriber", DAY * 8), ("customer", DAY * 5)]);
    let returned = [
        ("customer", DAY * 7),
        ("", DAY * 6),
        ("lead", DAY * 6 - 1),
        ("customer", DAY * 2),
    ];
    world.contact("returned", &returned);
    let cleared = [
        ("customer", DAY * 7),
        ("customer", DAY * 6),
        ("", DAY * 5),
        ("customer", DAY * 4),
    ];
    world.contact("cleared", &cleared);
    world.contact(
        "before",
        &[("customer", DAY * 30), ("lead", DAY * 8), ("customer", DAY)],
    );
    let all = [
        ("lead", 700),
        ("marketingqualifiedlead", 600),
        ("salesqualifiedlead", 500),
        ("opportunity", 400),
        (TRIAL, 300),
        ("evangelist", 200),
    ];
    let through = world.contact("through", &all);
    let deleted = world.contact("deleted", &[("customer", DAY * 3)]);
    world
        .stage
        .admin_call("DELETE", &format!("/hubspot/contacts/{deleted}"), None);
    // Without a click id of its own: of two of the same millisecond none is the later one.
    let first = world.stage.contact(&[("lead", ago(DAY * 5))], None, &json!({}));
    let second = world.contact("merged", &[("customer", DAY * 4)]);
    world.merge(&second, &first);
    (jumped, through)
}

fn histories(dated: bool, mode: &str) {
    let world = World::new(dated);
    let (jumped, through) = past_of(&world);
    world.stage.start_operator();
    world.stage.apply(include_str!("accounts.yaml"));
    for (name, stage, _) in EVENTS {
        world.stage.event(name, stage, &json!({"startTime": world.since}));
    }
    assert!(world.compare() > 15, "enough to matter");

    // A contact that was sent is merged with one that never counted, and comes back to the stage.
    let other = world.contact("other", &[("other", DAY)]);
    let merged = world.merge(&jumped, &other);
    world.set(&through, "customer");
    world.set(&through, "");
    world.set(&through, "lead");
    // Imported with a past: its entry is older than all that was seen.
    world.contact("imported", &[("opportunity", DAY * 3), (TRIAL, DAY * 2)]);
    let before = world.compare();
    world.set(&merged, "");
    world.set(&merged, "customer");
    // Merged, both sent, under the ids of their own; the second one's entries repeat in the new record's history.
    assert_eq!(world.compare(), before + 2, "one more for both events of the stage");
    assert_eq!(world.stage.get("hsa/acme")["status"]["changeDetection"], mode);
}

#[test]
fn any_history_by_entry_time() {
    histories(true, "DateEntered");
}

#[test]
fn any_history_by_modification_time() {
    histories(false, "LastModified");
}

#[test]
fn both_sides_of_a_merge_that_were_sent_stay_as_they_were() {
    let stage = Stage::start("both-sent");
    let start = json!({"startTime": ago(DAY * 20)});
    stage.event("customer", "customer", &start);
    let (at, later) = (ago(DAY * 3), ago(DAY * 2));
    let first = stage.contact(&[("customer", at.clone())], Some("one"), &json!({}));
    let second = stage.contact(&[("customer", later.clone())], Some("two"), &json!({}));
    let time = super::rows_of::ms;
    let expected: Rows = [
        row(&first, "customer", time(&at), &json!({"click": "one"})),
        row(&second, "customer", time(&later), &json!({"click": "two"})),
    ]
    .into();
    compare(&stage, "customer", &expected);
    let merged = stage.post("/hubspot/merge", &json!({"ids": [second, first]}));
    let merged = merged["id"].as_str().expect("an id").to_owned();
    // A third entry shows that the merged record was read, and under which root.
    for value in ["", "customer"] {
        let change = json!({"properties": {"lifecyclestage": value}});
        stage.admin_call("PATCH", &format!("/hubspot/contacts/{merged}"), Some(&change));
    }
    let event = stage.settled("customer", 3);
    let mut accepted = accepted(&stage, &event);
    for id in expected.keys() {
        assert!(accepted.remove(id).is_some(), "{id} stays");
    }
    let (id, new) = accepted.pop_first().expect("the third");
    let at = new["time"].as_i64().expect("a time");
    assert_eq!(
        id,
        transaction(&first, "customer", at),
        "root: the smallest id of the lineage"
    );
}

#[test]
fn contacts_that_the_index_shows_late_are_found() {
    // The search index shows a contact later than a poll goes back, and newer ones first; HubSpot's clock is ahead.
    let flags = [("overlap", "150s")];
    let stage = Stage::with("late", &["--clock-offset=10m"], &flags);
    stage.event("customer", "customer", &json!({"startTime": ago(DAY)}));
    stage.condition("adce/customer", "Ready", "True", "");
    let contact = |name: &str, lag: i64| {
        let now = stage.admin("/clock")["now"].clone();
        let contact = json!([{"createdAt": ago(DAY * 10), "indexLagMs": lag, "history": {
            "hs_google_click_id": [{"value": name, "timestamp": ago(DAY * 9)}],
            "lifecyclestage": [{"value": "customer", "timestamp": now}]}}]);
        stage.post("/hubspot/contacts", &contact);
    };
    contact("late", 140_000);
    stage.post("/clock/advance", &json!({"seconds": 130}));
    contact("early", 0);
    let event = stage.settled("customer", 1);
    assert_eq!(
        accepted(&stage, &event).values().next().map(|r| &r["click"]),
        Some(&json!("early"))
    );
    stage.post("/clock/advance", &json!({"seconds": 11}));
    let event = stage.settled("customer", 2);
    let clicks: Vec<_> = accepted(&stage, &event).values().map(|r| r["click"].clone()).collect();
    assert!(clicks.contains(&json!("late")), "{clicks:?}");
}

#[test]
fn a_listed_property_that_searches_refuse_or_find_nothing_by() {
    let refusal = json!({"status": 400, "body": {"status": "error", "category": "VALIDATION_ERROR",
        "message": "There was a problem with the request."}});
    let nothing = json!({"status": 200, "body": {"total": 0, "results": []}});
    for action in [refusal, nothing] {
        let stage = Stage::with("probe", &[], &[("overlap", "12s")]);
        let fault = json!({"service": "hubspot", "path": "/contacts/search", "count": 0, "action": action,
            "bodyContains": "\"propertyName\":\"hs_v2_date_entered_customer\""});
        stage.post("/faults", &fault);
        let since = ago(60);
        stage.event("live", "customer", &json!({"startTime": since}));
        stage.condition("adce/live", "Ready", "True", "");
        stage.contact(&[("customer", ago(0))], Some("live"), &json!({}));
        compare(&stage, "live", &entries(&stage, "customer", &since, |_| json!("live")));
        stage.wait("hsa/acme", "by modification", |o| {
            o["status"]["changeDetection"] == "LastModified"
        });
        stage.contact(&[("customer", ago(1))], Some("live"), &json!({}));
        compare(&stage, "live", &entries(&stage, "customer", &since, |_| json!("live")));
    }
}

#[test]
fn more_than_ten_thousand_contacts_of_one_moment() {
    let stage = Stage::empty("wall", &["--no-rate-limits"], &[]);
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&json!({"dateEntered": false})));
    let (moment, entered, since) = (ago(7200), ago(7300), ago(DAY * 2));
    for chunk in 0..4 {
        let contact = |n: u32| {
            let stage = if n.is_multiple_of(173) { "customer" } else { "lead" };
            json!({"createdAt": ago(DAY * 10), "updatedAt": moment, "history": {
                "hs_google_click_id": [{"value": format!("click-{chunk}-{n}"), "timestamp": ago(DAY * 9)}],
                "lifecyclestage": [{"value": stage, "timestamp": entered}]}})
        };
        let contacts: Vec<_> = (0..2600).map(contact).collect();
        stage.post("/hubspot/contacts", &json!(contacts));
    }
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    stage.event("customer", "customer", &json!({"startTime": since}));
    stage.wait_within(Duration::from_mins(3), "a complete pass", || {
        let ready = condition(&stage.get("adce/customer"), "Ready");
        if ready["status"] == "True" { Ok(()) } else { Err(ready) }
    });
    let expected = entries(&stage, "customer", &since, |_| Value::Null);
    assert_eq!(expected.len(), 64);
    let event = stage.settled("customer", 64);
    let accepted = accepted(&stage, &event);
    assert!(expected.keys().eq(accepted.keys()), "exactly these");
}

#[test]
fn a_recreated_and_a_moved_event_count_what_was_sent_and_send_nothing_again() {
    let next = namespace("moved");
    let mut stage = Stage::empty("recreated", &[], &[]);
    let both = format!("{},{next}", stage.namespace);
    stage.flag("watch-namespaces", &both);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    let since = ago(DAY * 20);
    let more = json!({"startTime": since, "eventName": "Kept"});
    stage.event("kept", "customer", &more);
    let clicks = RefCell::new(BTreeMap::new());
    let contact = |click: &str, seconds: i64| {
        let id = stage.contact(&[("customer", ago(seconds))], Some(click), &json!({}));
        clicks.borrow_mut().insert(id, click.to_owned());
    };
    let expected = |stage: &Stage| entries(stage, "customer", &since, |id| json!(clicks.borrow().get(id)));
    contact("first", DAY * 2);
    contact("second", DAY);
    let event = compare(&stage, "kept", &expected(&stage));
    let id = action(&event);

    stage.kubectl(&["delete", "adce/kept", "--timeout=30s"]);
    contact("between", 600);
    stage.event("kept", "customer", &more);
    let event = compare(&stage, "kept", &expected(&stage));
    assert_eq!(action(&event), id, "adopted again");

    stage.kubectl(&["delete", "adce/kept", "--timeout=30s"]);
    contact("between-too", 300);
    let first = std::mem::replace(&mut stage.namespace, next);
    stage.apply(include_str!("accounts.yaml"));
    stage.event("elsewhere", "customer", &more);
    let event = compare(&stage, "elsewhere", &expected(&stage));
    assert_eq!(action(&event), id, "the same action from another namespace");
    assert_eq!(Counts::of(&event).uploaded, 4);
    for conversion in stage.accepted(&id) {
        assert_eq!(conversion["repeated"], 0, "sent once: {conversion:#}");
    }
    stage.namespace = first;
}
