use super::*;
use crate::domain::ids::{ContactId, DealId, PortalId};
use crate::ports::Cause;
use crate::ports::crm::{ContactBatch, ContactRead, Crm};

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

pub(super) fn row(id: u64, properties: &Value) -> Value {
    json!({ "id": id, "properties": properties, "updatedAt": "2026-11-01T00:00:00.456Z" })
}

async fn batch(answer: Value, asked: &[u64]) -> Result<ContactBatch, UpstreamError> {
    let bench = Bench::new().await;
    bench.post(READ, status(207).set_body_json(answer)).await;
    bench.client().read_contacts(&read(asked, true)).await
}

/// Requested ids and those of their records; the requested ids of which nothing can be read.
pub(super) async fn ids(answer: Value, asked: &[u64]) -> (Vec<(u64, u64)>, Vec<u64>) {
    let batch = batch(answer, asked).await.unwrap();
    let found = batch
        .contacts
        .iter()
        .map(|contact| (contact.requested_id.0, contact.id.0));
    let mut found: Vec<_> = found.collect();
    found.sort_unstable();
    (found, batch.unreadable.keys().map(|id| id.0).collect())
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
    let contacts = bench
        .client()
        .read_contacts(&read(&[151, 151], true))
        .await
        .unwrap()
        .contacts;
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
async fn old_ids_find_the_record_of_today() {
    let merged = row(9, &json!({ "hs_merged_object_ids": "1;2" }));
    let answer = json!({ "results": [merged, row(5, &json!(null))] });
    let none = Vec::new;
    assert_eq!(
        ids(answer.clone(), &[1, 2, 5]).await,
        (vec![(1, 9), (2, 9), (5, 5)], none())
    );
    assert_eq!(ids(answer, &[9, 2, 5]).await, (vec![(2, 9), (5, 5), (9, 9)], none()));
    let older_property = row(
        9,
        &json!({ "hs_calculated_merged_vids": "1:1690000000000;2:1690000000001" }),
    );
    assert_eq!(
        ids(json!({ "results": [older_property] }), &[1, 2]).await,
        (vec![(1, 9), (2, 9)], none())
    );
}

/// Whose a record is, only its own id and its merged ids tell, even if a single id was asked for.
#[tokio::test]
async fn a_record_that_does_not_name_the_id_asked_for_is_nobodys() {
    let other = |merged: Value| json!({ "results": [row(9, &json!({ "hs_merged_object_ids": merged }))] });
    for merged in [Value::Null, json!(""), json!("2;3"), json!("11")] {
        assert_eq!(ids(other(merged), &[1]).await, (vec![], vec![1]));
    }
    let instead = batch(other(Value::Null), &[1]).await.unwrap().shown_instead;
    assert_eq!(instead, [(ContactId(1), ContactId(9))].into(), "that is told, no more");
    assert!(batch(other(json!("1")), &[1]).await.unwrap().shown_instead.is_empty());
    assert!(
        batch(other(Value::Null), &[1, 2])
            .await
            .unwrap()
            .shown_instead
            .is_empty()
    );
    let beside = json!({ "results": [row(9, &json!({})), row(5, &json!({}))] });
    assert_eq!(ids(beside.clone(), &[1, 5]).await, (vec![(5, 5)], vec![1]));
    assert_eq!(ids(beside, &[1, 2, 5]).await, (vec![(5, 5)], vec![1, 2]));
    // What HubSpot says is gone is, whoever comes along.
    let errors = json!([{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["1"] } }]);
    let gone = json!({ "results": [row(9, &json!({}))], "errors": errors });
    assert_eq!(batch(gone, &[1]).await.unwrap().deleted, [ContactId(1)].into());
}

/// No contact is merged into two: whose it is then, HubSpot does not say. One that is shown itself is nobody else's.
#[tokio::test]
async fn an_id_that_two_records_name_is_nobodys() {
    let naming = |id| row(id, &json!({ "hs_merged_object_ids": "1" }));
    let both = json!({ "results": [naming(8), naming(9)] });
    assert_eq!(ids(both.clone(), &[1]).await, (vec![], vec![1]));
    assert_eq!(ids(both, &[1, 8]).await, (vec![(8, 8)], vec![1]));
    let alive = json!({ "results": [naming(8), naming(9), row(1, &json!({}))] });
    assert_eq!(ids(alive, &[1, 8, 9]).await, (vec![(1, 1), (8, 8), (9, 9)], vec![]));
}

#[tokio::test]
async fn deleted_contacts_are_those_that_hubspot_says_are() {
    let mut archived = row(2, &json!({}));
    archived["archived"] = json!(true);
    let mut merged = row(8, &json!({ "hs_merged_object_ids": "5;6" }));
    merged["archived"] = json!(true);
    let errors = json!([{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["3", "99"] } }]);
    let answer = json!({ "results": [row(1, &json!({})), archived, merged], "numErrors": 1, "errors": errors });
    assert_eq!(ids(answer.clone(), &[1, 2, 3, 4, 5]).await, (vec![(1, 1)], vec![]));
    let deleted = batch(answer, &[1, 2, 3, 4, 5]).await.unwrap().deleted;
    // A read that does not ask for archived records shows none: one that does says nothing.
    assert_eq!(deleted, [ContactId(3)].into(), "of 2, 4 and 5 nothing is said");
    let nobody = batch(json!({ "results": [] }), &[1, 2]).await.unwrap();
    assert!(nobody.deleted.is_empty() && nobody.unreadable.is_empty());
    // Found beside the record that it has become.
    let errors = json!([{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["1"] } }]);
    let answer = json!({ "results": [row(9, &json!({ "hs_merged_object_ids": "1" }))], "errors": errors });
    let found = batch(answer, &[1]).await.unwrap();
    assert_eq!((found.contacts.len(), found.deleted.len()), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_read_is_one_records_matter() {
    let good = row(1, &json!({}));
    let odd = |change: &dyn Fn(&mut Value)| {
        let mut odd = row(12, &json!({ "lifecyclestage": "customer" }));
        change(&mut odd);
        odd
    };
    // Nothing of it can be read: named by its own id, or as the only one that is left.
    for record in [
        odd(&|r| r["id"] = json!("not-a-number")),
        odd(&|r| r["id"] = Value::Null),
        odd(&|r| r["properties"] = json!("gone")),
        odd(&|r| r["id"] = json!({})),
        json!("no record"),
    ] {
        let answer = json!({ "results": [record, good] });
        assert_eq!(
            ids(answer.clone(), &[1, 12]).await,
            (vec![(1, 1)], vec![12]),
            "{answer}"
        );
    }
    // Where it may be about any of several, none of them is taken for deleted; one that HubSpot says is gone is.
    let untold = json!({ "results": [good, { "id": "?" }],
        "errors": [{ "category": "OBJECT_NOT_FOUND", "context": { "ids": ["3"] } }] });
    assert_eq!(ids(untold, &[1, 3, 4, 12]).await, (vec![(1, 1)], vec![4, 12]));
    // A part of it cannot: it is there, and says so.
    for (record, words) in [
        (odd(&|r| r["updatedAt"] = Value::Null), "updatedAt"),
        (odd(&|r| r["updatedAt"] = json!("yesterday")), "updatedAt"),
        (
            odd(&|r| {
                r["id"] = json!("x");
                r["properties"]["hs_object_id"] = json!("12");
            }),
            "its id",
        ),
        (
            odd(&|r| r["properties"]["hs_merged_object_ids"] = json!("7;x")),
            "hs_merged_object_ids",
        ),
        (
            odd(&|r| r["properties"]["lifecyclestage"] = json!("customer")),
            "the history of its lifecyclestage",
        ),
        (
            odd(&|r| {
                r["properties"]["lifecyclestage"] = json!("customer");
                r["propertiesWithHistory"] = json!({ "lifecyclestage": [] });
            }),
            "no history of it",
        ),
    ] {
        let batch = batch(json!({ "results": [record, good] }), &[1, 12]).await.unwrap();
        let flawed: Vec<_> = batch
            .contacts
            .iter()
            .filter_map(|c| Some((c.requested_id.0, c.flaw.clone()?)))
            .collect();
        assert_eq!((batch.contacts.len(), flawed.len(), flawed[0].0), (2, 1, 12));
        assert!(flawed[0].1.why.contains(words), "{:?}", flawed[0].1);
    }
    let mut lineage = odd(&|r| r["properties"]["hs_merged_object_ids"] = json!("7;x"));
    lineage["propertiesWithHistory"] = json!({ "lifecyclestage": [{ "value": "lead", "timestamp": 1 }] });
    let unknown = batch(json!({ "results": [lineage] }), &[12]).await.unwrap();
    assert!(
        unknown.contacts[0].history.is_empty(),
        "its entries may be known under an id that can't be read"
    );
}

#[tokio::test]
async fn rows_of_a_history_without_a_time_leave_the_others() {
    let version = |value: &str, at: Value| json!({ "value": value, "timestamp": at });
    let mut contact = row(12, &json!({}));
    contact["propertiesWithHistory"] = json!({ "lifecyclestage": [
        version("customer", json!("2026-11-24T10:00:00Z")),
        version("lead", Value::Null),
        version("customer", json!("2026-11-22T10:00:00Z")),
        version("other", json!("2026-11-21T10:00:00Z")),
        version("other", json!("soon")),
    ] });
    let batch = batch(json!({ "results": [contact] }), &[12]).await.unwrap();
    let history = batch.contacts[0].history_of("lifecyclestage");
    let values: Vec<_> = history.iter().map(|entry| entry.value.as_str()).collect();
    assert_eq!(
        values,
        ["customer", "customer"],
        "what only repeats a row without a time is no entry"
    );
    let flaw = batch.contacts[0].flaw.as_ref().unwrap();
    assert_eq!(flaw.stages, ["other", "lead"]);
    assert!(flaw.why.contains("history of lifecyclestage"), "{}", flaw.why);
}

#[tokio::test]
async fn errors_of_items_are_about_these_items() {
    let answer = |category: &str, context: Value| {
        json!({ "results": [row(1, &json!({}))],
                "errors": [{ "category": category, "message": "'Ann' m", "context": context }] })
    };
    for category in [
        "VALIDATION_ERROR",
        "FORBIDDEN",
        "INTERNAL_ERROR",
        "MISSING_SCOPES",
        "RATE_LIMITS",
    ] {
        let named = answer(category, json!({ "ids": ["2"] }));
        let batch = batch(named.clone(), &[1, 2, 3]).await.unwrap();
        let why = &batch.unreadable[&ContactId(2)];
        assert!(why.contains(category) && !why.contains("Ann"), "{why}");
        assert_eq!(ids(named, &[1, 2, 3]).await, (vec![(1, 1)], vec![2]));
        let either = ids(answer(category, Value::Null), &[1, 2, 3]).await;
        assert_eq!(either, (vec![(1, 1)], vec![2, 3]));
    }
    // About the token, where nothing else came.
    for (category, cause) in [
        ("MISSING_SCOPES", Cause::MissingScope),
        ("RATE_LIMITS", Cause::RateLimited),
    ] {
        let nothing = json!({ "results": [], "errors": [{ "category": category, "context": { "ids": ["2"] } }] });
        let error = failed(batch(nothing, &[2]).await);
        let told = (error.cause, error.code.as_deref(), error.status);
        assert_eq!(told, (cause, Some(category), Some(207)));
    }
}

/// Refuses every batch that holds one of these ids.
async fn refusing(bench: &Bench, at: &str, code: u16, category: &'static str, ids: &'static [u64]) {
    let respond = move |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let asked = |input: &Value| input["id"].as_str().unwrap().parse::<u64>().unwrap();
        let asked: Vec<u64> = body["inputs"].as_array().unwrap().iter().map(asked).collect();
        if asked.iter().any(|id| ids.contains(id)) {
            return status(code).set_body_json(json!({ "category": category, "message": "m" }));
        }
        let record = |id: &u64| {
            json!({ "id": id, "updatedAt": "2026-11-01T00:00:00Z", "createdAt": "2026-11-01T00:00:00Z",
                    "properties": { "hs_projected_amount": null, "hs_is_closed_lost": null } })
        };
        ok(&json!({ "results": asked.iter().map(record).collect::<Vec<_>>() }))
    };
    Mock::given(method("POST"))
        .and(path(at))
        .respond_with(respond)
        .mount(&bench.server)
        .await;
}

#[tokio::test]
async fn a_record_that_has_its_batch_refused_is_singled_out() {
    let bench = Bench::new().await;
    refusing(&bench, READ, 403, "FORBIDDEN", &[12, 30]).await;
    refusing(&bench, DEALS, 403, "FORBIDDEN", &[9]).await;
    let upto: Vec<u64> = (1..=50).collect();
    let batch = bench.client().read_contacts(&read(&upto, true)).await.unwrap();
    assert_eq!(batch.contacts.len(), 48);
    assert_eq!(batch.unreadable.keys().map(|id| id.0).collect::<Vec<_>>(), [12, 30]);
    let deals = bench.client().read_deals(&[DealId(8), DealId(9)]).await.unwrap();
    assert_eq!((deals.deals.len(), deals.unreadable.len()), (1, 1));
    let alone = bench.client().read_deals(&[DealId(9)]).await.unwrap();
    assert!(alone.unreadable[&DealId(9)].contains("FORBIDDEN"));
}

#[tokio::test]
async fn a_portal_that_refuses_every_record_is_not_asked_for_each() {
    /// Whether another read, or one of fewer properties, or one of somebody else, is answered.
    const PROBES: usize = 3;
    let mut all: Vec<u64> = (1..=50).collect();
    let asked = all.clone();
    all.push(ContactId::NOBODY.0);
    let all: &'static [u64] = all.leak();
    let bench = Bench::new().await;
    refusing(&bench, READ, 403, "FORBIDDEN", all).await;
    assert_eq!(
        failed(bench.client().read_contacts(&read(&asked, true)).await).cause,
        Cause::AccessDenied
    );
    assert_eq!(bench.bodies().await.len(), 12 + PROBES);
    let scope = Bench::new().await;
    refusing(&scope, READ, 403, "MISSING_SCOPES", all).await;
    assert_eq!(
        failed(scope.client().read_contacts(&read(&asked, true)).await).cause,
        Cause::MissingScope
    );
    assert_eq!(
        scope.bodies().await.len(),
        2 * (1 + PROBES),
        "each is asked for nobody too: a scope that nobody has is no record's matter"
    );
}

#[tokio::test]
async fn batches_above_hubspots_limits_are_not_sent() {
    let bench = Bench::new().await;
    let client = bench.client();
    let upto = |n: u64| (1..=n).collect::<Vec<_>>();
    for (ids, history) in [(upto(51), true), (upto(101), false)] {
        assert_eq!(
            failed(client.read_contacts(&read(&ids, history)).await).code.as_deref(),
            Some("BATCH_TOO_LARGE")
        );
    }
    let contacts: Vec<_> = (0..1_001).map(ContactId).collect();
    assert_eq!(failed(client.deals_of(&contacts).await).cause, Cause::Refused);
    let deals: Vec<_> = (0..101).map(DealId).collect();
    assert_eq!(failed(client.read_deals(&deals).await).cause, Cause::Refused);
    assert!(
        client
            .read_contacts(&read(&[], true))
            .await
            .unwrap()
            .contacts
            .is_empty()
    );
    assert!(client.read_deals(&[]).await.unwrap().deals.is_empty());
    assert!(client.deals_of(&[]).await.unwrap().deals.is_empty());
    assert!(bench.bodies().await.is_empty());
}

#[tokio::test]
async fn portal_stages_and_properties() {
    let bench = Bench::new().await;
    bench.get(DETAILS, ok(&details())).await;
    let options = json!({ "options": [
        { "label": "Customer", "value": "customer", "displayOrder": 5 }, { "label": "Late", "value": 1_066_237_962, "displayOrder": -1 },
        { "label": "Lead", "value": "lead", "displayOrder": 1, "hidden": true }, { "label": "Odd", "value": null }, null, 7 ] });
    bench
        .get("/crm/properties/2026-09/contacts/lifecyclestage", ok(&options))
        .await;
    let names = json!({ "results": [{ "name": "lastname", "options": [] }, { "name": "email" }] });
    bench.get("/crm/properties/2026-09/contacts", ok(&names)).await;
    let client = bench.client();
    let portal = client.read_portal().await.unwrap();
    assert_eq!(
        (portal.id, portal.time_zone.as_str(), portal.company_currency.as_str()),
        (PortalId(62515), "US/Eastern", "USD")
    );
    let stages = client.read_stages().await.unwrap();
    assert_eq!(
        stages.iter().map(|stage| stage.value.as_str()).collect::<Vec<_>>(),
        ["lead", "customer", "1066237962"]
    );
    assert_eq!(client.property_names().await.unwrap(), ["email", "lastname"]);
}
