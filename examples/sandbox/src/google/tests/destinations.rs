//! Data Manager: destinations of a request.

use serde_json::{Value, json};

use super::{CUSTOMER, MANAGER, Sandbox, cases, destination, request, with};

const BAD: &str = r#"
operatingAccount | null | operating_account REQUIRED_FIELD_MISSING
operatingAccount.accountType | null | operating_account.account_type REQUIRED_FIELD_MISSING
operatingAccount.accountType | "DATA_PARTNER" | operating_account.account_type DESTINATION_ACCOUNT_TYPE_MISMATCH
operatingAccount.accountId | "123-456-7890" | operating_account.account_id INVALID_FORMAT
operatingAccount.accountId | "9876543210" | product_destination_id INVALID_CONVERSION_ACTION_ID
productDestinationId | null | product_destination_id REQUIRED_FIELD_MISSING
productDestinationId | "42" | product_destination_id INVALID_CONVERSION_ACTION_ID
productDestinationId | "CALLS" | product_destination_id INVALID_CONVERSION_ACTION_TYPE
productDestinationId | "HIDDEN" | product_destination_id INVALID_CONVERSION_ACTION_ID
linkedAccount | {} | linked_account LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT
"#;

const FIRST: &str = "destinations.destinations[0]";

#[tokio::test]
async fn destinations_are_checked() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let calls = sandbox.action(json!({"name": "Calls", "type": "UPLOAD_CALLS"})).await;
    let hidden = sandbox.action(json!({"name": "Hidden", "status": "HIDDEN"})).await;
    let good = request(&action, vec![sandbox.event("t1", "G1")]);
    for (path, change, expected) in cases(&BAD.replace("CALLS", &calls).replace("\"HIDDEN", &format!("\"{hidden}"))) {
        let body = with(&good, &format!("destinations.0.{path}"), change);
        let reply = sandbox.post("/v1/events:ingest", &body).await;
        let expected = vec![format!("{FIRST}.{expected}")];
        assert_eq!((reply.status, reply.violations()), (400, expected), "{path}");
    }
    assert_eq!(sandbox.post("/v1/events:ingest", &good).await.status, 200);
}

#[tokio::test]
async fn the_login_account_must_let_the_caller_in_and_manage_the_other() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let stranger = json!({"customerId": "5555555555", "access": [{"identity": "user@sandbox.test"}]});
    sandbox.admin("POST", "/accounts", &stranger).await;
    let good = request(&action, vec![sandbox.event("t1", "G1")]);
    let through = async |id: &str| {
        let login = json!({"accountType": "GOOGLE_ADS", "accountId": id});
        let body = with(&good, "destinations.0.loginAccount", login);
        sandbox.post("/v1/events:ingest", &body).await
    };
    let mismatch = format!("{FIRST} OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH");
    assert_eq!(through("5555555555").await.violations(), [mismatch]);
    let reply = through("4444444444").await;
    assert_eq!((reply.status, reply.info_reason()), (403, "PERMISSION_DENIED"));
    assert_eq!(through(MANAGER).await.status, 200);
    let path = format!("/accounts/{CUSTOMER}");
    sandbox.admin("PATCH", &path, &json!({"access": []})).await;
    assert_eq!(sandbox.post("/v1/events:ingest", &good).await.status, 403);
    assert_eq!(through(MANAGER).await.status, 200);
}

#[tokio::test]
async fn several_destinations_need_unique_references() {
    let sandbox = Sandbox::new().await;
    let action = sandbox.action(json!({})).await;
    let post = async |destinations: Value, event: Value| {
        sandbox
            .post(
                "/v1/events:ingest",
                &json!({"destinations": destinations, "events": [event]}),
            )
            .await
            .violations()
    };
    let event = sandbox.event("t1", "G1");
    let named = |name: &str| with(&destination(&action), "reference", json!(name));
    let missing = post(json!([destination(&action), named("b")]), event.clone()).await;
    assert_eq!(
        missing,
        ["destinations.destinations[0].reference REQUIRED_FIELD_MISSING"]
    );
    let twice = post(json!([named("a"), named("a")]), event.clone()).await;
    assert_eq!(
        twice,
        ["destinations.destinations[1].reference DUPLICATE_DESTINATION_REFERENCE"]
    );
    let eleven: Vec<Value> = (0..11).map(|i| named(&i.to_string())).collect();
    assert_eq!(
        post(json!(eleven), event.clone()).await,
        ["destinations TOO_MANY_DESTINATIONS"]
    );
    let stray = with(&event, "destinationReferences", json!(["c"]));
    assert_eq!(
        post(json!([named("a"), named("b")]), stray).await,
        ["events.events[0].destination_references[0] INVALID_DESTINATION"]
    );
    assert_eq!(post(json!([]), event).await, ["destinations REQUIRED_FIELD_MISSING"]);
}
