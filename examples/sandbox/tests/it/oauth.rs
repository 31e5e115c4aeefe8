use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{SEARCH, Sandbox};

const TOKEN: &str = "/oauth/2026-09/token";
const INTROSPECT: &str = "/oauth/2026-09/token/introspect";
const INFO: &str = "/oauth/v2/private-apps/get/access-token-info";
const REFRESH: &str =
    "grant_type=refresh_token&client_id=sandbox-client&client_secret=sandbox-secret&refresh_token=sandbox-refresh";

#[tokio::test]
async fn access_tokens_live_thirty_minutes() {
    let mut sandbox = Sandbox::new();
    let granted = sandbox.form(TOKEN, REFRESH).await;
    assert_eq!((granted.status, &granted.body["expires_in"]), (200, &json!(1800)));
    granted.body["access_token"]
        .as_str()
        .unwrap()
        .clone_into(&mut sandbox.token);
    let reply = sandbox.get("/account-info/2026-09/details").await;
    assert_eq!(reply.status, 200);
    sandbox.advance(1799);
    assert_eq!(sandbox.post(SEARCH, &json!({})).await.status, 200);
    sandbox.advance(2);
    sandbox
        .post(SEARCH, &json!({}))
        .await
        .refused(401, "EXPIRED_AUTHENTICATION");
    let introspected = sandbox
        .form(INTROSPECT, &format!("{REFRESH}&token={}", sandbox.token))
        .await;
    assert_eq!(introspected.body, json!({"active": false}));
}

#[tokio::test]
async fn bad_grants_are_refused() {
    let sandbox = Sandbox::new();
    for (from, to, status) in [
        ("sandbox-secret", "wrong", "BAD_CLIENT_SECRET"),
        ("sandbox-client", "wrong", "BAD_CLIENT_ID"),
        ("sandbox-refresh", "wrong", "BAD_REFRESH_TOKEN"),
        ("=refresh_token&", "=client_credentials&", "BAD_GRANT_TYPE"),
    ] {
        let reply = sandbox.form(TOKEN, &REFRESH.replace(from, to)).await;
        assert_eq!((reply.status, &reply.body["status"]), (400, &json!(status)));
        assert!(reply.body["correlationId"].is_string());
    }
    assert_eq!(
        sandbox
            .post(TOKEN, &json!({"grant_type": "refresh_token"}))
            .await
            .status,
        415
    );
    sandbox.patch_portal(&json!({"revoke": ["sandbox-refresh"]})).await;
    assert_eq!(sandbox.form(TOKEN, REFRESH).await.body["status"], "BAD_REFRESH_TOKEN");
}

#[tokio::test]
async fn introspection_names_the_portal() {
    let sandbox = Sandbox::new();
    let granted = sandbox.form(TOKEN, REFRESH).await;
    let token = granted.body["access_token"].as_str().unwrap();
    let reply = sandbox
        .form(
            INTROSPECT,
            &format!("{REFRESH}&token_type_hint=access_token&token={token}"),
        )
        .await;
    assert_eq!(
        (&reply.body["active"], &reply.body["hub_id"]),
        (&json!(true), &json!(62515))
    );
    assert_eq!(reply.body["scopes"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn wrong_and_revoked_tokens_are_unauthenticated() {
    let mut sandbox = Sandbox::new();
    sandbox.patch_portal(&json!({"revoke": ["pat-na1-sandbox"]})).await;
    sandbox
        .get("/account-info/2026-09/details")
        .await
        .refused(401, "INVALID_AUTHENTICATION");
    sandbox.patch_portal(&json!({"restore": ["pat-na1-sandbox"]})).await;
    assert_eq!(sandbox.get("/account-info/2026-09/details").await.status, 200);
    "nobody".clone_into(&mut sandbox.token);
    sandbox
        .get("/account-info/2026-09/details")
        .await
        .refused(401, "INVALID_AUTHENTICATION");
}

#[tokio::test]
async fn token_info_knows_private_apps_only() {
    let mut sandbox = Sandbox::new();
    let info = sandbox.post(INFO, &json!({"tokenKey": "pat-na1-sandbox"})).await;
    assert_eq!((info.status, &info.body["hubId"]), (200, &json!(62515)));
    assert_eq!(
        info.body["scopes"],
        json!(["crm.objects.contacts.read", "crm.objects.deals.read", "forms"])
    );
    let key = json!({"accessToken": "key", "kind": "serviceKey", "scopes": ["forms"]});
    sandbox
        .admin(Method::PATCH, "/hubspot/portals/62515", &json!({"tokens": [key]}))
        .await;
    "key".clone_into(&mut sandbox.token);
    sandbox
        .post(INFO, &json!({"tokenKey": "key"}))
        .await
        .refused(404, "OBJECT_NOT_FOUND");
    sandbox
        .post(INFO, &json!({"tokenKey": "pat-na1-sandbox"}))
        .await
        .refused(401, "INVALID_AUTHENTICATION");
    sandbox.post(INFO, &Value::Null).await.refused(400, "VALIDATION_ERROR");
}
