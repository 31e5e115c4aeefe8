//! The token endpoint and access tokens.

use axum::body::Body;
use axum::http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{CUSTOMER, Sandbox};
use crate::google::auth::{ADWORDS, DATA_MANAGER, DEFAULT_SERVICE_ACCOUNT};

const REFRESH: &str =
    "grant_type=refresh_token&client_id=sandbox-client&client_secret=sandbox-secret&refresh_token=sandbox-refresh";

fn encode(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (u32::from(chunk[0]) << 16)
            | (u32::from(*chunk.get(1).unwrap_or(&0)) << 8)
            | u32::from(*chunk.get(2).unwrap_or(&0));
        for position in 0..=chunk.len() {
            out.push(char::from(LETTERS[(word >> (18 - 6 * position)) as usize & 63]));
        }
    }
    out
}

fn signed(claims: &Value) -> String {
    let head = encode(br#"{"alg":"RS256","typ":"JWT","kid":"k"}"#);
    format!(
        "{head}.{}.{}",
        encode(claims.to_string().as_bytes()),
        encode(b"signature")
    )
}

fn claims(scope: &str, life: i64) -> Value {
    let now = Timestamp::now().as_second();
    json!({"iss": DEFAULT_SERVICE_ACCOUNT, "scope": scope, "aud": null, "iat": now - 10, "exp": now + life, "sub": DEFAULT_SERVICE_ACCOUNT})
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_in_both_body_forms() {
    let sandbox = Sandbox::new().await;
    let reply = sandbox.form(REFRESH).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["expires_in"], 1800);
    assert_eq!(reply.body["token_type"], "Bearer");
    assert_eq!(reply.body["scope"], format!("{ADWORDS} {DATA_MANAGER}"));
    let json = json!({"grant_type": "refresh_token", "client_id": "sandbox-client", "client_secret": "sandbox-secret", "refresh_token": "sandbox-refresh", "scopes": null});
    let request = Request::post("/token")
        .header("content-type", "application/json")
        .body(Body::from(json.to_string()))
        .unwrap();
    assert_eq!(sandbox.send(false, request).await.status, 200);
}

#[tokio::test]
async fn wrong_grants_clients_and_parameters_are_refused() {
    let sandbox = Sandbox::new().await;
    let cases = [
        (REFRESH.replace("sandbox-refresh", "other"), 400, "invalid_grant"),
        (REFRESH.replace("sandbox-secret", "other"), 401, "invalid_client"),
        (REFRESH.replace("sandbox-client", "other"), 401, "invalid_client"),
        (
            REFRESH.replace("=refresh_token", "=password"),
            400,
            "unsupported_grant_type",
        ),
        (
            REFRESH.replace("&refresh_token=sandbox-refresh", ""),
            400,
            "invalid_request",
        ),
        (format!("{REFRESH}&client_id=sandbox-client"), 400, "invalid_request"),
        (format!("{REFRESH}&extra=1"), 400, "invalid_request"),
        (
            format!("{REFRESH}&scope=https://www.googleapis.com/auth/drive"),
            400,
            "invalid_scope",
        ),
    ];
    for (body, status, error) in cases {
        let reply = sandbox.form(&body).await;
        assert_eq!(
            (reply.status, reply.body["error"].as_str()),
            (status, Some(error)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn revoking_kills_the_grant_and_its_access_tokens() {
    let sandbox = Sandbox::new().await;
    sandbox
        .admin(
            "POST",
            "/credentials/revoke",
            &json!({"refreshToken": "sandbox-refresh"}),
        )
        .await;
    assert_eq!(sandbox.form(REFRESH).await.body["error"], "invalid_grant");
    let reply = sandbox.search("SELECT customer.id FROM customer").await;
    assert_eq!(
        (reply.status, reply.ads_errors()),
        (401, vec!["authenticationError.OAUTH_TOKEN_REVOKED".to_owned()])
    );
}

#[tokio::test]
async fn access_tokens_expire_on_the_sandbox_clock() {
    let sandbox = Sandbox::new().await;
    sandbox.advance("29m");
    assert_eq!(sandbox.search("SELECT customer.id FROM customer").await.status, 200);
    sandbox.advance("1m");
    let reply = sandbox.search("SELECT customer.id FROM customer").await;
    assert_eq!(
        (reply.status, reply.ads_errors()),
        (401, vec!["authenticationError.OAUTH_TOKEN_EXPIRED".to_owned()])
    );
    assert_eq!(sandbox.status("x").await.info_reason(), "ACCESS_TOKEN_EXPIRED");
}

#[tokio::test]
async fn assertions_are_checked_and_exchanged() {
    let sandbox = Sandbox::new().await;
    let ask = async |claims: &Value| {
        let body = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
            signed(claims)
        );
        sandbox.form(&body).await
    };
    let audience = json!("https://oauth2.googleapis.com/token");
    let good = super::with(&claims(ADWORDS, 3600), "aud", audience);
    let reply = ask(&good).await;
    assert_eq!(
        (reply.status, reply.body["scope"].as_str()),
        (200, Some(ADWORDS)),
        "{}",
        reply.body
    );
    for (path, bad, error) in [
        ("iss", json!("nobody@sandbox.iam.gserviceaccount.com"), "invalid_grant"),
        ("aud", json!("https://example.com/"), "invalid_grant"),
        ("exp", json!(Timestamp::now().as_second() + 7200), "invalid_grant"),
        ("exp", json!(Timestamp::now().as_second() - 1), "invalid_grant"),
        ("sub", json!("boss@example.com"), "unauthorized_client"),
        ("scope", json!("https://www.googleapis.com/auth/drive"), "invalid_scope"),
    ] {
        assert_eq!(
            ask(&super::with(&good, path, bad.clone())).await.body["error"],
            error,
            "{path} {bad}"
        );
    }
}

#[tokio::test]
async fn self_signed_tokens_work_as_access_tokens() {
    let sandbox = Sandbox::new().await;
    let call = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let path = format!("/v26/customers/{CUSTOMER}/googleAds:search");
        sandbox
            .post_with(
                &path,
                &json!({"query": "SELECT customer.id FROM customer"}),
                &[("authorization", &bearer)],
            )
            .await
    };
    assert_eq!(call(&signed(&claims(ADWORDS, 3610))).await.status, 200);
    assert_eq!(
        call(&signed(&claims(DATA_MANAGER, 3600))).await.info_reason(),
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    );
    assert_eq!(call(&signed(&claims(ADWORDS, -1))).await.status, 401);
    let stranger = super::with(&claims(ADWORDS, 60), "iss", json!("nobody@example.com"));
    assert_eq!(call(&signed(&stranger)).await.status, 401);
    assert_eq!(
        call("a.b.c").await.ads_errors(),
        ["authenticationError.OAUTH_TOKEN_INVALID"]
    );
    sandbox
        .admin(
            "POST",
            "/credentials/revoke",
            &json!({"serviceAccount": DEFAULT_SERVICE_ACCOUNT}),
        )
        .await;
    assert_eq!(call(&signed(&claims(ADWORDS, 60))).await.status, 401);
}

#[tokio::test]
async fn missing_scopes_are_refused_by_each_api() {
    let mut sandbox = Sandbox::new().await;
    let grant = |scope: &str| json!({"refreshToken": "sandbox-refresh", "clientId": "sandbox-client", "identity": "user@sandbox.test", "scopes": [scope]});
    sandbox
        .admin("POST", "/credentials/refresh-tokens", &grant("adwords"))
        .await;
    sandbox.login().await;
    let reply = sandbox.ingest("1", vec![]).await;
    assert_eq!(
        (reply.status, reply.info_reason()),
        (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    );
    sandbox
        .admin("POST", "/credentials/refresh-tokens", &grant("datamanager"))
        .await;
    sandbox.login().await;
    let reply = sandbox.search("SELECT customer.id FROM customer").await;
    assert_eq!(
        (reply.status, reply.info_reason()),
        (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
    );
}
