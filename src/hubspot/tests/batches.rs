use rust_decimal::Decimal;

use super::*;
use crate::domain::ids::{ContactId, DealId, PortalId};
use crate::sync::ports::Cause;
use crate::sync::ports::crm::{ContactRead, Crm};

const ASSOCIATIONS: &str = "/crm/associations/2026-09/contacts/deals/batch/read";
const DEALS: &str = "/crm/objects/2026-09/deals/batch/read";

fn read(ids: &[u64], history: bool) -> ContactRead {
    ContactRead {
        ids: ids.iter().copied().map(ContactId).collect(),
        properties: vec!["email".to_owned()],
        with_history: if history {
            vec!["lifecyclestage".to_owned()]
        } else {
            Vec::new()
        },
    }
}

fn row(id: u64, properties: &Value) -> Value {
    json!({ "id": id, "properties": properties, "updatedAt": "2026-11-01T00:00:00.456Z" })
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

async fn ids(answer: Value, asked: &[u64]) -> Result<Vec<(u64, u64)>, UpstreamError> {
    let bench = Bench::new().await;
    bench.post(READ, status(207).set_body_json(answer)).await;
    let contacts = bench.client().read(&read(asked, false)).await?;
    Ok(contacts
        .iter()
        .map(|contact| (contact.requested_id.0, contact.id.0))
        .collect())
}

#[tokio::test]
async fn history_comes_oldest_first_and_ties_keep_their_order() {
    let bench = Bench::new().await;
    let by = |source: &str, value: Value, at: Value| json!({ "value": value, "timestamp": at, "sourceType": source });
    let version = |value, at| by("CRM_UI", value, at);
    let mut contact = row(151, &json!({}));
    contact["propertiesWithHistory"] = json!({ "lifecyclestage": [
        version(json!("lead"), json!("2026-11-02T09:14:03.512Z")),
        version(Value::Null, json!("2026-11-02T09:14:03.512Z")),
        version(json!("customer"), json!(1_762_000_000_000_i64)),
        by("MERGE_OBJECTS", json!("subscriber"), json!("1761000000000")),
    ] });
    bench.post(READ, ok(&json!({ "results": [contact] }))).await;
    let contacts = bench.client().read(&read(&[151, 151], true)).await.unwrap();
    assert_eq!(contacts.len(), 1);
    let history = contacts[0].history_of("lifecyclestage");
    assert_eq!(
        history.iter().map(|entry| entry.value.as_str()).collect::<Vec<_>>(),
        ["subscriber", "customer", "", "lead"]
    );
    assert_eq!(history[1].at.as_millisecond(), 1_762_000_000_000);
    assert_eq!(
        history.iter().map(|entry| entry.by_merge).collect::<Vec<_>>(),
        [true, false, false, false]
    );
    let expected = json!({ "properties": ["email", "hs_merged_object_ids"], "propertiesWithHistory": ["lifecyclestage"],
                           "inputs": [{ "id": "151" }] });
    assert_eq!(bench.bodies().await, [expected]);
}

#[tokio::test]
async fn a_history_row_without_a_time_is_an_error() {
    let bench = Bench::new().await;
    let mut contact = row(151, &json!({}));
    contact["propertiesWithHistory"] = json!({ "lifecyclestage": [{ "value": "lead" }] });
    bench.post(READ, ok(&json!({ "results": [contact] }))).await;
    assert_eq!(
        failed(bench.client().read(&read(&[151], true)).await).cause,
        Cause::Malformed
    );
}

#[tokio::test]
async fn old_ids_find_the_record_of_today() {
    let merged = row(9, &json!({ "hs_merged_object_ids": "1;2" }));
    let answer = json!({ "results": [merged, row(5, &json!(null))] });
    assert_eq!(ids(answer.clone(), &[1, 2, 5]).await.unwrap(), [(1, 9), (2, 9), (5, 5)]);
    assert_eq!(ids(answer, &[9, 2, 5]).await.unwrap(), [(2, 9), (5, 5), (9, 9)]);
    let older_property = row(
        9,
        &json!({ "hs_calculated_merged_vids": "1:1690000000000;2:1690000000001" }),
    );
    assert_eq!(
        ids(json!({ "results": [older_property] }), &[1, 2]).await.unwrap(),
        [(1, 9), (2, 9)]
    );
    // No list at all: only where one id alone can have led to the record.
    let stray = json!({ "results": [row(9, &json!({})), row(5, &json!({}))] });
    assert_eq!(ids(stray.clone(), &[1, 5]).await.unwrap(), [(5, 5), (1, 9)]);
    assert_eq!(ids(stray, &[1, 2, 5]).await.unwrap_err().cause, Cause::Malformed);
}

#[tokio::test]
async fn missing_and_archived_contacts_are_absent() {
    let mut archived = row(2, &json!({}));
    archived["archived"] = json!(true);
    let errors = json!([{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["3"] } }]);
    let answer = json!({ "results": [row(1, &json!({})), archived], "numErrors": 1, "errors": errors });
    assert_eq!(ids(answer, &[1, 2, 3]).await.unwrap(), [(1, 1)]);
}

#[tokio::test]
async fn other_item_errors_are_errors() {
    for (category, cause) in [
        ("VALIDATION_ERROR", Cause::Refused),
        ("MISSING_SCOPES", Cause::MissingScope),
        ("RATE_LIMITS", Cause::RateLimited),
        ("INTERNAL_ERROR", Cause::Unavailable),
    ] {
        let answer =
            json!({ "results": [row(1, &json!({}))], "errors": [{ "category": category, "message": "'Ann' m" }] });
        let error = ids(answer, &[1, 2]).await.unwrap_err();
        assert_eq!(
            (error.cause, error.code.as_deref(), error.status),
            (cause, Some(category), Some(207))
        );
        assert!(!error.message.contains("Ann"));
    }
}

#[tokio::test]
async fn batches_above_hubspots_limits_are_not_sent() {
    let bench = Bench::new().await;
    let client = bench.client();
    let upto = |n: u64| (1..=n).collect::<Vec<_>>();
    for (ids, history) in [(upto(51), true), (upto(101), false)] {
        assert_eq!(
            failed(client.read(&read(&ids, history)).await).code.as_deref(),
            Some("BATCH_TOO_LARGE")
        );
    }
    let contacts: Vec<_> = (0..1_001).map(ContactId).collect();
    assert_eq!(failed(client.deals_of(&contacts).await).cause, Cause::Refused);
    let deals: Vec<_> = (0..101).map(DealId).collect();
    assert_eq!(failed(client.deals(&deals).await).cause, Cause::Refused);
    assert!(client.read(&read(&[], true)).await.unwrap().is_empty());
    assert!(client.deals(&[]).await.unwrap().is_empty());
    assert!(client.deals_of(&[]).await.unwrap().is_empty());
    assert!(bench.bodies().await.is_empty());
}

#[tokio::test]
async fn all_pages_of_the_deals_of_contacts() {
    let bench = Bench::new().await;
    let to = |id: Value| json!({ "toObjectId": id, "associationTypes": [{ "typeId": 4, "label": null }] });
    let first = json!({
        "results": [
            { "from": { "id": "151" }, "to": [to(json!(9001)), to(json!("9002"))], "paging": { "next": { "after": "x" } } },
            { "from": { "id": 152 }, "to": [to(json!(9001))] } ],
        "errors": [{ "category": "OBJECT_NOT_FOUND", "subCategory": { "name": "crm.associations.NO_ASSOCIATIONS_FOUND" } },
                   { "category": "OTHER", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND" }] });
    let second = json!({ "results": [{ "from": { "id": "151" }, "to": [to(json!("9003"))] }] });
    bench
        .turns(ASSOCIATIONS, vec![status(207).set_body_json(first), ok(&second)])
        .await;
    let deals = bench.client().deals_of(&[151, 152, 153].map(ContactId)).await.unwrap();
    assert_eq!(deals[&ContactId(151)], [9001, 9002, 9003].map(DealId));
    assert_eq!(deals[&ContactId(152)], [DealId(9001)]);
    assert!(!deals.contains_key(&ContactId(153)));
    let bodies = bench.bodies().await;
    assert_eq!(
        bodies[0],
        json!({ "inputs": [{ "id": "151" }, { "id": "152" }, { "id": "153" }] })
    );
    assert_eq!(bodies[1], json!({ "inputs": [{ "id": "151", "after": "x" }] }));
}

#[tokio::test]
async fn association_paging_that_stands_still_and_item_errors_end_the_read() {
    let still = json!({ "results": [{ "from": { "id": "1" }, "to": [], "paging": { "next": { "after": "x" } } }] });
    let item = json!({ "results": [], "errors": [{ "category": "INTERNAL_ERROR", "message": "m" }] });
    for (answer, cause) in [(still, Cause::Malformed), (item, Cause::Unavailable)] {
        let bench = Bench::new().await;
        bench.post(ASSOCIATIONS, status(207).set_body_json(answer)).await;
        assert_eq!(failed(bench.client().deals_of(&[ContactId(1)]).await).cause, cause);
    }
}

#[tokio::test]
async fn deals_with_their_amounts() {
    let bench = Bench::new().await;
    let long = "40.40000000000000002220446049250313080847263336181640625";
    let answer = json!({ "results": [
        { "id": "1", "properties": { "hs_projected_amount": "120.50", "deal_currency_code": "EUR", "hs_is_closed_lost": "false",
          "createdate": "2026-10-01T10:00:00Z" }, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": 2, "properties": { "hs_projected_amount": long, "hs_is_closed_lost": true }, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": "3", "properties": { "hs_projected_amount": 1e3, "deal_currency_code": "" }, "createdAt": 1_762_000_000_000_i64 },
        { "id": "4", "properties": { "hs_projected_amount": null }, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": "5", "properties": {}, "createdAt": "2025-01-01T00:00:00Z", "archived": true } ] });
    bench.post(DEALS, ok(&answer)).await;
    let deals = bench.client().deals(&[1, 2, 3, 4, 5, 6].map(DealId)).await.unwrap();
    assert_eq!(deals.len(), 4);
    assert_eq!(
        (deals[0].projected_amount, deals[0].currency.as_deref()),
        (Some(decimal("120.50")), Some("EUR"))
    );
    assert_eq!(deals[0].created_at.to_string(), "2026-10-01T10:00:00Z");
    assert_eq!(deals[1].projected_amount.unwrap().round_dp(10), decimal("40.4"));
    assert!(deals[1].closed_lost && !deals[0].closed_lost);
    assert_eq!(
        (deals[2].projected_amount, deals[2].currency.as_deref()),
        (Some(decimal("1000")), None)
    );
    assert_eq!(deals[2].created_at.as_millisecond(), 1_762_000_000_000);
    assert_eq!(deals[3].projected_amount, None);
    let sent = &bench.bodies().await[0];
    let properties = [
        "amount",
        "hs_projected_amount",
        "deal_currency_code",
        "hs_is_closed_lost",
        "createdate",
    ];
    assert_eq!(
        (&sent["properties"], &sent["propertiesWithHistory"]),
        (&json!(properties), &json!([]))
    );
}

#[tokio::test]
async fn portal_stages_and_properties() {
    let bench = Bench::new().await;
    bench.get(DETAILS, ok(&details())).await;
    let options = json!({ "options": [
        { "label": "Customer", "value": "customer", "displayOrder": 5 }, { "label": "Late", "value": 1_066_237_962, "displayOrder": -1 },
        { "label": "Lead", "value": "lead", "displayOrder": 1, "hidden": true } ] });
    bench
        .get("/crm/properties/2026-09/contacts/lifecyclestage", ok(&options))
        .await;
    let names = json!({ "results": [{ "name": "lastname", "options": [] }, { "name": "email" }] });
    bench.get("/crm/properties/2026-09/contacts", ok(&names)).await;
    let client = bench.client();
    let portal = client.portal().await.unwrap();
    assert_eq!(
        (portal.id, portal.time_zone.as_str(), portal.company_currency.as_str()),
        (PortalId(62515), "US/Eastern", "USD")
    );
    let stages = client.stages().await.unwrap();
    assert_eq!(
        stages.iter().map(|stage| stage.value.as_str()).collect::<Vec<_>>(),
        ["lead", "customer", "1066237962"]
    );
    assert_eq!(client.property_names().await.unwrap(), ["email", "lastname"]);
}
