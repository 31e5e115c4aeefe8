//! Answers that are larger than what is read of one: they take along nobody but the records that make them so.

use super::*;
use crate::domain::ids::ContactId;
use crate::ports::Cause;
use crate::ports::crm::{ContactRead, ContactSearch, Crm};

const GUID: &str = "78c2891f-ebdd-44c0-bd94-15c012bbbfbf";

/// A short text that would take more memory than an answer may.
fn large() -> ResponseTemplate {
    status(200).set_body_string(format!("[{}{{}}]", "{},".repeat(44_000)))
}

async fn respond(bench: &Bench, at: &str, answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) {
    Mock::given(path(at)).respond_with(answer).mount(&bench.server).await;
}

/// The `limit` that a request asks for, in its query or in its body.
fn rows(request: &Request) -> u64 {
    let told = request.url.query_pairs().find(|(name, _)| name == "limit");
    match told {
        Some((_, rows)) => rows.parse().unwrap(),
        None => serde_json::from_slice::<Value>(&request.body).unwrap()["limit"]
            .as_u64()
            .unwrap(),
    }
}

async fn asked(bench: &Bench) -> Vec<u64> {
    bench
        .server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .map(rows)
        .collect()
}

/// Contacts, of which those with these ids are too large.
async fn contacts(bench: &Bench, huge: &'static [u64]) {
    respond(bench, READ, move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let id = |input: &Value| input["id"].as_str().unwrap().parse::<u64>().unwrap();
        let ids: Vec<u64> = body["inputs"].as_array().unwrap().iter().map(id).collect();
        if ids.iter().any(|id| huge.contains(id)) {
            return large();
        }
        let record = |id: &u64| json!({ "id": id, "updatedAt": "2026-11-01T00:00:00Z" });
        ok(&json!({ "results": ids.iter().map(record).collect::<Vec<_>>() }))
    })
    .await;
}

fn read(upto: u64) -> ContactRead {
    ContactRead {
        ids: (1..=upto).map(ContactId).collect(),
        properties: vec![],
        with_history: vec!["lifecyclestage".to_owned()],
    }
}

#[tokio::test]
async fn contacts_with_huge_values_are_singled_out() {
    let bench = Bench::new().await;
    contacts(&bench, &[12, 30]).await;
    let batch = bench.client().read_contacts(&read(50)).await.unwrap();
    assert_eq!(batch.contacts.len(), 48);
    assert_eq!(batch.unreadable.keys().map(|id| id.0).collect::<Vec<_>>(), [12, 30]);
    assert_eq!(
        batch.unreadable[&ContactId(12)],
        "the answer to the call \"read\" is larger than 8192 KiB, or would take more than 32768 KiB of memory; shorten its \
         values in HubSpot"
    );
    assert!(bench.bodies().await.len() < 30);
}

#[tokio::test]
async fn many_contacts_with_huge_values_in_a_row_do_not_stop_the_others() {
    const HUGE: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];
    let bench = Bench::new().await;
    contacts(&bench, HUGE).await;
    let batch = bench.client().read_contacts(&read(20)).await.unwrap();
    assert_eq!((batch.contacts.len(), batch.unreadable.len()), (2, 18));
    let none = bench.client().read_contacts(&read(18)).await.unwrap();
    assert_eq!(
        (none.contacts.len(), none.unreadable.len()),
        (0, 18),
        "also where nobody else is there"
    );
}

#[tokio::test]
async fn an_address_is_not_nobodys_where_its_contact_is_too_large() {
    let bench = Bench::new().await;
    bench.post(READ, ok(&json!({ "results": [] }))).await;
    respond(&bench, SEARCH, |request| {
        let is_huge = String::from_utf8_lossy(&request.body).contains("huge@example.com");
        if is_huge {
            large()
        } else {
            ok(&json!({ "results": [] }))
        }
    })
    .await;
    let emails = ["huge@example.com", "nobody@example.com"].map(str::to_owned);
    let found = bench.client().read_by_email(&emails, &[]).await.unwrap();
    assert_eq!(found.unreadable.keys().collect::<Vec<_>>(), ["huge@example.com"]);
}

#[tokio::test]
async fn a_page_of_submissions_that_is_too_large_is_read_in_smaller_ones() {
    let bench = Bench::new().await;
    respond(
        &bench,
        &format!("/form-integrations/v1/submissions/forms/{GUID}"),
        |request| {
            let begin = request.url.query_pairs().find(|(name, _)| name == "after");
            let row = |id: &str| json!({ "conversionId": id, "submittedAt": 1_761_990_000_123_i64, "values": [] });
            match begin {
                Some((_, after)) if after == "Ng==" => ok(&json!({ "results": [row("c2")] })),
                _ if rows(request) > 6 => large(),
                _ => ok(&json!({ "results": [row("c1")], "paging": { "next": { "after": "Ng==" } } })),
            }
        },
    )
    .await;
    let first = bench.client().list_submissions(GUID, None).await.unwrap();
    assert_eq!(first.submissions[0].conversion_id.as_deref(), Some("c1"));
    let second = bench
        .client()
        .list_submissions(GUID, first.next.as_deref())
        .await
        .unwrap();
    assert_eq!(second.submissions[0].conversion_id.as_deref(), Some("c2"));
    assert_eq!(asked(&bench).await, [50, 25, 12, 6, 50]);
}

#[tokio::test]
async fn a_single_submission_that_is_too_large_is_put_aside_and_the_list_goes_on() {
    let bench = Bench::new().await;
    respond(
        &bench,
        &format!("/form-integrations/v1/submissions/forms/{GUID}"),
        |request| {
            let row = |id: &str, values: Value| json!({ "values": values, "conversionId": id, "submittedAt": 1_761_990_000_123_i64 });
            if request.url.query_pairs().any(|(name, _)| name == "after") {
                return ok(&json!({ "results": [row("c2", json!([]))] }));
            }
            let field = json!({ "name": "message", "value": "字".repeat(65_000), "objectTypeId": "0-1" });
            ok(&json!({ "results": [row("c1", json!(vec![field; 44]))], "paging": { "next": { "after": "Ng==" } } }))
        },
    )
    .await;
    let first = bench.client().list_submissions(GUID, None).await.unwrap();
    assert!(
        first.submissions.is_empty(),
        "whoever seems to have no address is skipped for good"
    );
    assert_eq!(first.unreadable.len(), 1);
    assert_eq!(first.unreadable[0].conversion_id.as_deref(), Some("c1"));
    assert_eq!(
        first.unreadable[0].why,
        "HubSpot's answer for it alone is larger than 8192 KiB, or would take more than 32768 KiB of memory; shorten its values \
         or delete it"
    );
    let second = bench
        .client()
        .list_submissions(GUID, first.next.as_deref())
        .await
        .unwrap();
    assert_eq!(second.submissions[0].conversion_id.as_deref(), Some("c2"));
    assert_eq!(asked(&bench).await, [50, 25, 12, 6, 3, 1, 1, 50]);
}

#[tokio::test]
async fn a_submission_without_an_outline_is_named_with_its_form() {
    let bench = Bench::new().await;
    respond(
        &bench,
        &format!("/form-integrations/v1/submissions/forms/{GUID}"),
        |_| large(),
    )
    .await;
    let error = failed(bench.client().list_submissions(GUID, None).await);
    assert_eq!(error.cause, Cause::TooLarge);
    let (begin, end) = (
        format!("a submission of form {GUID} can't be read: "),
        "in HubSpot, or delete it",
    );
    assert!(
        error.message.starts_with(&begin) && error.message.ends_with(end),
        "{error}"
    );
    assert_eq!(asked(&bench).await, [50, 25, 12, 6, 3, 1, 1]);
}

#[tokio::test]
async fn large_forms_and_rows_of_a_search_come_in_smaller_pages() {
    let bench = Bench::new().await;
    respond(&bench, "/marketing/v3/forms", |request| {
        if rows(request) > 50 {
            return large();
        }
        ok(&json!({ "results": [{ "id": GUID, "name": "Demo" }] }))
    })
    .await;
    assert_eq!(bench.client().list_forms().await.unwrap().len(), 1);
    assert_eq!(asked(&bench).await, [100, 50]);

    let bench = Bench::new().await;
    respond(&bench, SEARCH, |request| {
        if rows(request) > 100 {
            return large();
        }
        ok(&json!({ "total": 300, "results": [{ "id": 7, "properties": {} }] }))
    })
    .await;
    let page = bench.client().search_contacts(&ContactSearch::anybody()).await.unwrap();
    assert_eq!((page.contacts.len(), page.next), (1, Some(ContactId(7))));
    assert_eq!(asked(&bench).await, [200, 100]);
}
