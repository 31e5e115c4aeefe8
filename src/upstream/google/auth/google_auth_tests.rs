#![allow(clippy::unwrap_used)]

use secrecy::ExposeSecret;
use serde_json::json;
use wiremock::matchers::{body_string_contains, path};
use wiremock::{Mock, MockServer};

use super::*;
use crate::upstream::google::test_support::{token, token_endpoint, token_error};

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("adconversion-{}-{name}", std::process::id()))
}

#[tokio::test]
async fn an_ambient_key_file_is_used_like_one_in_a_secret_and_read_again() {
    let server = MockServer::start().await;
    for (refresh, value) in [("refresh_token=r-1", "t-1"), ("refresh_token=r-2", "t-2")] {
        Mock::given(path("/token"))
            .and(body_string_contains(refresh))
            .respond_with(token(value))
            .expect(1)
            .mount(&server)
            .await;
    }
    let endpoint = token_endpoint(format!("{}/token", server.uri()));
    let ambient = Ambient::with_file(endpoint, || Some(scratch("ambient.json")));
    for number in [1, 2] {
        let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s",
            "refresh_token": format!("r-{number}"), "quota_project_id": "project-7"});
        tokio::fs::write(scratch("ambient.json"), user.to_string())
            .await
            .unwrap();
        let token = ambient.fetch_token(KeptToken::Allowed).await.ok().unwrap();
        assert_eq!(token.value.expose_secret(), &format!("t-{number}"));
        assert_eq!(token.quota_project.as_deref(), Some("project-7"));
    }
    tokio::fs::write(scratch("ambient.json"), "{\"type\": \"authorized_user\"}")
        .await
        .unwrap();
    let error = token_error(&ambient).await;
    assert_eq!(error.cause, Cause::CredentialsRejected);
    assert!(error.message.contains("\"client_id\""), "{error}");
    tokio::fs::remove_file(scratch("ambient.json")).await.unwrap();
}
