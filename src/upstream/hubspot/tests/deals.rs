//! Deals and whose they are.

use rust_decimal::Decimal;

use super::*;
use crate::domain::ids::{ContactId, DealId};
use crate::ports::crm::Crm;

const ASSOCIATIONS: &str = "/crm/associations/2026-09/contacts/deals/batch/read";

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
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
    let links = bench.client().deals_of(&[151, 152, 153].map(ContactId)).await.unwrap();
    assert!(
        links.unreadable.is_empty() && links.without.is_empty(),
        "nobody is named"
    );
    let deals = links.deals;
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
async fn deals_of_all_contacts_together_are_bounded_at_those_with_the_most() {
    let bench = Bench::new().await;
    let to = |ids: std::ops::Range<u64>| ids.map(|id| json!({ "toObjectId": id })).collect::<Vec<_>>();
    let of = |id: u64, deals: Vec<Value>| json!({ "from": { "id": id }, "to": deals });
    let page = |id: u64, deals: Vec<Value>| {
        let mut page = of(id, deals);
        page["paging"] = json!({ "next": { "after": format!("{id}-{}", page["to"][0]["toObjectId"]) } });
        page
    };
    let mut pages: Vec<Value> = (0..4)
        .map(|n| json!({ "results": [page(1, to(n * 24_000..(n + 1) * 24_000)), page(2, to(n * 4_000..(n + 1) * 4_000))] }))
        .collect();
    pages[0]["results"]
        .as_array_mut()
        .unwrap()
        .extend([of(3, to(0..2)), of(4, to(0..3))]);
    pages.push(json!({ "results": [of(2, to(16_000..16_001))] }));
    bench.turns(ASSOCIATIONS, pages.iter().map(ok).collect()).await;
    let links = bench.client().deals_of(&[1, 2, 3].map(ContactId)).await.unwrap();
    let sizes: Vec<_> = links.deals.iter().map(|(id, deals)| (id.0, deals.len())).collect();
    assert_eq!(sizes, [(2, 16_001), (3, 2)], "4 was not asked for");
    let given_up: Vec<_> = links.unreadable.into_iter().collect();
    assert_eq!(given_up, [(ContactId(1), "it has too many deals".to_owned())]);
    let asked = bench.bodies().await[4]["inputs"].clone();
    let rest = json!([{ "id": "2", "after": "2-12000" }]);
    assert_eq!(asked, rest, "the pages of one that is given up are left");
}

#[tokio::test]
async fn contacts_without_deals_are_those_that_hubspot_says_have_none() {
    let bench = Bench::new().await;
    let none = json!({ "category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "context": { "fromObjectId": ["2"] } });
    let gone = json!({ "category": "OBJECT_NOT_FOUND", "context": { "fromObjectId": ["3"] } });
    let answer = json!({ "results": [{ "from": { "id": "1" }, "to": [] }], "errors": [none, gone] });
    bench.post(ASSOCIATIONS, status(207).set_body_json(answer)).await;
    let links = bench.client().deals_of(&[1, 2, 3, 4].map(ContactId)).await.unwrap();
    assert_eq!(links.without, [ContactId(2)].into());
    assert!(links.unreadable.is_empty());
}

#[tokio::test]
async fn missing_deals_of_a_contact_affect_no_other_contact() {
    let to = |id: Value| json!({ "toObjectId": id });
    let of = |id: Value, deals: Value| json!({ "from": { "id": id }, "to": deals });
    let mut still = of(json!("12"), json!([]));
    still["paging"] = json!({ "next": { "after": "x" } });
    let good = of(json!("1"), json!([to(json!(9001))]));
    let error = |context: Value| json!([{ "category": "INTERNAL_ERROR", "message": "m", "context": context }]);
    for (results, errors) in [
        (json!([good, still]), json!([])),
        (json!([good, of(json!("12"), json!([to(json!("x"))]))]), json!([])),
        (json!([good, of(json!("x"), json!([]))]), json!([])),
        (json!([good, { "from": "12" }]), json!([])),
        // In place of the one asked for comes another.
        (json!([good, of(json!("13"), json!([to(json!(9003))]))]), json!([])),
        (json!([good]), error(json!({ "fromObjectId": ["12"] }))),
        (json!([good]), error(Value::Null)),
    ] {
        let bench = Bench::new().await;
        let answer = json!({ "results": results, "errors": errors });
        bench.post(ASSOCIATIONS, status(207).set_body_json(&answer)).await;
        let links = bench.client().deals_of(&[1, 12].map(ContactId)).await.unwrap();
        assert_eq!(links.deals[&ContactId(1)], [DealId(9001)], "{answer}");
        assert!(!links.deals.contains_key(&ContactId(12)), "{answer}");
        assert_eq!(
            links.unreadable.keys().copied().collect::<Vec<_>>(),
            [ContactId(12)],
            "{answer}"
        );
    }
}

#[tokio::test]
async fn deals_that_cannot_be_read_are_named() {
    let created = "2026-10-01T10:00:00Z";
    let good = json!({ "id": "1", "properties":
        { "createdate": created, "hs_projected_amount": null, "hs_is_closed_lost": null } });
    let error = |context: Value| json!([{ "category": "FORBIDDEN", "message": "m", "context": context }]);
    for (results, errors) in [
        (
            json!([good, { "id": "9001", "properties": { "createdate": null }, "createdAt": null }]),
            json!([]),
        ),
        (json!([good, { "id": "9001", "createdAt": "then" }]), json!([])),
        (json!([good, { "id": "x", "createdAt": created }]), json!([])),
        (json!([good, { "id": "9001", "properties": 5 }]), json!([])),
        (json!([good, { "id": "9002", "createdAt": created }]), json!([])),
        (json!([good]), json!([])),
        (json!([good]), error(json!({ "ids": ["9001"] }))),
        (json!([good]), error(json!({ "id": "9001" }))),
        (json!([good]), error(Value::Null)),
    ] {
        let bench = Bench::new().await;
        let answer = json!({ "results": results, "errors": errors });
        bench.post(DEALS, status(207).set_body_json(&answer)).await;
        let batch = bench.client().read_deals(&[1, 9001].map(DealId)).await.unwrap();
        assert_eq!(
            batch.deals.iter().map(|deal| deal.id.0).collect::<Vec<_>>(),
            [1],
            "{answer}"
        );
        assert_eq!(
            batch.unreadable.keys().copied().collect::<Vec<_>>(),
            [DealId(9001)],
            "{answer}"
        );
    }
    let gone =
        json!({ "results": [good], "errors": [{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["9001"] } }] });
    let bench = Bench::new().await;
    bench.post(DEALS, status(207).set_body_json(&gone)).await;
    assert!(
        bench
            .client()
            .read_deals(&[1, 9001].map(DealId))
            .await
            .unwrap()
            .unreadable
            .is_empty()
    );
}

#[tokio::test]
async fn deals_with_their_amounts() {
    let bench = Bench::new().await;
    let long = "40.40000000000000002220446049250313080847263336181640625";
    let answer = json!({ "results": [
        { "id": "1", "properties": { "hs_projected_amount": "120.50", "deal_currency_code": "EUR", "hs_is_closed_lost": "false",
          "createdate": "2026-10-01T10:00:00Z" }, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": 2, "properties": { "hs_projected_amount": long, "hs_is_closed_lost": true }, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": "3", "properties": { "hs_projected_amount": 1e3, "deal_currency_code": "", "hs_is_closed_lost": null },
          "createdAt": 1_762_000_000_000_i64 },
        { "id": "4", "properties": { "hs_projected_amount": null, "hs_is_closed_lost": "" }, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": "5", "properties": {}, "createdAt": "2025-01-01T00:00:00Z", "archived": true },
        { "id": "7", "properties": {}, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": "8", "properties": null, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": "9", "properties": { "hs_is_closed_lost": "false" }, "createdAt": "2025-01-01T00:00:00Z" },
        { "id": "10", "properties": { "hs_projected_amount": "7" }, "createdAt": "2025-01-01T00:00:00Z" } ],
        "errors": [{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["6"] } }] });
    bench.post(DEALS, ok(&answer)).await;
    let batch = bench
        .client()
        .read_deals(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(DealId))
        .await
        .unwrap();
    // What an answer leaves out is not empty.
    assert_eq!(
        batch.unreadable.into_keys().collect::<Vec<_>>(),
        [5, 7, 8, 9, 10].map(DealId)
    );
    let deals = batch.deals;
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
