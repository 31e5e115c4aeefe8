use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{READ, Sandbox};

fn row(value: &str, time: &str, source: &str) -> Value {
    json!({"value": value, "timestamp": time, "sourceType": source})
}

fn values(history: &Value) -> Vec<(String, String)> {
    let rows = history["propertiesWithHistory"]["lifecyclestage"].as_array().unwrap();
    rows.iter()
        .map(|r| {
            (
                r["value"].as_str().unwrap().to_owned(),
                r["sourceType"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

#[tokio::test]
async fn history_is_newest_first_with_empty_rows_for_clears() {
    let sandbox = Sandbox::new();
    let rows = [
        row("lead", "2026-11-01T00:00:00.001Z", "FORM"),
        row("", "2026-11-03T00:00:00Z", "CRM_UI"),
        row("customer", "2026-11-02T00:00:00Z", "API"),
    ];
    let ids = sandbox.contacts(&json!([{"history": {"lifecyclestage": rows}}])).await;
    let reply = sandbox.history(&[&ids[0]]).await;
    assert_eq!(reply.status, 200);
    let contact = &reply.body["results"][0];
    let order: Vec<String> = values(contact).into_iter().map(|(value, _)| value).collect();
    assert_eq!(order, ["", "customer", "lead"]);
    assert_eq!(
        contact["propertiesWithHistory"]["lifecyclestage"][2]["timestamp"],
        "2026-11-01T00:00:00.001Z"
    );
    assert_eq!(contact["properties"]["lifecyclestage"], "");
}

#[tokio::test]
async fn fifty_with_history_one_hundred_without() {
    let sandbox = Sandbox::new();
    let ids = sandbox.contacts(&json!(vec![json!({}); 101])).await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(sandbox.history(&ids[..50]).await.ids().len(), 50);
    let refused = sandbox.history(&ids[..51]).await;
    refused.refused(400, "VALIDATION_ERROR");
    assert_eq!(
        refused.body["message"],
        "The maximum number of inputs supported in a batch request for property histories is 50"
    );
    let plain = |count: usize| {
        let inputs: Vec<Value> = ids[..count].iter().map(|id| json!({"id": id})).collect();
        json!({"inputs": inputs, "properties": ["email"], "propertiesWithHistory": []})
    };
    assert_eq!(sandbox.post(READ, &plain(100)).await.ids().len(), 100);
    sandbox.post(READ, &plain(101)).await.refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn all_three_members_are_required_and_ids_are_text() {
    let sandbox = Sandbox::new();
    let id = sandbox.contacts(&json!([{}])).await.remove(0);
    let whole = json!({"inputs": [{"id": id}], "properties": [], "propertiesWithHistory": []});
    assert_eq!(sandbox.post(READ, &whole).await.status, 200);
    for name in ["inputs", "properties", "propertiesWithHistory"] {
        let mut body = whole.clone();
        body.as_object_mut().unwrap().remove(name);
        sandbox.post(READ, &body).await.refused(400, "VALIDATION_ERROR");
    }
    for inputs in [json!([]), json!([{"id": 1}]), json!([{"id": "abc"}]), json!(["1"])] {
        let mut body = whole.clone();
        body["inputs"] = inputs;
        sandbox.post(READ, &body).await.refused(400, "VALIDATION_ERROR");
    }
    let text = sandbox.send(Method::POST, READ, "text/plain", whole.to_string()).await;
    text.refused(415, "VALIDATION_ERROR");
}

#[tokio::test]
async fn missing_records_make_a_207() {
    let sandbox = Sandbox::new();
    let ids = sandbox.contacts(&json!([{}, {}])).await;
    sandbox
        .admin(Method::DELETE, &format!("/hubspot/contacts/{}", ids[1]), &Value::Null)
        .await;
    let reply = sandbox.history(&[&ids[0], &ids[1], "5"]).await;
    assert_eq!((reply.status, reply.ids()), (207, ids[..1].to_vec()));
    assert_eq!(reply.body["numErrors"], 1);
    let error = &reply.body["errors"][0];
    assert_eq!(
        (error["category"].as_str(), &error["context"]["ids"]),
        (Some("OBJECT_NOT_FOUND"), &json!([ids[1], "5"]))
    );
    assert_eq!(
        sandbox
            .found(&json!([{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]))
            .await,
        ids[..1]
    );
}

#[tokio::test]
async fn contacts_by_email() {
    let sandbox = Sandbox::new();
    let ids = sandbox
        .contacts(&json!([{"properties": {"email": "old@example.com"}}]))
        .await;
    let path = format!("/hubspot/contacts/{}", ids[0]);
    sandbox
        .admin(
            Method::PATCH,
            &path,
            &json!({"properties": {"email": "New@example.com"}}),
        )
        .await;
    let body = |id_property: &str| {
        json!({"inputs": [{"id": "new@EXAMPLE.com"}, {"id": "old@example.com"}], "properties": ["email"],
               "propertiesWithHistory": [], "idProperty": id_property})
    };
    let reply = sandbox.post(READ, &body("email")).await;
    assert_eq!((reply.status, reply.ids()), (207, ids));
    assert_eq!(reply.body["errors"][0]["context"]["ids"], json!(["old@example.com"]));
    sandbox
        .post(READ, &body("phone"))
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn a_merge_makes_a_new_record_with_both_histories() {
    let sandbox = Sandbox::new();
    let ids = sandbox
        .contacts(&json!([
            {"properties": {"email": "a@example.com"}, "history": {"lifecyclestage": [row("lead", "2026-11-01T00:00:00Z", "FORM")]}},
            {"properties": {"email": "b@example.com"}, "history": {"lifecyclestage": [
                row("customer", "2026-11-02T00:00:00Z", "API"), row("", "2026-11-03T00:00:00Z", "CRM_UI"), row("customer", "2026-11-03T00:00:01Z", "CRM_UI")]}},
        ]))
        .await;
    let deal = sandbox
        .deals(&json!([{"properties": {"amount": "10"}, "contactIds": [ids[1]]}]))
        .await
        .remove(0);
    let merged = sandbox
        .admin(Method::POST, "/hubspot/merge", &json!({"ids": ids}))
        .await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!ids.contains(&merged));
    let body = json!({"inputs": [{"id": ids[0]}, {"id": ids[1]}, {"id": merged}], "propertiesWithHistory": ["lifecyclestage"],
                      "properties": ["email", "hs_additional_emails", "hs_merged_object_ids", "lifecyclestage"]});
    let reply = sandbox.post(READ, &body).await;
    assert_eq!(
        (reply.status, reply.ids()),
        (200, vec![merged.clone()]),
        "three ids, one record"
    );
    let contact = &reply.body["results"][0];
    assert_eq!(contact["properties"]["hs_merged_object_ids"], ids.join(";"));
    assert_eq!(contact["properties"]["email"], "a@example.com");
    assert_eq!(contact["properties"]["hs_additional_emails"], "b@example.com");
    let rows = values(contact);
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0], ("customer".to_owned(), "MERGE_OBJECTS".to_owned()));
    assert_eq!(
        sandbox
            .found(&json!([{"propertyName": "hs_object_id", "operator": "GT", "value": "0"}]))
            .await,
        std::slice::from_ref(&merged)
    );
    let expected = sandbox.admin(Method::GET, "/hubspot/expected", &Value::Null).await;
    let expected: Vec<(&str, &str)> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["root"].as_str().unwrap(), e["stage"].as_str().unwrap()))
        .collect();
    assert_eq!(
        expected,
        [(ids[0].as_str(), "lead"), (&ids[0], "customer"), (&ids[0], "customer")]
    );
    let links = sandbox
        .post(crate::support::ASSOCIATIONS, &json!({"inputs": [{"id": merged}]}))
        .await;
    assert_eq!(links.body["results"][0]["to"][0]["toObjectId"], json!(deal));
}
