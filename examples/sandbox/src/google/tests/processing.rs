//! Data Manager: what becomes of accepted rows, and the tally.

use serde_json::{Value, json};

use super::{CUSTOMER, HASH, Sandbox, destination, with};
use crate::google::dm::store::{ClickKind, Event};
use crate::world::lock;

/// The only reason of an outcome, without its prefix.
fn reason(outcome: &Value) -> String {
    let counts = outcome["errorInfo"]["errorCounts"].as_array().unwrap();
    assert_eq!(counts.len(), 1, "{outcome}");
    counts[0]["reason"]
        .as_str()
        .unwrap()
        .trim_start_matches("PROCESSING_ERROR_REASON_")
        .to_owned()
}

#[tokio::test]
async fn outcomes_appear_after_the_delay() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    sandbox.click("G1", "10h");
    let reply = sandbox
        .ingest(&action, vec![sandbox.event("t1", "G1"), sandbox.event("t2", "unknown")])
        .await;
    let id = reply.body["requestId"].as_str().unwrap().to_owned();
    let early = sandbox.status(&id).await.body["requestStatusPerDestination"][0].clone();
    assert_eq!(
        early,
        json!({"destination": destination(&action), "requestStatus": "PROCESSING"})
    );
    assert_eq!(sandbox.tally().await["processing"], 2);
    sandbox.advance("2s");
    let late = sandbox.status(&id).await.body["requestStatusPerDestination"][0].clone();
    assert_eq!(late["requestStatus"], "PARTIAL_SUCCESS");
    assert_eq!(late["eventsIngestionStatus"]["recordCount"], "2");
    let count = json!({"reason": "PROCESSING_ERROR_REASON_CLICK_NOT_FOUND", "recordCount": "1", "recordIndices": [1]});
    assert_eq!(late["errorInfo"]["errorCounts"], json!([count]));
    let tally = sandbox.tally().await;
    assert_eq!(tally["processing"], 0);
    assert_eq!(tally["failed"], json!({"PROCESSING_ERROR_REASON_CLICK_NOT_FOUND": 1}));
    let row = &tally["conversions"][0];
    assert_eq!(
        (&row["customerId"], &row["conversionActionId"]),
        (&json!(CUSTOMER), &json!(action))
    );
    assert_eq!(
        (&row["transactionId"], &row["clickIdKind"], &row["clickId"]),
        (&json!("t1"), &json!("gclid"), &json!("G1"))
    );
    assert_eq!((&row["acceptedCount"], &row["requestIds"]), (&json!(1), &json!([id])));
}

#[tokio::test]
async fn clicks_are_judged() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({"clickThroughLookbackWindowDays": 7})).await;
    sandbox.set(json!({"minClickAge": "6h"})).await;
    for (gclid, ago) in [("young", "5h"), ("good", "7h"), ("old", "200h"), ("edge", "168h")] {
        sandbox.click(gclid, ago);
    }
    let cases = [
        ("young", "TOO_RECENT_CLICK"),
        ("old", "EXPIRED_CLICK"),
        ("unknown", "CLICK_NOT_FOUND"),
        ("invalid1", "INVALID_GCLID"),
    ];
    for (gclid, expected) in cases {
        let outcome = sandbox.outcome(&action, vec![sandbox.event("t", gclid)]).await;
        assert_eq!(
            (outcome["requestStatus"].as_str(), reason(&outcome).as_str()),
            (Some("FAILED"), expected)
        );
    }
    for gclid in ["good", "edge"] {
        assert_eq!(
            sandbox.outcome(&action, vec![sandbox.event(gclid, gclid)]).await["requestStatus"],
            "SUCCESS"
        );
    }
    let before = with(
        &sandbox.event("t", "good"),
        "eventTimestamp",
        json!(sandbox.time("-8h")),
    );
    assert_eq!(
        reason(&sandbox.outcome(&action, vec![before]).await),
        "CONVERSION_PRECEDES_CLICK"
    );
    sandbox.set(json!({"acceptUnknownClicks": true})).await;
    assert_eq!(
        sandbox.outcome(&action, vec![sandbox.event("u", "unknown")]).await["requestStatus"],
        "SUCCESS"
    );
    assert_eq!(sandbox.tally().await["totals"]["conversions"], 3);
}

#[tokio::test]
async fn young_actions_fail_rows_or_requests() {
    let sandbox = Sandbox::new().await;
    sandbox
        .set(json!({"newActionAge": "6h", "acceptUnknownClicks": true}))
        .await;
    let action = sandbox.action(json!({})).await;
    assert_eq!(
        reason(&sandbox.outcome(&action, vec![sandbox.event("t", "G")]).await),
        "DESTINATION_TOO_RECENTLY_CREATED"
    );
    sandbox.set(json!({"newActionFastFail": true})).await;
    let reply = sandbox.ingest(&action, vec![sandbox.event("t", "G")]).await;
    assert_eq!(
        reply.violations(),
        ["destinations.destinations[0].product_destination_id CONVERSION_ACTION_TOO_RECENTLY_CREATED"]
    );
    sandbox.advance("6h");
    let mut sandbox = sandbox;
    sandbox.login().await;
    assert_eq!(
        sandbox.outcome(&action, vec![sandbox.event("t", "G")]).await["requestStatus"],
        "SUCCESS"
    );
}

#[tokio::test]
async fn braids_conflict_with_one_per_click() {
    let sandbox = Sandbox::new().await;
    let single = sandbox.action(json!({"countingType": "ONE_PER_CLICK"})).await;
    let many = sandbox
        .action(json!({"name": "Many", "countingType": "MANY_PER_CLICK"}))
        .await;
    let event = with(&sandbox.event("t", "x"), "adIdentifiers", json!({"wbraid": "W"}));
    assert_eq!(
        reason(&sandbox.outcome(&single, vec![event.clone()]).await),
        "ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID"
    );
    assert_eq!(
        sandbox.outcome(&many, vec![event.clone()]).await["requestStatus"],
        "SUCCESS"
    );
    let bad = with(&event, "adIdentifiers", json!({"gbraid": "invalid"}));
    assert_eq!(reason(&sandbox.outcome(&many, vec![bad]).await), "INVALID_GBRAID");
}

#[tokio::test]
async fn user_data_needs_terms_and_switches_the_setting_on() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let path = format!("/accounts/{CUSTOMER}");
    sandbox
        .admin(
            "PATCH",
            &path,
            &json!({"acceptedCustomerDataTerms": false, "enablement": "OFF"}),
        )
        .await;
    let bare = with(&sandbox.event("t", "x"), "adIdentifiers", Value::Null);
    let event = with(
        &bare,
        "userData",
        json!({"userIdentifiers": [{"emailAddress": HASH.to_ascii_uppercase()}]}),
    );
    assert_eq!(
        reason(&sandbox.outcome(&action, vec![event.clone()]).await),
        "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED"
    );
    sandbox
        .admin("PATCH", &path, &json!({"acceptedCustomerDataTerms": true}))
        .await;
    assert_eq!(sandbox.outcome(&action, vec![event]).await["requestStatus"], "SUCCESS");
    let row = sandbox.tally().await["conversions"][0].clone();
    assert_eq!(
        (&row["userIdentifiers"], &row["identifiers"]),
        (&json!(1), &json!([HASH]))
    );
    let account = sandbox
        .search("SELECT customer.conversion_tracking_setting.effective_enablement_setting FROM customer")
        .await;
    assert_eq!(
        account.body["results"][0]["customer"]["conversionTrackingSetting"]["effectiveEnablementSetting"],
        "ON"
    );
}

#[tokio::test]
async fn consent_and_age_can_fail_rows() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    sandbox
        .set(json!({"acceptUnknownClicks": true, "eventTooOld": "24h"}))
        .await;
    let event = sandbox.event("t", "G");
    let denied = with(&event, "consent", json!({"adUserData": "CONSENT_DENIED"}));
    assert_eq!(reason(&sandbox.outcome(&action, vec![denied]).await), "DENIED_CONSENT");
    let old = with(&event, "eventTimestamp", json!(sandbox.time("-25h")));
    assert_eq!(reason(&sandbox.outcome(&action, vec![old]).await), "EVENT_TOO_OLD");
    sandbox.set(json!({"requireConsent": true})).await;
    assert_eq!(
        reason(&sandbox.outcome(&action, vec![event.clone()]).await),
        "NO_CONSENT"
    );
    let granted = with(&event, "consent", json!({"adUserData": "CONSENT_GRANTED"}));
    assert_eq!(
        sandbox.outcome(&action, vec![granted]).await["requestStatus"],
        "SUCCESS"
    );
    assert_eq!(sandbox.tally().await["conversions"][0]["consent"], "CONSENT_GRANTED");
}

#[tokio::test]
async fn a_transaction_counts_once_per_action() {
    let sandbox = Sandbox::new().await;
    let first = sandbox.action(json!({})).await;
    let second = sandbox.action(json!({"name": "Second"})).await;
    sandbox.set(json!({"acceptUnknownClicks": true})).await;
    let event = with(
        &with(&sandbox.event("t", "G"), "conversionValue", json!(10)),
        "currency",
        json!("EUR"),
    );
    let time = event["eventTimestamp"].clone();
    sandbox.outcome(&first, vec![event.clone()]).await;
    sandbox
        .outcome(
            &first,
            vec![with(&event, "eventTimestamp", json!(sandbox.time("-30s")))],
        )
        .await;
    sandbox
        .outcome(&first, vec![with(&event, "conversionValue", json!(20))])
        .await;
    sandbox.outcome(&second, vec![event]).await;
    let tally = sandbox.tally().await;
    assert_eq!(tally["conversions"].as_array().unwrap().len(), 2);
    let row = &tally["conversions"][0];
    assert_eq!(
        (&row["acceptedCount"], &row["repeated"], &row["adjusted"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!((&row["value"], &row["eventTimestamp"]), (&json!(20.0), &time));
    assert_eq!(row["requestIds"].as_array().unwrap().len(), 3);
    let one = sandbox
        .admin("GET", &format!("/tally?actionId={second}"), &Value::Null)
        .await;
    assert_eq!(one["conversions"].as_array().unwrap().len(), 1);
    let summary = sandbox.admin("GET", "/tally?summary=true", &Value::Null).await;
    assert_eq!(summary.get("conversions"), None);
    assert_eq!(
        summary["totals"],
        json!({"conversions": 2, "acceptedCount": 4, "repeated": 1, "adjusted": 1, "failed": 0})
    );
}

#[tokio::test]
async fn armed_outcomes_fire_as_often_as_asked() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    sandbox.set(json!({"acceptUnknownClicks": true})).await;
    sandbox
        .admin(
            "POST",
            "/outcomes",
            &json!({"transactionIds": ["t"], "reason": "INTERNAL_ERROR", "times": 1}),
        )
        .await;
    assert_eq!(
        reason(&sandbox.outcome(&action, vec![sandbox.event("t", "G")]).await),
        "INTERNAL_ERROR"
    );
    assert_eq!(
        sandbox.outcome(&action, vec![sandbox.event("t", "G")]).await["requestStatus"],
        "SUCCESS"
    );
}

#[tokio::test]
async fn statuses_can_be_made_vague() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let events: Vec<Value> = (0..3).map(|i| sandbox.event(&format!("t{i}"), "unknown")).collect();
    let reply = sandbox.ingest(&action, events).await;
    let id = reply.body["requestId"].as_str().unwrap().to_owned();
    let status = async || sandbox.status(&id).await.body["requestStatusPerDestination"][0].clone();
    sandbox.set(json!({"neverFinish": true})).await;
    sandbox.advance("20m");
    assert_eq!(status().await["requestStatus"], "PROCESSING");
    sandbox.set(json!({"neverFinish": false, "maxIndices": 1})).await;
    let counts = status().await["errorInfo"]["errorCounts"][0].clone();
    assert_eq!(
        (&counts["recordCount"], &counts["recordIndices"]),
        (&json!("3"), &json!([0]))
    );
    sandbox.set(json!({"omitIndices": true})).await;
    assert_eq!(status().await["errorInfo"]["errorCounts"][0].get("recordIndices"), None);
    sandbox.set(json!({"statusUnknown": true})).await;
    assert_eq!(status().await["requestStatus"], "REQUEST_STATUS_UNKNOWN");
    sandbox.admin("POST", "/requests/forget", &json!({})).await;
    assert_eq!(sandbox.status(&id).await.info_reason(), "INVALID_REQUEST_ID");
}

#[tokio::test]
async fn statuses_come_per_destination_and_expire() {
    let mut sandbox = Sandbox::new().await;
    let first = sandbox.action(json!({"countingType": "ONE_PER_CLICK"})).await;
    let second = sandbox.action(json!({"name": "Second"})).await;
    let named = |action: &str, name: &str| with(&destination(action), "reference", json!(name));
    let both = with(&sandbox.event("t0", "x"), "adIdentifiers", json!({"gbraid": "B"}));
    let only = with(
        &with(&both, "transactionId", json!("t1")),
        "destinationReferences",
        json!(["b"]),
    );
    let body = json!({"destinations": [named(&first, "a"), named(&second, "b")], "events": [only, both]});
    let reply = sandbox.post("/v1/events:ingest", &body).await;
    let id = reply.body["requestId"].as_str().unwrap().to_owned();
    sandbox.advance("2s");
    let list = sandbox.status(&id).await.body["requestStatusPerDestination"].clone();
    assert_eq!(
        (&list[0]["destination"]["reference"], &list[0]["requestStatus"]),
        (&json!("a"), &json!("FAILED"))
    );
    assert_eq!(list[0]["errorInfo"]["errorCounts"][0]["recordIndices"], json!([1]));
    assert_eq!(
        (
            &list[1]["requestStatus"],
            &list[1]["eventsIngestionStatus"]["recordCount"]
        ),
        (&json!("SUCCESS"), &json!("2"))
    );
    sandbox.advance("1201h");
    sandbox.login().await;
    assert_eq!(sandbox.status(&id).await.info_reason(), "REQUEST_TOO_OLD");
    assert_eq!(sandbox.get("/v1/requestStatus:retrieve").await.status, 400);
}

#[tokio::test]
async fn the_tally_stays_fast() {
    let sandbox = Sandbox::new().await;
    {
        let mut world = lock(&sandbox.shared);
        let now = world.clock.now();
        for index in 0..200_000_u32 {
            let click = Some((ClickKind::Gclid, format!("G{index}")));
            let event = Event {
                index: 0,
                transaction_id: format!("t{index}"),
                time: now,
                value: Some(1.0),
                currency: Some("EUR".into()),
                click,
                identifiers: Vec::new(),
                consent: None,
                targets: vec![0],
            };
            world.google.ingestion.record(1, &event, None, "r");
        }
    }
    let start = std::time::Instant::now();
    for _ in 0..100 {
        let summary = sandbox.admin("GET", "/tally?summary=true", &Value::Null).await;
        assert_eq!(summary["totals"]["conversions"], 200_000);
    }
    assert!(
        start.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(sandbox.tally().await["conversions"].as_array().unwrap().len(), 200_000);
}
