use serde_json::{Value, json};

use crate::support::{SEARCH, Sandbox};

fn filter(property: &str, operator: &str, value: &str) -> Value {
    json!({"propertyName": property, "operator": operator, "value": value})
}

async fn three() -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::new();
    let ids = sandbox
        .contacts(&json!([
            {"id": "9", "createdAt": "2026-10-03T00:00:00Z", "properties": {"email": "A@Example.com", "lifecyclestage": "lead", "num_conversion_events": "2"}},
            {"id": "10", "createdAt": "2026-10-02T00:00:00Z", "properties": {"email": "b@example.com", "lifecyclestage": "customer", "num_conversion_events": "10"}},
            {"id": "100", "createdAt": "2026-10-01T00:00:00Z", "properties": {"firstname": "Clara", "ads_consent": "true"}},
        ]))
        .await;
    (sandbox, ids)
}

#[tokio::test]
async fn ids_and_numbers_compare_as_numbers() {
    let (sandbox, _) = three().await;
    assert_eq!(
        sandbox.found(&json!([filter("hs_object_id", "GT", "9")])).await,
        ["10", "100"]
    );
    assert_eq!(
        sandbox.found(&json!([filter("hs_object_id", "GTE", "10")])).await,
        ["10", "100"]
    );
    assert_eq!(
        sandbox
            .found(&json!([filter("num_conversion_events", "GT", "9")]))
            .await,
        ["10"]
    );
    assert_eq!(
        sandbox
            .found(&json!([{"propertyName": "hs_object_id", "operator": "IN", "values": ["100", "9"]}]))
            .await,
        ["9", "100"]
    );
}

#[tokio::test]
async fn groups_are_ored_and_filters_anded() {
    let (sandbox, _) = three().await;
    let lead = json!({"filters": [filter("lifecyclestage", "EQ", "lead"), filter("email", "EQ", "a@example.com")]});
    let customer = json!({"filters": [filter("lifecyclestage", "EQ", "customer")]});
    let body = json!({"filterGroups": [lead, customer], "sorts": [{"propertyName": "hs_object_id", "direction": "DESCENDING"}],
                      "properties": ["email"], "limit": 200, "after": "0"});
    let reply = sandbox.post(SEARCH, &body).await;
    assert_eq!(
        (reply.ids(), reply.body["total"].clone()),
        (vec!["10".to_owned(), "9".to_owned()], json!(2))
    );
}

#[tokio::test]
async fn enumerations_are_case_sensitive_and_in_on_text_wants_lower_case() {
    let (sandbox, _) = three().await;
    assert!(
        sandbox
            .found(&json!([filter("lifecyclestage", "EQ", "Lead")]))
            .await
            .is_empty()
    );
    assert_eq!(
        sandbox
            .found(&json!([{"propertyName": "email", "operator": "IN", "values": ["a@example.com"]}]))
            .await,
        ["9"]
    );
    assert!(
        sandbox
            .found(&json!([{"propertyName": "email", "operator": "IN", "values": ["A@Example.com"]}]))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn presence_and_tokens() {
    let (sandbox, _) = three().await;
    assert_eq!(
        sandbox
            .found(&json!([{"propertyName": "email", "operator": "NOT_HAS_PROPERTY"}]))
            .await,
        ["100"]
    );
    assert_eq!(
        sandbox
            .found(&json!([{"propertyName": "ads_consent", "operator": "HAS_PROPERTY"}]))
            .await,
        ["100"]
    );
    assert_eq!(
        sandbox
            .found(&json!([filter("email", "CONTAINS_TOKEN", "*ample")]))
            .await,
        ["9", "10"]
    );
    assert_eq!(
        sandbox.found(&json!([filter("lifecyclestage", "NEQ", "lead")])).await,
        ["10"]
    );
}

#[tokio::test]
async fn times_are_epoch_milliseconds_in_filters_and_iso_in_answers() {
    let (sandbox, _) = three().await;
    assert_eq!(
        sandbox
            .found(&json!([filter("createdate", "LT", "1790899200001")]))
            .await,
        ["10", "100"]
    );
    assert_eq!(
        sandbox
            .found(&json!([filter("createdate", "LT", "1790899200000")]))
            .await,
        ["100"]
    );
    let between = json!([{"propertyName": "createdate", "operator": "BETWEEN", "value": "1790812800000", "highValue": "1790899200000"}]);
    let reply = sandbox.search(&between).await;
    assert_eq!(reply.ids(), ["10", "100"]);
    assert_eq!(
        reply.body["results"][0]["properties"]["createdate"],
        "2026-10-02T00:00:00.000Z"
    );
    assert_eq!(reply.body["results"][0]["createdAt"], "2026-10-02T00:00:00.000Z");
    sandbox
        .search(&json!([filter("createdate", "GTE", "2026-10-01T00:00:00Z")]))
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn refuses_what_the_api_refuses() {
    let (sandbox, _) = three().await;
    let id = filter("hs_object_id", "GT", "1");
    let group = |n: usize| json!({"filters": vec![id.clone(); n]});
    let base = json!({"filterGroups": [group(1)], "sorts": [], "properties": [], "limit": 10, "after": "0"});
    let with = |name: &str, value: Value| {
        let mut body = base.clone();
        body[name] = value;
        body
    };
    let refused = [
        with("filterGroups", json!(vec![group(1); 6])),
        with("filterGroups", json!([group(7)])),
        with("filterGroups", json!(vec![group(5); 4])),
        with("filterGroups", json!([{"filters": []}])),
        with("limit", json!(201)),
        with("limit", json!(0)),
        with("limit", json!("10")),
        with("after", json!("10000")),
        with("after", json!(0)),
        with("after", json!("abc")),
        with("sorts", json!(["createdate", "email"])),
        with("sorts", json!(["no_such_property"])),
        with("offset", json!(1)),
        with("properties", json!(vec!["x".repeat(100); 30])),
        with(
            "filterGroups",
            json!([{"filters": [filter("no_such_property", "EQ", "1")]}]),
        ),
        with(
            "filterGroups",
            json!([{"filters": [filter("hs_object_id", "LIKE", "1")]}]),
        ),
        with(
            "filterGroups",
            json!([{"filters": [filter("hs_object_id", "GT", "abc")]}]),
        ),
        with("filterGroups", json!([{"filters": [filter("email", "GT", "abc")]}])),
        with("filterGroups", json!([{"filters": [filter("email", "IN", "abc")]}])),
        with(
            "filterGroups",
            json!([{"filters": [{"propertyName": "createdate", "operator": "BETWEEN", "value": "1"}]}]),
        ),
        with(
            "filterGroups",
            json!([{"filters": [{"propertyName": "createdate", "operator": "GT", "value": 1}]}]),
        ),
    ];
    assert_eq!(sandbox.post(SEARCH, &base).await.status, 200);
    for body in refused {
        let reply = sandbox.post(SEARCH, &body).await;
        assert_eq!(reply.status, 400, "{body}");
        reply.refused(400, "VALIDATION_ERROR");
    }
    for accepted in [
        with("limit", json!(200)),
        with("after", json!("9999")),
        with("filterGroups", json!([group(6), group(6), group(6)])),
    ] {
        assert_eq!(sandbox.post(SEARCH, &accepted).await.status, 200, "{accepted}");
    }
}

#[tokio::test]
async fn pages_by_offset_and_orders_by_creation_without_a_sort() {
    let (sandbox, _) = three().await;
    let first = sandbox.post(SEARCH, &json!({"limit": 2})).await;
    assert_eq!(
        (first.ids(), first.body["paging"]["next"]["after"].as_str()),
        (vec!["100".to_owned(), "10".to_owned()], Some("2"))
    );
    let last = sandbox.post(SEARCH, &json!({"limit": 2, "after": "2"})).await;
    assert_eq!((last.ids(), last.body.get("paging")), (vec!["9".to_owned()], None));
    let sorted = sandbox.post(SEARCH, &json!({"sorts": ["-email"]})).await;
    assert_eq!(sorted.ids(), ["10", "9", "100"]);
}

#[tokio::test]
async fn default_properties_and_nulls() {
    let (sandbox, _) = three().await;
    let reply = sandbox
        .post(SEARCH, &json!({"sorts": ["hs_object_id"], "limit": 1}))
        .await;
    let properties = reply.body["results"][0]["properties"].as_object().unwrap();
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    assert_eq!(names.len(), 6, "{names:?}");
    assert_eq!(
        (&properties["firstname"], &properties["email"]),
        (&Value::Null, &json!("A@Example.com"))
    );
    let asked = sandbox
        .post(
            SEARCH,
            &json!({"properties": ["hs_lastmodifieddate", "no_such_property"], "limit": 1}),
        )
        .await;
    let properties = &asked.body["results"][0]["properties"];
    assert_eq!(
        (
            properties.get("hs_lastmodifieddate"),
            properties.get("no_such_property")
        ),
        (Some(&Value::Null), None)
    );
    assert!(asked.body["results"][0].get("propertiesWithHistory").is_none());
}

#[tokio::test]
async fn the_wall_at_ten_thousand() {
    let sandbox = Sandbox::new();
    sandbox
        .admin(axum::http::Method::POST, "/hubspot/generate", &json!({"count": 10_050}))
        .await;
    let page = |after: &str| json!({"sorts": ["hs_object_id"], "limit": 200, "after": after});
    let last = sandbox.post(SEARCH, &page("9900")).await;
    assert_eq!((last.ids().len(), last.body["total"].clone()), (100, json!(10_050)));
    assert_eq!(last.body["paging"]["next"]["after"], "10000");
    sandbox
        .post(SEARCH, &page("10000"))
        .await
        .refused(400, "VALIDATION_ERROR");
}

#[tokio::test]
async fn changes_become_visible_after_the_index_lag() {
    let sandbox = Sandbox::new();
    sandbox.patch_portal(&json!({"limits": {"indexLagMs": 60_000}})).await;
    let ids = sandbox
        .contacts(&json!([{"properties": {"lifecyclestage": "lead"}}, {"properties": {}, "indexLagMs": 60_000}]))
        .await;
    let any = json!([filter("hs_object_id", "GT", "0")]);
    assert!(sandbox.found(&any).await.is_empty());
    sandbox.advance(61);
    assert_eq!(sandbox.found(&any).await, ids[..1]);
    sandbox.advance(61);
    assert_eq!(sandbox.found(&any).await, ids);
    let before = sandbox.now();
    sandbox
        .admin(
            axum::http::Method::PATCH,
            &format!("/hubspot/contacts/{}", ids[0]),
            &json!({"properties": {"lifecyclestage": "customer"}}),
        )
        .await;
    let since = before.to_string();
    for filters in [
        json!([filter("lastmodifieddate", "GTE", &since)]),
        json!([filter("hs_v2_date_entered_customer", "GTE", &since)]),
        json!([filter("lifecyclestage", "EQ", "customer")]),
    ] {
        assert!(sandbox.found(&filters).await.is_empty(), "{filters}");
    }
    let read = sandbox.history(&[&ids[0]]).await;
    assert_eq!(
        read.body["results"][0]["properties"]["lifecyclestage"], "customer",
        "reads do not go through the index"
    );
    sandbox.advance(61);
    assert_eq!(
        sandbox.found(&json!([filter("lastmodifieddate", "GTE", &since)])).await,
        ids[..1]
    );
    assert_eq!(
        sandbox
            .found(&json!([filter("hs_v2_date_entered_customer", "GTE", &since)]))
            .await,
        ids[..1]
    );
}

#[tokio::test]
async fn date_entered_holds_the_last_entry_and_may_be_missing() {
    let sandbox = Sandbox::new();
    let rows: Vec<Value> = [("lead", 1), ("customer", 2), ("", 3), ("lead", 4), ("lead", 5)]
        .iter()
        .map(|(value, day)| json!({"value": value, "timestamp": format!("2026-10-0{day}T00:00:00Z")}))
        .collect();
    let ids = sandbox
        .contacts(&json!([{"createdAt": "2026-10-01T00:00:00Z", "history": {"lifecyclestage": rows}}]))
        .await;
    let entered = json!([filter("hs_v2_date_entered_lead", "GTE", "1791072000000")]);
    assert_eq!(sandbox.found(&entered).await, ids);
    assert!(
        sandbox
            .found(&json!([filter("hs_v2_date_entered_lead", "GT", "1791072000000")]))
            .await
            .is_empty()
    );
    sandbox.patch_portal(&json!({"dateEntered": false})).await;
    sandbox.search(&entered).await.refused(400, "VALIDATION_ERROR");
    assert_eq!(
        sandbox
            .get("/crm/properties/2026-09/contacts/hs_v2_date_entered_lead")
            .await
            .status,
        404
    );
    let listed = sandbox.get("/crm/properties/2026-09/contacts").await;
    assert!(!listed.body.to_string().contains("hs_v2_date_entered_"));
}
