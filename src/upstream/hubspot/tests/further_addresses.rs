//! Whom an address belongs to that is nobody's primary one: what
//! a search of further addresses proves, and what it does not.

use rstest::rstest;

use super::*;
use crate::ports::Cause;
use crate::ports::crm::{AddressBatch, Crm};

const ADDRESS: &str = "old.bob@example.com";

fn page(status_code: u16) -> ResponseTemplate {
    status(status_code).set_body_raw("<html>Blocked by filter</html>", "text/html")
}

fn error(status_code: u16, category: &str) -> ResponseTemplate {
    status(status_code).set_body_json(json!({"category": category, "message": "m"}))
}

fn other() -> Value {
    json!({"id": 7, "updatedAt": "2026-11-01T00:00:00Z", "properties": {"email": "ada@example.com"}})
}

fn assert_unreadable(found: &AddressBatch, is_unreadable: bool) {
    let names = &found.unreadable;
    assert_eq!(names.contains_key(ADDRESS), is_unreadable, "{names:?}");
}

#[rstest]
#[case::nobody(ok(&json!({"total": 0, "results": []})), false)]
#[case::somebody_else(ok(&json!({"total": 1, "results": [other()]})), false)]
#[case::hubspot_finds_it_malformed(error(400, "VALIDATION_ERROR"), false)]
#[case::a_filter_blocks_it(page(403), true)]
#[case::a_filter_finds_it_bad(page(400), true)]
#[case::a_filter_in_words_of_its_own(status(400).set_body_string("Bad Request"), true)]
#[case::legal_reasons(page(451), true)]
#[case::hubspot_forbids_it(error(403, "FORBIDDEN"), true)]
#[case::it_counts_more(ok(&json!({"total": 5, "results": [other()]})), true)]
#[case::it_has_another_page(ok(&json!({"total": 0, "results": [], "paging": {"next": {"after": "100"}}})), true)]
#[case::an_odd_row(ok(&json!({"total": 1, "results": [{"id": 2, "properties": 7}]})), true)]
#[case::a_row_without_id(ok(&json!({"total": 1, "results": [{"properties": {"email": "ada@example.com"}}]})), true)]
#[tokio::test]
async fn an_address_is_nobodys_only_by_hubspots_word(#[case] answer: ResponseTemplate, #[case] unreadable: bool) {
    let bench = Bench::new().await;
    bench.post(READ, ok(&json!({"results": []}))).await;
    bench.post(SEARCH, answer).await;
    let found = bench.client().read_by_email(&[ADDRESS.to_owned()], &[]).await.unwrap();
    assert_eq!(found.contacts.len(), 0);
    assert_unreadable(&found, unreadable);
}

/// Answers for Ada, and refuses whatever names the other address.
#[rstest]
#[case::malformed(error(400, "VALIDATION_ERROR"), false)]
#[case::a_filter(page(400), true)]
#[case::forbidden(page(403), true)]
#[tokio::test]
async fn an_address_that_a_filter_keeps_from_reads_is_not_nobodys(
    #[case] refusal: ResponseTemplate,
    #[case] unreadable: bool,
) {
    let bench = Bench::new().await;
    let respond = move |request: &Request| {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if body.contains(ADDRESS) {
            return refusal.clone();
        }
        let asked = body.contains("ada@example.com");
        ok(&json!({"results": if asked { vec![other()] } else { vec![] }}))
    };
    Mock::given(method("POST"))
        .respond_with(respond)
        .mount(&bench.server)
        .await;
    let emails = ["ada@example.com", ADDRESS].map(str::to_owned);
    let found = bench.client().read_by_email(&emails, &[]).await.unwrap();
    assert!(found.contacts.contains_key("ada@example.com"));
    assert_unreadable(&found, unreadable);
}

/// While searches of further addresses fail, whoever is found without one is not kept from anybody.
#[rstest]
#[case::outage(status(500))]
#[case::a_page_of_a_gateway(page(404))]
#[case::no_json(page(200))]
#[case::scopes(error(403, "MISSING_SCOPES"))]
#[case::token(error(401, "INVALID_AUTHENTICATION"))]
#[tokio::test]
async fn a_failing_search_keeps_nobody_else_from_being_found(#[case] failure: ResponseTemplate) {
    let bench = Bench::new().await;
    bench.post(READ, ok(&json!({"results": [other()]}))).await;
    bench.post(SEARCH, failure).await;
    let emails: Vec<String> = (0..30).map(|n| format!("unknown-{n}@example.com")).collect();
    for unknown in [1, 2, 30] {
        let asked = [&["ada@example.com".to_owned()], &emails[..unknown]].concat();
        let found = bench.client().read_by_email(&asked, &[]).await.unwrap();
        assert_eq!(found.contacts.keys().collect::<Vec<_>>(), ["ada@example.com"]);
        assert_eq!(found.unreadable.len(), unknown, "{:?}", found.unreadable);
    }
}

#[tokio::test]
async fn a_limit_of_searches_is_the_callers() {
    let bench = Bench::new().await;
    bench.post(READ, ok(&json!({"results": [other()]}))).await;
    let limit = json!({"category": "RATE_LIMITS", "policyName": "DAILY", "message": "m"});
    bench.post(SEARCH, status(429).set_body_json(limit)).await;
    let asked = ["ada@example.com", ADDRESS].map(str::to_owned);
    let error = bench.client().read_by_email(&asked, &[]).await.err().unwrap();
    assert_eq!(error.cause, Cause::QuotaExhausted);
}
