use wiremock::matchers::{body_json, header};

use super::*;
use crate::domain::ids::{ContactId, PortalId};
use crate::ports::crm::{ContactRead, Crm, TokenInfo};
use crate::ports::{Cause, Effect};
use crate::upstream::http::memory::TURN_OF_TESTS;

const NAMES: &str = "/crm/properties/2026-09/contacts";

fn names() -> ResponseTemplate {
    ok(&json!({ "results": [{ "name": "email" }] }))
}

#[tokio::test]
async fn passing_failures_are_retried_twice_at_most() {
    for failure in [
        status(500),
        status(502),
        status(503),
        status(504),
        status(423),
        limit("SECONDLY"),
        limit("OTHER"),
    ] {
        let bench = Bench::new().await;
        let calls = bench
            .turns(NAMES, vec![failure.clone(), failure.clone(), names()])
            .await;
        assert_eq!(bench.client().property_names().await.unwrap(), ["email"]);
        assert_eq!((calls.all().len(), bench.noted.calls().len()), (3, 3));
        let bench = Bench::new().await;
        let calls = bench.turns(NAMES, vec![failure]).await;
        let error = failed(bench.client().property_names().await);
        assert!(error.is_transient() && error.effect == Effect::None);
        assert_eq!(error.retry_after.is_some(), error.cause == Cause::RateLimited);
        assert_eq!(calls.all().len(), 3);
    }
}

#[tokio::test]
async fn waits_between_retries_follow_the_limit() {
    for (policy, least) in [("SECONDLY", [30, 60]), ("TEN_SECONDLY_ROLLING", [60, 60])] {
        let bench = Bench::new().await;
        let calls = bench.turns(NAMES, vec![limit(policy), limit(policy), names()]).await;
        bench.client().property_names().await.unwrap();
        let calls = calls.all();
        for (n, least) in least.into_iter().enumerate() {
            assert!(
                calls[n + 1].duration_since(calls[n]) >= Duration::from_millis(least),
                "{policy} {n}"
            );
        }
    }
}

#[tokio::test]
async fn everything_else_is_not_retried() {
    let category =
        |code: u16, category: &str| status(code).set_body_json(json!({ "category": category, "message": "m" }));
    for (answer, cause) in [
        (category(400, "VALIDATION_ERROR"), Cause::Refused),
        (status(401), Cause::CredentialsRejected),
        (category(403, "MISSING_SCOPES"), Cause::MissingScope),
        (status(403), Cause::AccessDenied),
        (category(404, "OBJECT_NOT_FOUND"), Cause::NotFound),
        (
            status(404).set_body_string("<html>Error 404 Not Found</html>"),
            Cause::UnsupportedVersion,
        ),
        (status(414), Cause::Refused),
        (limit("DAILY"), Cause::QuotaExhausted),
        (status(477), Cause::Unavailable),
        (status(524).set_body_string("<html>"), Cause::Unavailable),
        (status(530), Cause::CredentialsRejected),
        (status(200).set_body_string("<html>"), Cause::Malformed),
        (status(200).set_body_string(r#"{"results":[{"name":"#), Cause::Malformed),
        (status(200).set_body_string(r#"{"results":"Ann"}"#), Cause::Malformed),
    ] {
        let bench = Bench::new().await;
        let calls = bench.turns(NAMES, vec![answer]).await;
        let error = failed(bench.client().property_names().await);
        assert_eq!((error.cause, error.service), (cause, "HubSpot"));
        assert!(error.status.is_some() && error.retry_after.is_none());
        assert!(!error.message.contains("Ann"), "{error}");
        assert_eq!(calls.all().len(), 1);
    }
}

#[tokio::test]
async fn a_daily_limit_passes_its_retry_after_to_the_caller() {
    let bench = Bench::new().await;
    bench
        .turns(NAMES, vec![limit("DAILY").insert_header("retry-after", "7200")])
        .await;
    let client = bench.client();
    let error = failed(client.property_names().await);
    assert_eq!(
        (error.cause, error.code.as_deref()),
        (Cause::QuotaExhausted, Some("DAILY"))
    );
    assert_eq!(error.retry_after.unwrap().as_secs(), 3_600);
    let held = failed(client.read_stages().await);
    assert_eq!(
        (held.cause, held.code.as_deref()),
        (Cause::QuotaExhausted, Some("DAILY"))
    );
}

#[tokio::test]
async fn slow_large_and_absent_servers() {
    let slow = Bench::with(|config| config.timeout = Duration::from_millis(50)).await;
    let calls = slow.turns(NAMES, vec![names().set_delay(Duration::from_secs(5))]).await;
    let error = failed(slow.client().property_names().await);
    assert_eq!((error.cause, error.status), (Cause::Unavailable, None));
    assert_eq!((calls.all().len(), slow.noted.calls()), (1, vec![("properties", None)]));

    let large = Bench::new().await;
    let body = format!("{}{}", " ".repeat(16 << 20), r#"{"results": []}"#);
    large.turns(NAMES, vec![status(200).set_body_string(body)]).await;
    assert_eq!(failed(large.client().property_names().await).cause, Cause::TooLarge);

    // A port that was free a moment ago and that nobody listens at.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let absent = Bench::with(|config| config.endpoint = format!("http://{free}")).await;
    let error = failed(absent.client().property_names().await);
    assert_eq!(error.cause, Cause::Unavailable);
    assert!(!error.message.contains("http://"), "{error}");
    assert_eq!(absent.noted.calls().len(), 3);
}

#[tokio::test]
async fn no_token_and_no_value_in_any_error() {
    let hostile = format!("ann@example.com said '{TOKEN}' and \"Ann Lee\" [+4917112345678]");
    for code in [400, 401, 403, 404, 418, 429, 500, 530] {
        for category in [
            "VALIDATION_ERROR",
            "MISSING_SCOPES",
            "RATE_LIMITS",
            "ann@example.com",
            "Ann Lee",
        ] {
            let bench = Bench::with(|config| config.waits.retries = 0).await;
            let body = json!({ "category": category, "subCategory": hostile, "message": hostile, "policyName": hostile,
                "correlationId": hostile, "errors": [{ "message": hostile, "context": { "missingScopes": [hostile] } }] });
            bench.turns(NAMES, vec![status(code).set_body_json(body)]).await;
            let shown = format!("{:?}", failed(bench.client().property_names().await));
            for secret in ["ann@", "Ann", TOKEN, "4917"] {
                assert!(!shown.contains(secret), "{code} {category}: {shown}");
            }
        }
    }
}

#[tokio::test]
async fn the_request_id_is_kept_for_support() {
    let bench = Bench::new().await;
    bench
        .turns(
            NAMES,
            vec![status(403).insert_header("x-hubspot-correlation-id", "5f-1")],
        )
        .await;
    assert_eq!(
        failed(bench.client().property_names().await).request_id.as_deref(),
        Some("5f-1")
    );
}

#[tokio::test]
async fn portal_and_scopes_of_a_static_token() {
    const INFO: &str = "/oauth/v2/private-apps/get/access-token-info";
    let bench = Bench::new().await;
    Mock::given(method("POST"))
        .and(path(INFO))
        .and(header("authorization", format!("Bearer {TOKEN}").as_str()))
        .and(body_json(json!({ "tokenKey": TOKEN })))
        .respond_with(ok(
            &json!({ "hubId": 62515, "scopes": ["crm.objects.contacts.read", "forms"] }),
        ))
        .mount(&bench.server)
        .await;
    let info = bench.client().token_info().await.unwrap();
    assert_eq!(info.portal, Some(PortalId(62515)));
    assert_eq!(info.scopes.unwrap(), ["crm.objects.contacts.read", "forms"]);
    for code in [400, 401, 403, 404] {
        let bench = Bench::new().await;
        bench.post(INFO, status(code)).await;
        assert_eq!(bench.client().token_info().await.unwrap(), TokenInfo::default());
    }
    let bench = Bench::new().await;
    bench.post(INFO, status(500)).await;
    assert_eq!(failed(bench.client().token_info().await).cause, Cause::Unavailable);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_names_itself() {
    let other = MockServer::start().await;
    let bench = Bench::new().await;
    let away = status(307).insert_header("location", format!("{}/stolen", other.uri()));
    let calls = bench.turns(NAMES, vec![away]).await;
    let error = failed(bench.client().property_names().await);
    assert_eq!((error.cause, error.status), (Cause::Malformed, Some(307)));
    assert!(error.message.contains("redirect"), "{error}");
    assert_eq!(calls.all().len(), 1);
    assert!(other.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let _turn = TURN_OF_TESTS.lock().await;
    for code in [200, 400] {
        let bench = Bench::new().await;
        let packed = status(code)
            .insert_header("content-encoding", "gzip")
            .set_body_bytes(crate::upstream::http::body::BOMB);
        bench.turns(NAMES, vec![packed]).await;
        let error = failed(bench.client().property_names().await);
        assert_eq!(error.status, Some(code), "{error}");
    }
}

#[tokio::test]
async fn of_a_contact_that_is_too_large_what_it_can_do_without_is_left_out() {
    let bench = Bench::new().await;
    let contact = |id: u32, name: usize, stage: usize| {
        json!({ "id": id.to_string(), "updatedAt": "2026-11-20T12:00:00Z", "properties": {
            "firstname": "x".repeat(name), "city": "Bonn", "lifecyclestage": "x".repeat(stage) } })
    };
    let found = ok(&json!({ "results": [contact(1, 10, 8), contact(2, 40_000, 8), contact(3, 10, 40_000)] }));
    bench.post("/crm/objects/2026-09/contacts/batch/read", found).await;
    let read = ContactRead {
        ids: (1..=3).map(ContactId).collect(),
        properties: ["firstname", "city", "lifecyclestage"].map(str::to_owned).to_vec(),
        with_history: Vec::new(),
    };
    let batch = bench.client().read_contacts(&read).await.unwrap();
    let told: Vec<_> = batch
        .contacts
        .iter()
        .map(|c| {
            (
                c.id.0,
                c.properties.iter().count(),
                c.properties.withheld().collect(),
                c.flaw.is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 3, vec![], false),
            (2, 2, vec!["firstname"], false),
            (3, 0, vec![], true)
        ]
    );
}

#[tokio::test]
async fn a_contact_whose_bytes_are_no_text_waits_alone() {
    let bench = Bench::new().await;
    let contact = |name: &[u8]| {
        let mut body =
            br#"{"results":[{"id":"1","updatedAt":"2026-11-20T12:00:00Z","properties":{"firstname":""#.to_vec();
        body.extend_from_slice(name);
        body.extend_from_slice(br#""}}]}"#);
        status(200).set_body_raw(body, "application/json")
    };
    // Both together; whether anybody can be read at all; then the first alone, then the second.
    let answers = vec![
        contact(b"\xff\xfe"),
        contact(b"Anna"),
        contact(b"Anna"),
        contact(b"\xff\xfe"),
    ];
    let calls = bench.turns("/crm/objects/2026-09/contacts/batch/read", answers).await;
    let read = ContactRead {
        ids: vec![ContactId(1), ContactId(2)],
        properties: vec!["firstname".to_owned()],
        with_history: Vec::new(),
    };
    let batch = bench.client().read_contacts(&read).await.unwrap();
    assert_eq!(calls.all().len(), 4);
    assert_eq!(batch.contacts.iter().map(|c| c.id.0).collect::<Vec<_>>(), [1]);
    assert_eq!(batch.unreadable.keys().map(|id| id.0).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn more_rows_than_were_asked_for_are_not_understood() {
    let bench = Bench::new().await;
    let rows = vec![json!({ "id": "1" }); 1_001];
    bench
        .post(
            "/crm/objects/2026-09/contacts/batch/read",
            ok(&json!({ "results": rows })),
        )
        .await;
    let read = ContactRead {
        ids: vec![ContactId(1)],
        properties: Vec::new(),
        with_history: Vec::new(),
    };
    assert_eq!(
        failed(bench.client().read_contacts(&read).await).cause,
        Cause::Malformed
    );
}
