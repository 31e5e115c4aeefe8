#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::json;
use wiremock::matchers::{body_string_contains, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::google::test_support::{Silent, http, token};

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("adconversion-{}-{name}", std::process::id()))
}

async fn federation(server: &MockServer, subject: &str) -> Library {
    let _client = http();
    let file = scratch(subject);
    tokio::fs::write(&file, subject).await.unwrap();
    let config = json!({"type": "external_account", "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": format!("{}/sts", server.uri()),
        "credential_source": {"file": file}});
    Library::external(config, Duration::from_secs(5))
}

#[tokio::test]
async fn a_federated_token_carries_both_scopes_and_is_made_anew_after_a_refusal() {
    let server = MockServer::start().await;
    let good = json!({"access_token": "t-fed", "expires_in": 3600, "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"});
    Mock::given(path("/sts"))
        .and(body_string_contains("subject-good"))
        .and(body_string_contains("auth%2Fadwords"))
        .and(body_string_contains("auth%2Fdatamanager"))
        .respond_with(ResponseTemplate::new(200).set_body_json(good))
        .expect(2)
        .mount(&server)
        .await;
    let library = federation(&server, "subject-good").await;
    for renew in [false, false, true] {
        let token = library.fetch(renew).await.ok().unwrap();
        assert_eq!(token.value.expose_secret(), "t-fed");
        assert!(token.expires.is_none());
    }
    tokio::fs::remove_file(scratch("subject-good")).await.unwrap();
}

#[tokio::test]
async fn a_refused_federation_is_rejected_without_its_text_and_asked_again_later() {
    let server = MockServer::start().await;
    let refused = json!({"error": "invalid_grant", "error_description": "subject-bad of anna"});
    Mock::given(path("/sts"))
        .respond_with(ResponseTemplate::new(400).set_body_json(refused))
        .expect(2)
        .mount(&server)
        .await;
    let library = federation(&server, "subject-bad").await;
    for _ in 0..2 {
        let error = library.fetch(false).await.err().unwrap();
        assert_eq!(
            (error.service, error.cause),
            ("Google OAuth", Cause::CredentialsRejected)
        );
        assert!(
            !error.message.contains("anna") && !error.message.contains("subject"),
            "{error}"
        );
    }
    tokio::fs::remove_file(scratch("subject-bad")).await.unwrap();
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
    let endpoint = Endpoint {
        http: http(),
        url: format!("{}/token", server.uri()),
        timeout: Duration::from_secs(5),
        observer: Arc::new(Silent),
    };
    let ambient = Ambient::with_file(endpoint, || Some(scratch("ambient.json")));
    for number in [1, 2] {
        let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s",
            "refresh_token": format!("r-{number}"), "quota_project_id": "project-7"});
        tokio::fs::write(scratch("ambient.json"), user.to_string())
            .await
            .unwrap();
        let token = ambient.fetch(false).await.ok().unwrap();
        assert_eq!(token.value.expose_secret(), &format!("t-{number}"));
        assert_eq!(token.quota_project.as_deref(), Some("project-7"));
    }
    tokio::fs::write(scratch("ambient.json"), "{\"type\": \"authorized_user\"}")
        .await
        .unwrap();
    let error = ambient.fetch(false).await.err().unwrap();
    assert_eq!(error.cause, Cause::CredentialsRejected);
    assert!(error.message.contains("\"client_id\""), "{error}");
    tokio::fs::remove_file(scratch("ambient.json")).await.unwrap();
}
