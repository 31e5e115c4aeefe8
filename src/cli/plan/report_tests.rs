#![allow(clippy::unwrap_used)]

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::api::CREATE_AGAIN;
use crate::domain::action::{ActionFields, ConversionAction};
use crate::domain::ids::ActionId;

fn event(status: &Value) -> AdConversionEvent {
    serde_json::from_value(json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "won", "namespace": "marketing"},
        "spec": {"googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
                 "trigger": {"lifecycleStage": {"stage": "customer"}}},
        "status": status,
    }))
    .unwrap()
}

fn recorded(outcome: &str) -> ConversionEntry {
    serde_json::from_value(json!({"time": "2026-11-01T10:00:00Z", "transactionId": outcome, "outcome": outcome}))
        .unwrap()
}

fn owner() -> CustomerId {
    "1234567890".parse().unwrap()
}

fn update(id: u64) -> (CustomerId, Change) {
    let before: ConversionAction = action(id);
    let fields = ActionFields {
        name: Some("New".into()),
        ..ActionFields::default()
    };
    let change = Change::Update {
        id: ActionId(id),
        before: Box::new(before),
        fields: Box::new(fields),
    };
    (owner(), change)
}

fn create(id: u64) -> (CustomerId, Change) {
    let fields = ActionFields {
        name: Some("New".into()),
        ..ActionFields::default()
    };
    let change = Change::Create {
        id: ActionId(id),
        fields: Box::new(fields),
    };
    (owner(), change)
}

fn action(id: u64) -> ConversionAction {
    ConversionAction {
        id: ActionId(id),
        resource_name: String::new(),
        name: "Old".into(),
        status: "ENABLED".into(),
        kind: "UPLOAD_CLICKS".into(),
        origin: None,
        category: None,
        primary_for_goal: None,
        counting_type: None,
        attribution_model: None,
        click_window_days: None,
        view_window_days: None,
        default_value: None,
        default_currency: None,
        always_use_default_value: None,
        event_snippets: vec![],
    }
}

#[rstest]
#[case::created(None, Some("Created"), vec![create(7)], ActionChange::Create, 1)]
#[case::adopted(None, Some("Adopted"), vec![], ActionChange::Adopt, 0)]
#[case::adopted_and_changed(None, Some("Adopted"), vec![update(7)], ActionChange::Adopt, 1)]
#[case::mapped(None, Some("Mapped"), vec![], ActionChange::Map, 0)]
#[case::renamed(Some("7"), Some("Created"), vec![update(7)], ActionChange::Update, 1)]
#[case::kept(Some("7"), Some("Created"), vec![], ActionChange::Keep, 0)]
#[case::changes_of_another(Some("7"), Some("Created"), vec![update(8)], ActionChange::Keep, 0)]
#[case::none(None, None, vec![create(7)], ActionChange::None, 0)]
fn the_change_of_the_action(
    #[case] had: Option<&str>,
    #[case] origin: Option<&str>,
    #[case] changes: Vec<(CustomerId, Change)>,
    #[case] wanted: ActionChange,
    #[case] fields: usize,
) {
    let action = |id: Option<&str>, origin: Option<&str>| {
        json!({"conversionAction": id.map(|id| json!({"customerId": "1234567890", "id": id, "name": "X",
            "origin": origin}))})
    };
    let before = event(&action(had, Some("Created")));
    let after = event(&action(origin.map(|_| "7"), origin));
    let plan = event_plan(&PlanFacts {
        before: &before,
        applied: true,
        new_events: &[],
        after: &after,
        changes: &changes,
        conversions: &[],
        recorded: &Err("nobody was asked".into()),
        unread: vec![],
        looked_for: true,
        notes: vec![],
    });
    assert_eq!(
        (plan.conversion_action.change, plan.conversion_action.fields.len()),
        (wanted, fields)
    );
    let shows_id = !matches!(wanted, ActionChange::Create | ActionChange::None);
    assert_eq!(plan.conversion_action.id.is_some(), shows_id);
}

#[test]
fn what_was_sent_is_told_or_said_to_be_unknown() {
    let recorded = ["Uploaded", "Processing", "Pending", "Skipped", "Rejected"].map(recorded);
    let said = already_sent(&Ok(recorded.to_vec()));
    assert_eq!((said.known, said.count), (true, Some(2)));
    let unknown = already_sent(&Err("no operator answers".into()));
    assert_eq!((unknown.known, unknown.count), (false, None));
    assert_eq!(unknown.message, "no operator answers");
}

#[rstest]
#[case::created("Created", vec![create(7)], true)]
#[case::adopted("Adopted", vec![], false)]
#[case::mapped("Mapped", vec![], false)]
fn what_an_earlier_event_of_the_action_has_sent_is_not_known(
    #[case] origin: &str,
    #[case] changes: Vec<(CustomerId, Change)>,
    #[case] known: bool,
) {
    let action = json!({"customerId": "1234567890", "id": "7", "name": "X", "origin": origin});
    let plan = event_plan(&PlanFacts {
        before: &event(&json!({})),
        applied: true,
        new_events: &[],
        after: &event(&json!({"conversionAction": action})),
        changes: &changes,
        conversions: &[],
        recorded: &Err(NEVER_SEEN.to_owned()),
        unread: vec![],
        looked_for: true,
        notes: vec![],
    });
    assert_eq!(plan.already_sent.known, known, "{}", plan.already_sent.message);
}

#[test]
fn what_an_operator_would_still_be_at_is_not_known() {
    let status = |reason: &str| {
        let ready = json!({"type": "Ready", "status": "False", "reason": reason, "message": "x",
            "lastTransitionTime": "2026-11-28T00:00:00Z"});
        json!({"conditions": [ready]})
    };
    let ready = |reason: &str| {
        let mut after = event(&json!({}));
        after.status = serde_json::from_value(status(reason)).unwrap();
        event_plan(&PlanFacts {
            before: &event(&json!({})),
            applied: true,
            new_events: &[],
            after: &after,
            changes: &[],
            conversions: &[],
            recorded: &Err(String::new()),
            unread: vec![],
            looked_for: true,
            notes: vec![],
        })
        .ready
    };
    assert_eq!(
        (ready("StageNotFound"), ready("Progressing")),
        ("False".to_owned(), "Unknown".to_owned())
    );
}

#[rstest]
#[case::none_there(true, vec![], 0, true)]
#[case::stalled(false, vec![], 0, false)]
#[case::token_refused(true, vec![unread("HubSpot", false)], 0, false)]
#[case::some_read(true, vec![unread("HubSpot", true)], 1, true)]
fn no_conversion_is_a_fact_only_if_hubspot_was_asked(
    #[case] looked_for: bool,
    #[case] unread: Vec<UnreadItem>,
    #[case] found: usize,
    #[case] known: bool,
) {
    let ready = json!({"type": "Ready", "status": "False", "reason": "Why", "message": "x",
        "lastTransitionTime": "2026-11-28T00:00:00Z"});
    let plan = event_plan(&PlanFacts {
        before: &event(&json!({})),
        applied: true,
        new_events: &[],
        after: &event(&json!({"conditions": [ready]})),
        changes: &[],
        conversions: &vec![recorded("Pending"); found],
        recorded: &Ok(vec![]),
        unread,
        looked_for,
        notes: vec![],
    });
    assert_eq!(plan.conversions.known, known);
}

#[rstest]
#[case::applied(true, format!("If not, {CREATE_AGAIN}."))]
#[case::a_manifest(false, "If not, correct it in the manifest.".to_owned())]
fn only_an_event_that_is_there_can_be_deleted(#[case] applied: bool, #[case] says: String) {
    let condition = |name: &str| {
        json!({"type": name, "status": "False", "reason": "Why", "message": format!("If not, {CREATE_AGAIN}."),
            "lastTransitionTime": "2026-11-28T00:00:00Z"})
    };
    let conditions = ["Ready", "ConversionActionReady"].map(condition);
    let plan = event_plan(&PlanFacts {
        before: &event(&json!({})),
        applied,
        new_events: &[],
        after: &event(&json!({"conditions": conditions})),
        changes: &[],
        conversions: &[],
        recorded: &Ok(vec![]),
        unread: vec![],
        looked_for: false,
        notes: vec![],
    });
    assert_eq!(
        (&plan.message, plan.conversion_action.message),
        (&says, Some(says.clone()))
    );
}

#[test]
fn goals_of_the_account_stand_apart() {
    let goal = crate::domain::action::Goal {
        category: "CONVERTED_LEAD".into(),
        origin: "WEBSITE".into(),
        biddable: true,
    };
    let goals = goal_changes(&[update(7), (owner(), Change::Goal(goal))]);
    assert_eq!(goals.len(), 1);
    assert!(goals[0].biddable && goals[0].customer_id == "1234567890");
}

fn unread(service: &'static str, may_pass: bool) -> UnreadItem {
    UnreadItem {
        service,
        what: "deals".into(),
        message: "no answer".into(),
        may_pass,
    }
}

#[rstest]
#[case::all_read("True", vec![], "True", ActionChange::Keep)]
#[case::kept_while_hubspot_is_down("True", vec![unread("HubSpot", true)], "Unknown", ActionChange::Keep)]
#[case::kept_while_google_is_down("True", vec![unread(GOOGLE, true)], "Unknown", ActionChange::Unknown)]
#[case::no_finding_of_now("False", vec![unread("HubSpot", true), unread("HubSpot", false)], "Unknown", ActionChange::Keep)]
#[case::refused("False", vec![unread("HubSpot", false)], "False", ActionChange::Keep)]
#[case::refused_and_kept("True", vec![unread("HubSpot", false)], "Unknown", ActionChange::Keep)]
fn what_was_kept_is_no_decision(
    #[case] said: &str,
    #[case] unread: Vec<UnreadItem>,
    #[case] ready: &str,
    #[case] change: ActionChange,
) {
    let status = json!({
        "conversionAction": {"customerId": "1234567890", "id": "7", "name": "X", "origin": "Created"},
        "conditions": [{"type": "Ready", "status": said, "reason": "Why", "message": "Said.",
                        "lastTransitionTime": "2026-11-01T10:00:00Z"}],
    });
    let event = event(&status);
    let unread_then = unread.len();
    let plan = event_plan(&PlanFacts {
        before: &event,
        applied: true,
        new_events: &[],
        after: &event,
        changes: &[],
        conversions: &[],
        recorded: &Ok(vec![]),
        unread,
        looked_for: true,
        notes: vec![],
    });
    assert_eq!((plan.ready.as_str(), plan.conversion_action.change), (ready, change));
    let shown = if ready == "Unknown" { unread_then } else { 0 };
    assert_eq!(
        plan.unread.len(),
        shown,
        "what was refused is in the message of the condition"
    );
}
