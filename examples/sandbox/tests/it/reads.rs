use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{ASSOCIATIONS, READ, READ_DEALS, SEARCH, Sandbox};

#[tokio::test]
async fn contacts_without_deals_arrive_as_errors() {
    let sandbox = Sandbox::new();
    let contacts = sandbox.contacts(&json!([{}, {}])).await;
    let deals = sandbox
        .deals(&json!([{"contactIds": [contacts[0]]}, {"contactIds": [contacts[0]]}, {"contactIds": [contacts[1]]}]))
        .await;
    sandbox
        .admin(Method::DELETE, &format!("/hubspot/deals/{}", deals[2]), &Value::Null)
        .await;
    let reply = sandbox
        .post(
            ASSOCIATIONS,
            &json!({"inputs": [{"id": contacts[0]}, {"id": contacts[1]}]}),
        )
        .await;
    assert_eq!(reply.status, 207);
    let result = &reply.body["results"][0];
    assert_eq!(result["from"]["id"], contacts[0]);
    assert_eq!(result["to"][1]["toObjectId"], deals[1]);
    assert_eq!(result["to"][0]["associationTypes"][0]["typeId"], 4);
    let error = &reply.body["errors"][0];
    assert_eq!(error["context"]["fromObjectId"], json!([contacts[1]]));
    assert!(
        error["subCategory"]
            .as_str()
            .unwrap()
            .ends_with("NO_ASSOCIATIONS_FOUND")
    );
}

#[tokio::test]
async fn associations_take_a_thousand_inputs_and_page_by_five_hundred() {
    let sandbox = Sandbox::new();
    let contact = sandbox.contacts(&json!([{}])).await.remove(0);
    let deals = sandbox.deals(&json!(vec![json!({"contactIds": [contact]}); 501])).await;
    let first = sandbox.post(ASSOCIATIONS, &json!({"inputs": [{"id": contact}]})).await;
    assert_eq!(
        (first.status, first.body["results"][0]["to"].as_array().unwrap().len()),
        (200, 500)
    );
    let after = first.body["results"][0]["paging"]["next"]["after"].clone();
    let second = sandbox
        .post(ASSOCIATIONS, &json!({"inputs": [{"id": contact, "after": after}]}))
        .await;
    assert_eq!(
        second.body["results"][0]["to"],
        json!([{"toObjectId": deals[500],
        "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 4, "label": null}]}])
    );
    assert!(second.body["results"][0].get("paging").is_none());
    let inputs = |count: usize| json!({"inputs": vec![json!({"id": contact}); count]});
    assert_eq!(sandbox.post(ASSOCIATIONS, &inputs(1000)).await.status, 200);
    sandbox
        .post(ASSOCIATIONS, &inputs(1001))
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn weighted_amounts_follow_the_stage() {
    let sandbox = Sandbox::new();
    let deals = sandbox
        .deals(&json!([
            {"createdAt": "2026-11-01T00:00:00Z", "properties": {"amount": "1000.50", "dealstage": "qualifiedtobuy"}},
            {"properties": {"amount": "80", "dealstage": "closedlost", "deal_currency_code": "USD"}},
            {"properties": {"dealstage": "closedwon"}},
            {"properties": {"amount": "80", "dealstage": "closedwon", "hs_projected_amount": "12.5"}},
        ]))
        .await;
    let inputs: Vec<Value> = deals.iter().map(|id| json!({"id": id})).collect();
    let names = [
        "hs_projected_amount",
        "hs_is_closed_lost",
        "deal_currency_code",
        "createdate",
    ];
    let reply = sandbox
        .post(
            READ_DEALS,
            &json!({"inputs": inputs, "properties": names, "propertiesWithHistory": []}),
        )
        .await;
    let of = |at: usize, name: &str| reply.body["results"][at]["properties"][name].clone();
    let weighted: Vec<Value> = (0..4).map(|at| of(at, "hs_projected_amount")).collect();
    assert_eq!(weighted, [json!("400.2"), json!("0"), Value::Null, json!("12.5")]);
    assert_eq!(
        (of(0, "createdate"), of(1, "hs_is_closed_lost")),
        (json!("2026-11-01T00:00:00.000Z"), json!("true"))
    );
    assert_eq!(
        (of(0, "deal_currency_code"), of(1, "deal_currency_code")),
        (Value::Null, json!("USD"))
    );
}

#[tokio::test]
async fn account_properties_and_pipelines() {
    let sandbox = Sandbox::new();
    sandbox
        .patch_portal(&json!({"customStages": [{"value": "1066237962", "label": "Trial"}]}))
        .await;
    let account = sandbox.get("/account-info/2026-09/details").await.body;
    assert_eq!(
        (&account["portalId"], &account["timeZone"], &account["companyCurrency"]),
        (&json!(62515), &json!("Europe/Berlin"), &json!("EUR"))
    );
    let stage = sandbox
        .get("/crm/properties/2026-09/contacts/lifecyclestage")
        .await
        .body;
    assert_eq!(stage["type"], "enumeration");
    let options = stage["options"].as_array().unwrap();
    assert_eq!(
        (options.len(), &options[8]["value"], &options[8]["label"]),
        (9, &json!("1066237962"), &json!("Trial"))
    );
    assert_eq!(
        sandbox
            .get("/crm/properties/2026-09/contacts/hs_v2_date_entered_1066237962")
            .await
            .body["type"],
        "datetime"
    );
    assert_eq!(
        sandbox
            .get("/crm/properties/2026-09/contacts/hs_lifecyclestage_1066237962_date")
            .await
            .status,
        404
    );
    sandbox
        .get("/crm/properties/2026-09/contacts/nope")
        .await
        .refused(404, "OBJECT_NOT_FOUND");
    let pipelines = sandbox.get("/crm/pipelines/2026-09/deals").await.body;
    assert_eq!(
        pipelines["results"][0]["stages"][6]["metadata"],
        json!({"probability": "0.0", "isClosed": "true"})
    );
}

#[tokio::test]
async fn other_versions_and_methods_do_not_exist() {
    let sandbox = Sandbox::new();
    sandbox
        .post("/crm/v3/objects/contacts/search", &json!({}))
        .await
        .refused(404, "OBJECT_NOT_FOUND");
    sandbox.get(SEARCH).await.refused(405, "VALIDATION_ERROR");
}

#[tokio::test]
async fn scopes_are_enforced_per_endpoint() {
    let sandbox = Sandbox::new();
    let only = async |scope: &str| {
        sandbox
            .patch_portal(&json!({"scopes": {"pat-na1-sandbox": [scope]}}))
            .await;
    };
    let read = json!({"inputs": [{"id": "1"}], "properties": [], "propertiesWithHistory": []});
    let links = json!({"inputs": [{"id": "1"}]});
    only("crm.objects.deals.read").await;
    let refused = sandbox.post(SEARCH, &json!({})).await;
    refused.refused(403, "MISSING_SCOPES");
    assert_eq!(
        refused.body["errors"][0]["context"]["requiredGranularScopes"],
        json!(["crm.objects.contacts.read"])
    );
    sandbox.history(&["1"]).await.refused(403, "MISSING_SCOPES");
    sandbox
        .get("/crm/properties/2026-09/contacts")
        .await
        .refused(403, "MISSING_SCOPES");
    assert_eq!(sandbox.post(READ_DEALS, &read).await.status, 207);
    assert_eq!(sandbox.post(ASSOCIATIONS, &links).await.status, 207);
    only("crm.objects.contacts.read").await;
    sandbox.post(READ_DEALS, &read).await.refused(403, "MISSING_SCOPES");
    sandbox
        .get("/crm/pipelines/2026-09/deals")
        .await
        .refused(403, "MISSING_SCOPES");
    assert_eq!(sandbox.post(ASSOCIATIONS, &links).await.status, 207);
    only("forms").await;
    sandbox.post(ASSOCIATIONS, &links).await.refused(403, "MISSING_SCOPES");
    assert_eq!(sandbox.get("/account-info/2026-09/details").await.status, 200);
}

#[tokio::test]
async fn portals_are_apart() {
    let mut sandbox = Sandbox::new();
    sandbox
        .admin(
            Method::POST,
            "/hubspot/portals",
            &json!({"portalId": 7, "timeZone": "America/New_York", "companyCurrency": "USD",
                    "tokens": [{"accessToken": "other", "kind": "serviceKey", "scopes": ["crm.objects.contacts.read"]}]}),
        )
        .await;
    let ids = sandbox.contacts(&json!([{}])).await;
    "other".clone_into(&mut sandbox.token);
    assert_eq!(sandbox.history(&[&ids[0]]).await.status, 207);
    let account = sandbox.get("/account-info/2026-09/details").await.body;
    assert_eq!(
        (&account["portalId"], &account["companyCurrency"]),
        (&json!(7), &json!("USD"))
    );
}

#[tokio::test]
async fn odd_records_are_odd_by_themselves_and_until_they_are_healed() {
    let sandbox = Sandbox::new();
    let row = |value: &str, day: u8| json!({"value": value, "timestamp": format!("2026-11-{day:02}T00:00:00Z")});
    let history = json!({"lifecyclestage": [row("lead", 1), row("customer", 2)]});
    let ids = sandbox
        .contacts(&json!([{"history": history}, {"history": history}, {"properties": {"email": "c@example.com"}}, {}]))
        .await;
    let path = "/propertiesWithHistory/lifecyclestage/1/timestamp";
    let odd = json!([
        {"object": "contact", "id": ids[0], "set": {path: null, "/id": "not-a-number"}},
        {"object": "contact", "id": ids[1], "remove": [path]},
        {"object": "contact", "id": ids[2], "error": "FORBIDDEN"}]);
    sandbox.admin(Method::POST, "/hubspot/odd", &odd).await;
    let read = |ids: &[String]| {
        let inputs: Vec<_> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"inputs": inputs, "properties": [], "propertiesWithHistory": ["lifecyclestage"]})
    };
    let reply = sandbox.post(READ, &read(&ids)).await;
    assert_eq!(reply.status, 207);
    let results = reply.body["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["id"]), (3, &json!("not-a-number")));
    assert_eq!(results[0].pointer(path), Some(&Value::Null));
    assert_eq!(results[1].pointer(path), None);
    let error = &reply.body["errors"][0];
    assert_eq!(
        (&error["category"], &error["context"]["ids"]),
        (&json!("FORBIDDEN"), &json!([ids[2]]))
    );
    sandbox
        .admin(
            Method::POST,
            "/hubspot/odd",
            &json!([{"object": "contact", "id": ids[3], "refuse": 403}]),
        )
        .await;
    sandbox.post(READ, &read(&ids)).await.refused(403, "FORBIDDEN");
    sandbox.admin(Method::DELETE, "/hubspot/odd", &Value::Null).await;
    let healed = sandbox.post(READ, &read(&ids)).await;
    assert_eq!(
        (healed.status, healed.body["results"].as_array().unwrap().len()),
        (200, 4)
    );
}

#[tokio::test]
async fn one_malformed_address_has_its_batch_refused() {
    let sandbox = Sandbox::new();
    sandbox
        .contacts(&json!([{"properties": {"email": "ada@example.com"}}]))
        .await;
    let by_email = |emails: &[&str]| {
        let inputs: Vec<_> = emails.iter().map(|email| json!({"id": email})).collect();
        json!({"inputs": inputs, "properties": [], "propertiesWithHistory": [], "idProperty": "email"})
    };
    assert_eq!(sandbox.post(READ, &by_email(&["ada@example.com"])).await.status, 200);
    for bad in ["bad..one@example.com", "a@b", "ada", "a b@example.com"] {
        let both = by_email(&["ada@example.com", bad]);
        sandbox.post(READ, &both).await.refused(400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn deleted_contacts_are_missing_and_come_back_unless_deleted_for_good() {
    let sandbox = Sandbox::new();
    let ids = sandbox.contacts(&json!([{}, {}, {}, {}])).await;
    let merged = sandbox
        .admin(Method::POST, "/hubspot/merge", &json!({"ids": [ids[2], ids[3]]}))
        .await;
    let one = |id: &Value, more: &str| format!("/hubspot/contacts/{}{more}", id.as_str().unwrap());
    let (ordinary, private, merged) = (json!(ids[0]), json!(ids[1]), merged["id"].clone());
    for path in [one(&ordinary, ""), one(&private, "?gdpr=true"), one(&merged, "")] {
        sandbox.admin(Method::DELETE, &path, &Value::Null).await;
    }
    let asked = json!({"properties": [], "propertiesWithHistory": [],
        "inputs": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()});
    let reply = sandbox.post(READ, &asked).await;
    assert_eq!((reply.status, &reply.body["results"]), (207, &json!([])));
    assert_eq!(reply.body["errors"][0]["category"], "OBJECT_NOT_FOUND");
    // One of them is simply absent; ids from before a merge go with the record they became.
    assert_eq!(
        reply.body["errors"][0]["context"]["ids"],
        json!([ids[0], ids[2], ids[3]])
    );
    let restore = one(&private, "/restore");
    assert_eq!(
        sandbox.try_admin(Method::POST, &restore, &Value::Null).await.status,
        400
    );
    sandbox
        .admin(Method::POST, &one(&ordinary, "/restore"), &Value::Null)
        .await;
    let reply = sandbox.post(READ, &asked).await;
    assert_eq!(reply.body["results"][0]["id"], ids[0]);
    sandbox.admin(Method::DELETE, &one(&ordinary, ""), &Value::Null).await;
    sandbox.advance(91 * 86_400);
    assert_eq!(
        sandbox
            .try_admin(Method::POST, &one(&ordinary, "/restore"), &Value::Null)
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn a_token_may_be_shown_some_contacts_only() {
    let mut sandbox = Sandbox::new();
    let contacts = sandbox.contacts(&json!([{}, {}])).await;
    let narrow = json!({"tokens": [{"accessToken": "narrow", "kind": "serviceKey", "scopes": ["crm.objects.contacts.read"]}],
        "sees": {"narrow": [contacts[1]]}});
    sandbox.admin(Method::PATCH, "/hubspot/portals/62515", &narrow).await;
    let inputs: Vec<Value> = contacts.iter().map(|id| json!({"id": id})).collect();
    let read = json!({"inputs": inputs, "properties": [], "propertiesWithHistory": []});
    let shown = async |sandbox: &Sandbox| {
        let read = sandbox.post(READ, &read).await.body;
        let found = sandbox.post(SEARCH, &json!({})).await.body;
        let ids = |body: &Value| -> Vec<Value> {
            let results = body["results"].as_array().unwrap().iter();
            results.map(|result| result["id"].clone()).collect()
        };
        (ids(&read), ids(&found))
    };
    assert_eq!(shown(&sandbox).await.0.len(), 2);
    "narrow".clone_into(&mut sandbox.token);
    let own = vec![json!(contacts[1])];
    assert_eq!(shown(&sandbox).await, (own.clone(), own));
    let all = json!({"sees": {"narrow": null}});
    sandbox.admin(Method::PATCH, "/hubspot/portals/62515", &all).await;
    assert_eq!(shown(&sandbox).await.1.len(), 2);
}
