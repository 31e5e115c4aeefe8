//! Forms and submissions.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{READ, SEARCH, Sandbox};

const FORM: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let forms = json!([{"id": FORM, "name": "Demo"}, {"name": "Pop-up", "formType": "captured"}, {"name": "Old", "archived": true}]);
    sandbox.admin(Method::POST, "/hubspot/forms", &forms).await;
    sandbox
}

async fn submit(sandbox: &Sandbox, body: Value) {
    sandbox.admin(Method::POST, "/hubspot/submissions", &body).await;
}

fn path(query: &str) -> String {
    format!("/form-integrations/v1/submissions/forms/{FORM}{query}")
}

#[tokio::test]
async fn forms_are_listed_by_type() {
    let sandbox = sandbox().await;
    let names = |body: &Value| -> Vec<String> {
        let rows = body["results"].as_array().unwrap().iter();
        rows.map(|form| form["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&sandbox.get("/marketing/v3/forms").await.body), ["Demo"]);
    let all = sandbox
        .get("/marketing/v3/forms?limit=1&formTypes=hubspot&formTypes=captured")
        .await
        .body;
    assert_eq!(names(&all), ["Demo"]);
    let after = all["paging"]["next"]["after"].as_str().unwrap();
    let rest = format!("/marketing/v3/forms?limit=1&formTypes=hubspot&formTypes=captured&after={after}");
    assert_eq!(names(&sandbox.get(&rest).await.body), ["Pop-up"]);
    assert_eq!(sandbox.get("/marketing/v3/forms?limit=101").await.status, 400);
    assert_eq!(sandbox.get("/marketing/v3/forms/none").await.status, 404);
}

#[tokio::test]
async fn submissions_come_newest_first_and_pages_shift() {
    let sandbox = sandbox().await;
    for n in 1..=3 {
        submit(&sandbox, json!([{"formId": FORM, "conversionId": format!("c-{n}"), "submittedAt": n * 1000, "email": "ada@example.com"}])).await;
    }
    let first = sandbox.get(&path("?limit=2")).await.body;
    assert_eq!(first["results"][0]["conversionId"], "c-3");
    let after = first["paging"]["next"]["after"].as_str().unwrap().to_owned();
    submit(
        &sandbox,
        json!([{"formId": FORM, "conversionId": "c-4", "submittedAt": 4000}]),
    )
    .await;
    let second = sandbox.get(&path(&format!("?limit=2&after={after}"))).await.body;
    assert_eq!(
        second["results"][0]["conversionId"], "c-2",
        "seen before, as the page has shifted"
    );
    assert_eq!(sandbox.get(&path("?limit=51")).await.status, 400);
    assert_eq!(sandbox.get(&path("?since=1")).await.status, 400);
}

#[tokio::test]
async fn a_submission_shows_on_its_contact() {
    let sandbox = sandbox().await;
    let body = json!([{"formId": FORM, "conversionId": "c-1", "submittedAt": 5000, "email": "ada@example.com", "properties": {"ads_consent": "true"}}]);
    submit(&sandbox, body).await;
    let search = json!({"filterGroups": [{"filters": [{"propertyName": "recent_conversion_date", "operator": "GTE", "value": "5000"}]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}], "properties": ["recent_conversion_date"], "limit": 10, "after": "0"});
    let found = sandbox.post(SEARCH, &search).await.body;
    assert_eq!(
        found["results"][0]["properties"]["recent_conversion_date"], "1970-01-01T00:00:05.000Z",
        "{found}"
    );
    let read = json!({"idProperty": "email", "inputs": [{"id": "ada@example.com"}], "properties": ["email", "ads_consent"], "propertiesWithHistory": []});
    let read = sandbox.post(READ, &read).await.body;
    assert_eq!(read["results"][0]["properties"]["ads_consent"], "true");
    let expected = sandbox
        .admin(Method::GET, "/hubspot/expected-submissions", &Value::Null)
        .await;
    assert_eq!(
        (&expected[0]["conversionId"], &expected[0]["consent"]),
        (&json!("c-1"), &json!("true"))
    );
}

#[tokio::test]
async fn a_submission_may_show_up_late_or_without_contact_and_id() {
    let sandbox = sandbox().await;
    let body = json!([{"formId": FORM, "visibleLagMs": 60_000, "missingConversionId": true, "email": "bob@example.com", "createContact": false}]);
    submit(&sandbox, body).await;
    assert_eq!(sandbox.get(&path("")).await.body["results"], json!([]));
    sandbox.advance(61);
    let shown = sandbox.get(&path("")).await.body;
    assert_eq!(shown["results"].as_array().unwrap().len(), 1);
    assert!(shown["results"][0].get("conversionId").is_none());
    let expected = sandbox
        .admin(Method::GET, "/hubspot/expected-submissions", &Value::Null)
        .await;
    assert_eq!(expected[0]["contactId"], Value::Null);
}

#[tokio::test]
async fn forms_want_their_scope() {
    let sandbox = sandbox().await;
    sandbox
        .patch_portal(&json!({"scopes": {"pat-na1-sandbox": ["crm.objects.contacts.read"]}}))
        .await;
    for path in ["/marketing/v3/forms".to_owned(), path("")] {
        let reply = sandbox.get(&path).await;
        assert_eq!((reply.status, &reply.body["category"]), (403, &json!("MISSING_SCOPES")));
    }
}
