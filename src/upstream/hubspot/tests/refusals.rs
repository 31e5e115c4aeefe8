use super::*;
use crate::domain::ids::{ContactId, DealId};
use crate::ports::Cause;
use crate::ports::crm::{ContactRead, ContactSearch, Crm};

const LINKS: &str = "/crm/associations/2026-09/contacts/deals/batch/read";
const SUBMISSIONS: &str = "/form-integrations/v1/submissions/forms/f";
const KINDS: [&str; 6] = ["contact", "address", "deal", "links", "search", "form"];

/// Refuses each call with this text in its path or body in the words that
/// HubSpot has for a token which is no good; answers others with nothing.
async fn refusing(text: &'static str, code: u16, category: &'static str) -> Bench {
    let bench = Bench::new().await;
    let respond = move |request: &Request| {
        let asked = format!("{} {}", request.url.path(), String::from_utf8_lossy(&request.body));
        if asked.contains(text) {
            return status(code).set_body_json(json!({ "status": "error", "category": category, "message": "no" }));
        }
        ok(&json!({ "results": [] }))
    };
    Mock::given(wiremock::matchers::any())
        .respond_with(respond)
        .mount(&bench.server)
        .await;
    bench
}

fn search() -> ContactSearch {
    ContactSearch {
        any_since: vec![("lastmodifieddate".to_owned(), jiff::Timestamp::UNIX_EPOCH)],
        after: ContactId(77),
        properties: Vec::new(),
    }
}

/// Why a call of this kind fails that asks for record 77, or for form f. `None`: it does not, the record can't be read.
async fn cause_of(bench: &Bench, kind: &str) -> Option<Cause> {
    let client = bench.client();
    let (properties, with_history) = (Vec::new(), Vec::new());
    let error = match kind {
        "contact" => {
            let read = ContactRead {
                ids: vec![ContactId(77)],
                properties,
                with_history,
            };
            match client.read_contacts(&read).await {
                Ok(batch) if batch.unreadable.contains_key(&ContactId(77)) => return None,
                batch => failed(batch),
            }
        }
        "address" => failed(client.read_by_email(&["77@example.com".to_owned()], &[]).await),
        "deal" => failed(client.read_deals(&[DealId(77)]).await),
        "links" => failed(client.deals_of(&[ContactId(77)]).await),
        "search" => failed(client.search_contacts(&search()).await),
        _ => failed(client.list_submissions("f", None).await),
    };
    Some(error.cause)
}

#[rstest::rstest]
#[case(401, "INVALID_AUTHENTICATION", Cause::CredentialsRejected)]
#[case(403, "MISSING_SCOPES", Cause::MissingScope)]
#[tokio::test]
async fn a_refusal_of_the_token_counts_unless_the_same_call_for_nobody_is_answered(
    #[case] code: u16,
    #[case] category: &'static str,
    #[case] said: Cause,
) {
    let all = refusing("", code, category).await;
    for kind in KINDS {
        assert_eq!(cause_of(&all, kind).await, Some(said), "{kind}");
    }
    let (one, form) = (
        refusing("77", code, category).await,
        refusing(SUBMISSIONS, code, category).await,
    );
    for kind in KINDS {
        let bench = if kind == "form" { &form } else { &one };
        let expected = (kind != "contact").then_some(Cause::Unavailable);
        assert_eq!(cause_of(bench, kind).await, expected, "{kind}");
    }
    // Who may read contacts need not be allowed to read deals.
    for (path, kind) in [(DEALS, "deal"), (LINKS, "links")] {
        let bench = refusing(path, code, category).await;
        assert_eq!(cause_of(&bench, kind).await, Some(said), "{kind}");
    }
}

#[tokio::test]
async fn an_item_of_a_scope_counts_unless_the_same_call_for_nobody_is_answered() {
    for (nobody, cause) in [
        (json!([]), None),
        (json!([{ "category": "MISSING_SCOPES" }]), Some(Cause::MissingScope)),
    ] {
        let bench = Bench::new().await;
        let respond = move |request: &Request| {
            let refused = json!([{ "category": "MISSING_SCOPES", "message": "no" }]);
            let of_one = String::from_utf8_lossy(&request.body).contains("77");
            let errors = if of_one { refused } else { nobody.clone() };
            status(207).set_body_json(json!({ "results": [], "errors": errors }))
        };
        Mock::given(method("POST"))
            .and(path(READ))
            .respond_with(respond)
            .mount(&bench.server)
            .await;
        assert_eq!(cause_of(&bench, "contact").await, cause);
    }
}

/// Refuses record 77 in HubSpot's own words; nobody gets this answer.
async fn open_for_nobody(code: u16, body: Value) -> Bench {
    let bench = Bench::new().await;
    let respond = move |request: &Request| {
        let asked = String::from_utf8_lossy(&request.body);
        let (code, body) = if asked.contains(&ContactId::NOBODY.to_string()) {
            (code, body.clone())
        } else {
            (
                403,
                json!({ "status": "error", "category": "MISSING_SCOPES", "message": "no" }),
            )
        };
        status(code).set_body_json(body)
    };
    Mock::given(wiremock::matchers::any())
        .respond_with(respond)
        .mount(&bench.server)
        .await;
    bench
}

#[rstest::rstest]
#[case::down(503, json!({ "category": "INTERNAL_ERROR" }), Cause::Unavailable)]
#[case::the_short_limit(429, json!({ "policyName": "SECONDLY" }), Cause::Unavailable)]
#[case::the_limit_of_the_day(429, json!({ "policyName": "DAILY" }), Cause::Unavailable)]
#[case::a_page(403, json!({ "error": "Forbidden" }), Cause::Unavailable)]
#[case::a_login_page(401, json!({ "status": "unauthorized" }), Cause::Unavailable)]
#[case::no_rows(200, json!("hello"), Cause::Unavailable)]
#[case::a_limit_of_an_item(207, json!({ "results": [], "errors": [{ "category": "RATE_LIMITS" }] }), Cause::Unavailable)]
#[case::the_token(401, json!({ "category": "INVALID_AUTHENTICATION" }), Cause::MissingScope)]
#[case::the_scope(403, json!({ "category": "MISSING_SCOPES" }), Cause::MissingScope)]
#[case::denied(403, json!({ "category": "FORBIDDEN" }), Cause::MissingScope)]
#[case::the_scope_by_item(207, json!({ "results": [], "errors": [{ "category": "MISSING_SCOPES" }] }), Cause::MissingScope)]
#[case::no_such_id(400, json!({ "category": "VALIDATION_ERROR" }), Cause::Unavailable)]
#[tokio::test]
async fn only_a_refusal_for_nobody_in_hubspots_own_words_confirms_one(
    #[case] code: u16,
    #[case] body: Value,
    #[case] expected: Cause,
) {
    for kind in ["contact", "deal", "links", "search"] {
        let bench = open_for_nobody(code, body.clone()).await;
        let cause = cause_of(&bench, kind).await.unwrap_or(Cause::Unavailable);
        assert_eq!(cause, expected, "{kind}");
    }
}

#[rstest::rstest]
#[case(403, "FORBIDDEN", Cause::AccessDenied)]
#[case(404, "OBJECT_NOT_FOUND", Cause::NotFound)]
#[tokio::test]
async fn a_search_that_is_denied_counts_unless_one_for_nobody_is_answered(
    #[case] code: u16,
    #[case] category: &'static str,
    #[case] said: Cause,
) {
    let all = refusing("", code, category).await;
    assert_eq!(cause_of(&all, "search").await, Some(said));
    let one = refusing("77", code, category).await;
    assert_eq!(cause_of(&one, "search").await, Some(Cause::Unavailable));
}

#[rstest::rstest]
#[case(403, json!({ "error": "Forbidden" }))]
#[case(429, json!({ "error": "rate_limited", "message": "slow down" }))]
#[case(401, json!({ "status": "unauthorized" }))]
#[case(429, json!({ "status": "error", "category": "INTERNAL_ERROR" }))]
#[tokio::test]
async fn what_a_gateway_says_is_no_word_of_hubspots(#[case] code: u16, #[case] body: Value) {
    let bench = Bench::new().await;
    let page = status(code).insert_header("retry-after", "3600").set_body_json(body);
    bench.post(SEARCH, page).await;
    bench.post(LINKS, ok(&json!({ "results": [] }))).await;
    let client = bench.client();
    let error = failed(client.search_contacts(&search()).await);
    assert!(error.code.is_none() && error.is_unexplained(), "{error:?}");
    assert!(client.deals_of(&[ContactId(77)]).await.is_ok(), "nobody else waits");
}

#[tokio::test]
async fn an_answer_for_nobody_proves_nothing_where_all_are_refused() {
    let bench = Bench::new().await;
    let respond = |request: &Request| {
        let nobody = ContactId::NOBODY.to_string();
        if String::from_utf8_lossy(&request.body).contains(&nobody) {
            return ok(&json!({ "results": [] }));
        }
        status(403).set_body_json(json!({ "category": "MISSING_SCOPES", "message": "no" }))
    };
    Mock::given(method("POST"))
        .and(path(READ))
        .respond_with(respond)
        .mount(&bench.server)
        .await;
    let read = ContactRead {
        ids: (10..60).map(ContactId).collect(),
        properties: Vec::new(),
        with_history: Vec::new(),
    };
    let client = bench.client();
    let mut told = None;
    for _ in 0..20 {
        match client.read_contacts(&read).await {
            Ok(batch) => assert_eq!(batch.unreadable.len(), 50, "they wait by themselves"),
            Err(error) => told = Some(error.message),
        }
    }
    assert!(told.is_some_and(|told| told.contains("MISSING_SCOPES")));
}
