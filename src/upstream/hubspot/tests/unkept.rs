//! One record holds something that JSON readers refuse a whole answer for. It is a matter of that record.

use super::*;
use crate::domain::ids::{ContactId, DealId};
use crate::ports::crm::{ContactRead, ContactSearch, Crm};

/// Nested deeper than anything is read, a number beyond all limits, half a character, the wrong type.
fn parts() -> [String; 5] {
    let deep = |levels: usize| format!("{}{}", r#"{"a":["#.repeat(levels), "]}".repeat(levels));
    [
        deep(65),
        deep(300),
        "1e400".to_owned(),
        r#""\ud800""#.to_owned(),
        "[null]".to_owned(),
    ]
}

/// An answer in which `"@"` is such a part.
fn spoilt(body: &Value, part: &str) -> ResponseTemplate {
    let text = body.to_string().replace("\"@\"", part);
    ResponseTemplate::new(200).set_body_raw(text, "application/json")
}

fn record(id: u64, city: &str) -> Value {
    json!({ "id": id.to_string(), "properties": { "city": city, "createdate": "2026-10-01T00:00:00Z",
                                                  "hs_projected_amount": null, "hs_is_closed_lost": null },
            "updatedAt": "2026-11-01T00:00:00.456Z" })
}

#[tokio::test]
async fn of_contacts_and_deals() {
    for part in parts() {
        let bench = Bench::new().await;
        let list = json!({ "results": [record(1, "x"), record(2, "@"), record(3, "x")], "total": 3 });
        for path in [SEARCH, READ, DEALS] {
            bench.post(path, spoilt(&list, &part)).await;
        }
        let crm = bench.client();
        let search = ContactSearch {
            any_since: vec![("lastmodifieddate".to_owned(), jiff::Timestamp::UNIX_EPOCH)],
            after: ContactId(0),
            properties: Vec::new(),
        };
        let page = crm.search_contacts(&search).await.unwrap();
        let flaws: Vec<_> = page.contacts.iter().map(|c| (c.id.0, c.flaw.is_some())).collect();
        assert_eq!((flaws, page.nameless), (vec![(1, false), (2, true), (3, false)], 0));

        let read = ContactRead {
            ids: [1, 2, 3].map(ContactId).to_vec(),
            properties: Vec::new(),
            with_history: Vec::new(),
        };
        let batch = crm.read_contacts(&read).await.unwrap();
        assert_eq!(batch.contacts.iter().map(|c| c.id.0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(batch.unreadable.keys().map(|id| id.0).collect::<Vec<_>>(), [2]);

        let batch = crm.read_deals(&[1, 2, 3].map(DealId)).await.unwrap();
        assert_eq!(batch.deals.iter().map(|d| d.id.0).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(batch.unreadable.keys().map(|id| id.0).collect::<Vec<_>>(), [2]);
    }
}

#[tokio::test]
async fn of_associations() {
    let asked = [151, 152, 153].map(ContactId);
    for part in parts() {
        let bench = Bench::new().await;
        let of = |from: u64, to: Value| json!({ "from": { "id": from }, "to": to });
        let list = json!({ "results": [of(151, json!([{ "toObjectId": 9 }])), of(152, json!([{ "toObjectId": "@" }]))],
            "errors": [{ "category": "OBJECT_NOT_FOUND", "message": "m", "context": { "fromObjectId": ["153"], "x": "@" } }] });
        bench
            .post(
                "/crm/associations/2026-09/contacts/deals/batch/read",
                spoilt(&list, &part),
            )
            .await;
        let links = bench.client().deals_of(&asked).await.unwrap();
        assert_eq!(
            links.deals.into_iter().collect::<Vec<_>>(),
            [(ContactId(151), vec![DealId(9)])]
        );
        assert_eq!(links.unreadable.keys().copied().collect::<Vec<_>>(), [ContactId(152)]);
    }
}

#[tokio::test]
async fn of_forms_and_submissions() {
    for part in parts() {
        let bench = Bench::new().await;
        let forms = json!({ "results": [{ "id": "f-1", "name": "One" }, { "id": "f-2", "name": "@" }] });
        bench.get("/marketing/v3/forms", spoilt(&forms, &part)).await;
        let submission = |id: &str, at: Value, field: &str, page: &str| {
            json!({ "conversionId": id, "submittedAt": at, "pageUrl": page, "values": [
                { "name": field, "value": field }, { "name": "email", "value": "a@b.example" }] })
        };
        let now = json!(1_790_000_000_000_i64);
        // Without an address, unless what can't be read is one.
        let of = |id: &str, field: &Value| json!({ "conversionId": id, "submittedAt": now, "values": [field] });
        let list = json!({ "results": [submission("c-1", now.clone(), "x", "x"), submission("c-2", now.clone(), "@", "@"),
            submission("c-3", json!("@"), "x", "x"), submission("c-4", now.clone(), "x", "x"),
            of("c-5", &json!({ "name": "topics", "value": "@" })), of("c-6", &json!({ "name": "email", "value": "@" })),
            of("c-7", &json!({ "name": "@", "value": "a@b.example" })),
            of("c-8", &json!({ "name": "email", "value": "@", "objectTypeId": "0-2" })),
            of("c-9", &json!({ "name": "email", "value": null }))] });
        bench
            .get("/form-integrations/v1/submissions/forms/f-1", spoilt(&list, &part))
            .await;
        let crm = bench.client();
        let forms: Vec<_> = crm
            .list_forms()
            .await
            .unwrap()
            .into_iter()
            .map(|form| form.id)
            .collect();
        assert_eq!(forms, ["f-1"]);
        let page = crm.list_submissions("f-1", None).await.unwrap();
        let read = page
            .submissions
            .iter()
            .map(|s| (s.conversion_id.as_deref(), s.email.as_deref()));
        let whole = |id| (Some(id), Some("a@b.example"));
        let bare = |id| (Some(id), None);
        let wanted = [
            whole("c-1"),
            whole("c-2"),
            whole("c-4"),
            bare("c-5"),
            bare("c-8"),
            bare("c-9"),
        ];
        assert_eq!(read.collect::<Vec<_>>(), wanted);
        let odd: Vec<_> = page.unreadable.iter().map(|odd| odd.conversion_id.as_deref()).collect();
        assert_eq!(odd, [Some("c-3"), Some("c-6"), Some("c-7")]);
    }
}

#[tokio::test]
async fn of_an_error() {
    for part in parts() {
        let bench = Bench::new().await;
        let error = json!({ "status": "error", "category": "MISSING_SCOPES", "message": "m", "x": "@",
            "errors": [{ "context": { "requiredGranularScopes": ["forms"], "x": "@" } }] });
        let text = error.to_string().replace("\"@\"", &part);
        bench
            .get(DETAILS, status(403).set_body_raw(text, "application/json"))
            .await;
        let error = failed(bench.client().read_portal().await);
        assert_eq!(error.code.as_deref(), Some("MISSING_SCOPES"));
        assert!(error.message.contains("missing scopes: forms"), "{error}");
    }
}
