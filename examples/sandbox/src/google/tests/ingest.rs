//! Data Manager: what refuses a request as a whole.

use serde_json::{Value, json};

use super::{HASH, Sandbox, cases, request, with};

#[tokio::test]
async fn the_api_can_be_off_and_rate_limited() {
    let sandbox = Sandbox::new().await;
    sandbox.set(json!({"requestsPerMinute": 1})).await;
    assert_eq!(sandbox.status("x").await.status, 400);
    let reply = sandbox.status("x").await;
    assert_eq!((reply.status, reply.info_reason()), (429, "RATE_LIMIT_EXCEEDED"));
    sandbox.advance("1m");
    assert_eq!(sandbox.status("x").await.status, 400);
    sandbox.set(json!({"dataManagerDisabled": true})).await;
    let reply = sandbox.ingest("1", vec![]).await;
    assert_eq!((reply.status, reply.info_reason()), (403, "SERVICE_DISABLED"));
    let reply = sandbox
        .post_with("/v1/events:ingest", &json!({}), &[("authorization", "Bearer x")])
        .await;
    assert_eq!((reply.status, reply.info_reason()), (401, "ACCESS_TOKEN_INVALID"));
}

const BAD_EVENTS: &str = r#"
transactionId | null | transaction_id REQUIRED_FIELD_MISSING
transactionId | "12345678901234567890123456789012345678901234567890123456789012345" | transaction_id FIELD_VALUE_TOO_LONG
transactionId | "a@example.com" | transaction_id INVALID_FORMAT
eventTimestamp | null | event_timestamp REQUIRED_FIELD_MISSING
eventTimestamp | "2999-01-01T00:00:00Z" | event_timestamp EVENT_TIME_INVALID
eventSource | null | event_source REQUIRED_FIELD_MISSING
adIdentifiers | {"gclid": "a", "gbraid": "b"} | ad_identifiers.gbraid INVALID_EVENT
adIdentifiers | {"gclid": ""} | ad_identifiers.gclid INVALID_FORMAT
currency | null | currency REQUIRED_FIELD_MISSING
currency | "eur" | currency INVALID_CURRENCY_CODE
conversionValue | null | conversion_value REQUIRED_FIELD_MISSING
conversionValue | "NaN" | conversion_value INVALID_NUMBER_FORMAT
consent | {"adUserData": "CONSENT_STATUS_UNSPECIFIED"} | consent.ad_user_data INVALID_ENUM_VALUE
userData | {"userIdentifiers": []} | user_data.user_identifiers REQUIRED_FIELD_MISSING
"#;

const BAD_IDENTIFIERS: &str = r#"
- | {} | REQUIRED_FIELD_MISSING
- | {"emailAddress": "jane@example.com"} | .email_address INVALID_HEX_ENCODING
- | {"phoneNumber": "abc123"} | .phone_number INVALID_SHA256_FORMAT
- | {"address": {"givenName": "HASH", "familyName": "HASH", "regionCode": "DE"}} | .address.postal_code REQUIRED_FIELD_MISSING
- | {"address": {"givenName": "HASH", "regionCode": "DE", "postalCode": "10115"}} | .address.family_name REQUIRED_FIELD_MISSING
- | {"address": {"givenName": "HASH", "familyName": "HASH", "regionCode": "DE", "postalCode": "HASH"}} | .address.postal_code INVALID_POSTAL_CODE
- | {"address": {"givenName": "HASH", "familyName": "HASH", "regionCode": "de", "postalCode": "10115"}} | .address.region_code INVALID_REGION_CODE
- | {"address": {"givenName": "Jane", "familyName": "HASH", "regionCode": "DE", "postalCode": "10115"}} | .address.given_name INVALID_HEX_ENCODING
"#;

#[tokio::test]
async fn events_are_checked() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let event = with(&sandbox.event("t1", "G1"), "conversionValue", json!(12.5));
    let good = with(&event, "currency", json!("EUR"));
    for (path, change, expected) in cases(BAD_EVENTS) {
        let events = vec![good.clone(), with(&good, &path, change.clone())];
        let reply = sandbox.ingest(&action, events).await;
        let expected = vec![format!("events.events[1].{expected}")];
        assert_eq!((reply.status, reply.violations()), (400, expected), "{path} {change}");
    }
    let bare = with(&good, "adIdentifiers", Value::Null);
    let reply = sandbox.ingest(&action, vec![bare]).await;
    assert_eq!(reply.violations(), ["events.events[0] NO_IDENTIFIERS_PROVIDED"]);
    assert_eq!(sandbox.ingest(&action, vec![good]).await.status, 200);
}

#[tokio::test]
async fn user_identifiers_are_checked() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let bare = with(&sandbox.event("t1", "G1"), "adIdentifiers", Value::Null);
    let ingest = async |list: Value| {
        let event = with(&bare, "userData", json!({"userIdentifiers": list}));
        sandbox.ingest(&action, vec![event]).await
    };
    let field = "events.events[0].user_data.user_identifiers";
    for (_, identifier, expected) in cases(BAD_IDENTIFIERS) {
        let gap = if expected.starts_with('.') { "" } else { " " };
        let reply = ingest(json!([identifier])).await;
        let expected = vec![format!("{field}[0]{gap}{expected}")];
        assert_eq!((reply.status, reply.violations()), (400, expected), "{identifier}");
    }
    let mail = json!({"emailAddress": HASH});
    let many = ingest(json!(vec![mail.clone(); 11])).await;
    assert_eq!(many.violations(), [format!("{field} TOO_MANY_USER_IDENTIFIERS")]);
    let address = json!({"givenName": HASH, "familyName": HASH, "regionCode": "DE", "postalCode": "10115"});
    assert_eq!(ingest(json!([mail, {"address": address}])).await.status, 200);
}

#[tokio::test]
async fn malformed_json_is_refused_by_the_front_end() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let good = request(&action, vec![sandbox.event("t1", "G1")]);
    let cases = [
        (
            "events.0.eventTimestamp",
            json!("2026-11-20 12:00:00"),
            "events[0].event_timestamp -",
        ),
        ("events.0.eventSource", json!("WEBSITE"), "events[0].event_source -"),
        ("events.0.event_source", json!("WEB"), "events[0] -"),
        (
            "events.0.adIdentifiers.gclid",
            json!(5),
            "events[0].ad_identifiers.gclid -",
        ),
        (
            "events.0.userData",
            json!({"userIdentifiers": [{"emailAddress": HASH, "phoneNumber": HASH}]}),
            "events[0].user_data.user_identifiers[0] -",
        ),
        ("encoding", json!("hex"), "encoding -"),
        ("extra", json!(1), "- -"),
    ];
    for (path, change, expected) in cases {
        let reply = sandbox.post("/v1/events:ingest", &with(&good, path, change)).await;
        assert_eq!(
            (reply.status, reply.violations()),
            (400, vec![expected.to_owned()]),
            "{path}"
        );
    }
    assert_eq!(sandbox.post("/v1/events:ingest?key=abc", &good).await.status, 400);
}

#[tokio::test]
async fn encoding_and_limits_are_checked() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let event = with(
        &sandbox.event("t1", "G1"),
        "userData",
        json!({"userIdentifiers": [{"emailAddress": HASH}]}),
    );
    let body = request(&action, vec![event]);
    let reply = sandbox
        .post("/v1/events:ingest", &with(&body, "encoding", Value::Null))
        .await;
    assert_eq!(reply.violations(), ["encoding REQUIRED_FIELD_MISSING"]);
    let reply = sandbox
        .post("/v1/events:ingest", &with(&body, "encoding", json!("BASE64")))
        .await;
    assert_eq!(
        reply.violations(),
        ["events.events[0].user_data.user_identifiers[0].email_address INVALID_SHA256_FORMAT"]
    );
    let many: Vec<Value> = (0..2001).map(|i| sandbox.event(&format!("t{i}"), "G1")).collect();
    assert_eq!(sandbox.ingest(&action, many[..2000].to_vec()).await.status, 200);
    assert_eq!(
        sandbox.ingest(&action, many).await.violations(),
        ["events TOO_MANY_EVENTS"]
    );
    assert_eq!(
        sandbox.ingest(&action, vec![]).await.violations(),
        ["events REQUIRED_FIELD_MISSING"]
    );
}

#[tokio::test]
async fn web_actions_take_only_web_events() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({"type": "WEBPAGE"})).await;
    let event = with(&sandbox.event("t1", "G1"), "eventSource", json!("PHONE"));
    assert_eq!(
        sandbox.ingest(&action, vec![event.clone()]).await.violations(),
        ["events.events[0].event_source EVENT_SOURCE_AND_DESTINATION_MISMATCH"]
    );
    assert_eq!(
        sandbox
            .ingest(&action, vec![with(&event, "eventSource", Value::Null)])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn one_bad_row_refuses_all_and_answers_can_be_made_vague() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let events: Vec<Value> = (0..4).map(|i| sandbox.event(&format!("t{i}"), "G1")).collect();
    sandbox
        .admin(
            "POST",
            "/bad-rows",
            &json!({"transactionIds": ["t1", "t3"], "named": true, "reason": "INVALID_FORMAT"}),
        )
        .await;
    let reply = sandbox.ingest(&action, events.clone()).await;
    assert_eq!(
        reply.violations(),
        [
            "events.events[1].transaction_id INVALID_FORMAT",
            "events.events[3].transaction_id INVALID_FORMAT"
        ]
    );
    let details = &reply.body["error"]["details"];
    assert_eq!(details[0]["domain"], "datamanager.googleapis.com");
    assert_eq!(details[0]["metadata"]["requestId"], details[1]["requestId"]);
    sandbox
        .set(json!({"maxViolations": 1, "reasonOverride": "INVALID_EVENT"}))
        .await;
    assert_eq!(
        sandbox.ingest(&action, events.clone()).await.violations(),
        ["events.events[1].transaction_id INVALID_EVENT"]
    );
    sandbox
        .admin("POST", "/bad-rows", &json!({"transactionIds": ["t1", "t3"]}))
        .await;
    let reply = sandbox.ingest(&action, events.clone()).await;
    assert_eq!((reply.status, reply.violations()), (400, vec![]));
    sandbox.advance("3s");
    assert_eq!(sandbox.tally().await["totals"]["conversions"], 0);
    sandbox.admin("DELETE", "/bad-rows", &Value::Null).await;
    assert_eq!(sandbox.ingest(&action, events).await.status, 200);
}

#[tokio::test]
async fn validation_alone_stores_nothing() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    sandbox.click("G1", "10h");
    let body = with(
        &request(&action, vec![sandbox.event("t1", "G1")]),
        "validateOnly",
        json!(true),
    );
    let reply = sandbox.post("/v1/events:ingest", &body).await;
    assert_eq!(reply.status, 200);
    sandbox.advance("3s");
    assert_eq!(sandbox.tally().await["conversions"], json!([]));
    let status = sandbox.status(reply.body["requestId"].as_str().unwrap()).await;
    assert_eq!((status.status, status.info_reason()), (400, "INVALID_REQUEST_ID"));
}

#[tokio::test]
async fn identifiers_ads_does_not_use_are_warned_about() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let event = with(&sandbox.event("t1", "G1"), "adIdentifiers.leadId", json!("L"));
    let warnings = sandbox.ingest(&action, vec![event]).await.body["fieldWarnings"].clone();
    assert_eq!(warnings[0]["field"], "events.events[0].ad_identifiers.lead_id");
    assert_eq!(warnings[0]["reason"], "WARNING_REASON_ADIDENTIFIER_NOT_USED");
}
