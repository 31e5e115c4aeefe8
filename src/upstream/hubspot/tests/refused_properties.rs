//! Reads and searches that fail with a property, and are answered without it.

use jiff::Timestamp;

use super::*;
use crate::domain::ids::ContactId;
use crate::ports::crm::{ContactRead, ContactSearch, Crm};

const BAD: &str = "bad_prop";

/// A portal that fails so with each question for the property.
async fn bench(fails: fn() -> ResponseTemplate) -> Bench {
    let bench = Bench::new().await;
    for at in [READ, SEARCH] {
        let respond = move |request: &Request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            if body.to_string().contains(&format!("\"{BAD}\"")) {
                return fails();
            }
            let asked = body["inputs"]
                .as_array()
                .cloned()
                .unwrap_or_else(|| vec![json!({"id": "7"})]);
            let row = |input: &Value| {
                let id = match input["id"].as_str().unwrap() {
                    id if id.contains('@') => "7".to_owned(),
                    id => id.to_owned(),
                };
                json!({ "id": id, "properties": { "email": "a@example.com" },
                        "propertiesWithHistory": { "lifecyclestage": [] }, "updatedAt": "2026-11-01T00:00:00.456Z" })
            };
            ok(&json!({ "results": asked.iter().map(row).collect::<Vec<_>>() }))
        };
        Mock::given(path(at)).respond_with(respond).mount(&bench.server).await;
    }
    bench
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

fn read() -> ContactRead {
    ContactRead {
        ids: vec![ContactId(7), ContactId(8)],
        properties: names(&["email", BAD, "zip"]),
        with_history: names(&[BAD]),
    }
}

fn search() -> ContactSearch {
    ContactSearch {
        any_since: vec![("lastmodifieddate".to_owned(), Timestamp::UNIX_EPOCH)],
        after: ContactId(0),
        properties: names(&["email", BAD]),
    }
}

fn withheld(contact: &crate::ports::crm::Contact) -> Vec<&str> {
    contact.properties.withheld().collect()
}

#[rstest::rstest]
#[case::scope(|| status(403).set_body_json(json!({"category": "MISSING_SCOPES"})))]
#[case::refused(|| status(400).set_body_json(json!({"category": "VALIDATION_ERROR"})))]
#[case::broken(|| status(500))]
#[case::a_filter(|| status(403))]
#[tokio::test]
async fn it_is_left_out_and_each_contact_says_so(#[case] fails: fn() -> ResponseTemplate) {
    let bench = bench(fails).await;
    let client = bench.client();
    let batch = Crm::read_contacts(&*client, &read()).await.unwrap();
    assert_eq!((batch.contacts.len(), batch.unreadable.len()), (2, 0));
    assert!(batch.contacts.iter().all(|contact| withheld(contact) == [BAD]));
    assert_eq!(client.withheld_properties().keys().collect::<Vec<_>>(), [BAD]);
    // Known by now: one call each.
    let before = bench.noted.calls().len();
    let batch = Crm::read_contacts(&*client, &read()).await.unwrap();
    let page = Crm::search_contacts(&*client, &search()).await.unwrap();
    let found = Crm::read_by_email(&*client, &names(&["a@example.com"]), &read().properties)
        .await
        .unwrap();
    assert_eq!(bench.noted.calls().len(), before + 3);
    let all = batch
        .contacts
        .iter()
        .chain(&page.contacts)
        .chain(found.contacts.values());
    assert!(all.clone().count() == 4 && all.clone().all(|contact| withheld(contact) == [BAD]));
    let plain = ContactRead {
        properties: names(&["email"]),
        with_history: Vec::new(),
        ..read()
    };
    let batch = Crm::read_contacts(&*client, &plain).await.unwrap();
    assert!(
        batch.contacts.iter().all(|contact| withheld(contact).is_empty()),
        "it was not wanted"
    );
}

#[tokio::test]
async fn searches_and_addresses_find_it_out_too() {
    let bench = bench(|| status(500)).await;
    let page = Crm::search_contacts(&*bench.client(), &search()).await.unwrap();
    assert_eq!(withheld(&page.contacts[0]), [BAD]);
    let other = bench
        .connector
        .client_for(&secret(&[("accessToken", "another")]))
        .unwrap();
    let found = Crm::read_by_email(&*other, &names(&["a@example.com"]), &read().properties)
        .await
        .unwrap();
    assert_eq!(withheld(&found.contacts["a@example.com"]), [BAD]);
}

#[tokio::test]
async fn it_is_asked_for_again_and_given() {
    let bench = bench(|| status(500)).await;
    let client = bench.client();
    Crm::read_contacts(&*client, &read()).await.unwrap();
    let before = bench.noted.calls().len();
    client.retry_withheld().await;
    assert_eq!(bench.noted.calls().len(), before, "not yet");
    bench.server.reset().await;
    bench.post(READ, ok(&json!({ "results": [] }))).await;
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    client.retry_withheld().await;
    assert!(client.withheld_properties().is_empty());
}

#[tokio::test]
async fn a_portal_that_answers_nothing_costs_three_calls_more_and_leaves_nothing_out() {
    let bench = Bench::with(|config| config.waits.retries = 0).await;
    bench.post(READ, status(500)).await;
    let client = bench.client();
    for calls in [4, 5] {
        failed(Crm::read_contacts(&*client, &read()).await);
        assert_eq!(bench.noted.calls().len(), calls);
    }
    assert!(client.withheld_properties().is_empty());
}

#[tokio::test]
async fn a_search_that_would_be_too_long_asks_for_less() {
    let bench = bench(|| status(500)).await;
    let long: Vec<String> = (0..80).map(|n| format!("{n}_{}", "p".repeat(50))).collect();
    let long = ContactSearch {
        properties: long,
        ..search()
    };
    let page = Crm::search_contacts(&*bench.client(), &long).await.unwrap();
    assert_eq!(withheld(&page.contacts[0]).len(), 80);
}
