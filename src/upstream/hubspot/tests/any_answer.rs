//! Whatever HubSpot answers to whichever call, nothing panics.

use super::*;
use crate::domain::ids::{ContactId, DealId};
use crate::ports::crm::{ContactRead, ContactSearch, Crm};
use crate::ports::hostile_answers::{AnyAnswer, bodies, often_200, within};

const NAMES: &[&str] = &[
    "results",
    "total",
    "paging",
    "next",
    "after",
    "id",
    "properties",
    "propertiesWithHistory",
    "hs_object_id",
    "lifecyclestage",
    "hs_merged_object_ids",
    "hs_calculated_merged_vids",
    "lastmodifieddate",
    "createdAt",
    "updatedAt",
    "archived",
    "value",
    "timestamp",
    "sourceType",
    "startedAt",
    "errors",
    "category",
    "context",
    "ids",
    "message",
    "status",
    "numErrors",
    "from",
    "to",
    "toObjectId",
    "associationTypes",
    "label",
    "displayOrder",
    "portalId",
    "timeZone",
    "companyCurrency",
    "uiDomain",
    "name",
    "submittedAt",
    "values",
    "conversionId",
    "pageUrl",
    "scopes",
    "email",
    "access_token",
    "expires_in",
    "policyName",
];

/// Right answers to the calls, one of each shape.
fn right() -> Vec<Value> {
    let record = json!({"id": "101", "properties": {"hs_object_id": "101", "lifecyclestage": "customer", "email": "a@b.example",
        "hs_merged_object_ids": "7;8", "lastmodifieddate": "2026-11-20T12:00:00Z", "amount": "1.5", "dealstage": "won"},
        "propertiesWithHistory": {"lifecyclestage": [{"value": "customer", "timestamp": "2026-11-20T12:00:00Z", "sourceType": "CRM_UI"}]},
        "createdAt": "2026-11-19T12:00:00Z", "updatedAt": "2026-11-20T12:00:00Z", "archived": false});
    vec![
        json!({"total": 1, "results": [record], "paging": {"next": {"after": "1"}}}),
        json!({"status": "COMPLETE", "startedAt": "2026-11-20T12:00:00Z", "results": [record], "numErrors": 1,
            "errors": [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "m", "context": {"ids": ["102"]}}]}),
        json!({"results": [{"from": {"id": "101"}, "to": [{"toObjectId": "9", "associationTypes": [{"typeId": 1, "label": "l"}]}]}]}),
        details(),
        json!({"scopes": ["crm.objects.contacts.read", "forms"], "hubId": 62515}),
        json!({"name": "lifecyclestage", "options": [{"value": "customer", "label": "Customer", "displayOrder": 1, "hidden": false}]}),
        json!({"results": [{"name": "email", "label": "E", "archived": false, "id": "g-1", "createdAt": "2026-11-19T12:00:00Z"}]}),
        json!({"results": [{"submittedAt": 1_790_000_000_000_i64, "conversionId": "c-1", "pageUrl": "https://x/?gclid=1",
            "values": [{"name": "email", "value": "a@b.example", "objectTypeId": "0-1"}]}], "paging": {"next": {"after": "x"}}}),
        json!({"status": "error", "message": "m", "category": "RATE_LIMITS", "policyName": "DAILY", "errors": [{"message": "m",
            "context": {"requiredGranularScopes": ["forms"]}}], "context": {"x": ["y"]}}),
    ]
}

/// Every call once, each with a token of its own: none waits for the limits of the one before.
async fn call_all(bench: &Bench, case: u32) {
    let number = std::cell::Cell::new(0);
    let crm = || {
        number.set(number.get() + 1);
        let token = format!("pat-eu1-{case}-{}", number.get());
        bench.connector.client_for(&secret(&[("accessToken", &token)])).unwrap()
    };
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let search = ContactSearch {
        any_since: vec![("lastmodifieddate".to_owned(), jiff::Timestamp::UNIX_EPOCH)],
        after: ContactId(1),
        properties: names(&["lifecyclestage"]),
    };
    let read = |history: &[&str]| ContactRead {
        ids: vec![ContactId(101), ContactId(102)],
        properties: names(&["email"]),
        with_history: names(history),
    };
    within(crm().read_portal()).await;
    within(crm().token_info()).await;
    within(crm().read_stages()).await;
    within(crm().property_names()).await;
    Box::pin(within(crm().search_contacts(&search))).await;
    within(crm().read_contacts(&read(&["lifecyclestage"]))).await;
    within(crm().read_contacts(&read(&[]))).await;
    within(crm().deals_of(&[ContactId(101), ContactId(102)])).await;
    within(crm().read_deals(&[DealId(9), DealId(101)])).await;
    within(crm().list_forms()).await;
    within(crm().list_submissions("g-1", None)).await;
    within(crm().read_by_email(&names(&["a@b.example"]), &names(&["email"]))).await;
}

#[test]
fn no_answer_to_any_call_panics() {
    let any = AnyAnswer::new();
    let bench = any.block_on(Bench::new());
    any.serve(&bench.server);
    any.run(
        often_200(&[204, 207, 302, 400, 403, 404]),
        bodies(right(), NAMES),
        async |case| {
            Box::pin(call_all(&bench, case)).await;
        },
    );
}
