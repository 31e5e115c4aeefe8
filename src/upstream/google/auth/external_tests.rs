#![allow(clippy::unwrap_used)]

use serde_json::json;
use wiremock::matchers::{body_string_contains, header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::upstream::google::test_support::{NO_TOKENS, fetched_token, token_endpoint, token_error};

const DIRECTORY: &str = "/var/run/tokens";
const ACCOUNT: &str = "ads@project.iam.gserviceaccount.com";

fn configuration() -> Value {
    json!({"type": "external_account", "audience": "//iam.googleapis.com/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": "/var/run/tokens/ads/token"}})
}

fn message(json: &Value, directory: Option<&str>) -> String {
    match External::from_config(json, directory.map(Path::new), token_endpoint(NO_TOKENS)) {
        Ok(_) => "accepted".to_owned(),
        Err(why) => why.message,
    }
}

#[test]
fn without_the_flag_no_external_account_is_taken() {
    let why = message(&configuration(), None);
    assert!(why.contains("--external-account-token-dir"), "{why}");
    assert_eq!(message(&configuration(), Some(DIRECTORY)), "accepted");
}

#[test]
fn only_files_below_the_directory_and_two_exact_hosts_are_taken() {
    let iam = |rest: &str| format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{rest}");
    let file = |path: &str| json!({"file": path});
    let table = [
        (
            "token_url",
            json!("https://sts.googleapis.com/v1/token?x=1"),
            "token_url",
        ),
        ("token_url", json!("https://sts.example.com/v1/token"), "token_url"),
        ("token_url", json!("http://sts.googleapis.com/v1/token"), "token_url"),
        (
            "token_url",
            json!("https://storage.googleapis.com/bucket/v1/token"),
            "token_url",
        ),
        (
            "token_url",
            json!("https://sts.googleapis.com@evil.example/v1/token"),
            "token_url",
        ),
        ("token_url", json!(null), "token_url"),
        (
            "service_account_impersonation_url",
            json!("https://storage.googleapis.com/b"),
            "impersonation_url",
        ),
        (
            "service_account_impersonation_url",
            json!(iam("a@b.c:generateIdToken")),
            "impersonation_url",
        ),
        (
            "service_account_impersonation_url",
            json!(iam("../x?y=:generateAccessToken")),
            "impersonation_url",
        ),
        (
            "service_account_impersonation_url",
            json!(iam(":generateAccessToken")),
            "impersonation_url",
        ),
        (
            "service_account_impersonation_url",
            json!(iam(&format!("{ACCOUNT}:generateAccessToken"))),
            "accepted",
        ),
        ("credential_source", json!(null), "\"credential_source\""),
        (
            "credential_source",
            json!({"url": "http://169.254.169.254/"}),
            "not allowed",
        ),
        (
            "credential_source",
            json!({"environment_id": "aws1", "region_url": "http://x/"}),
            "not allowed",
        ),
        (
            "credential_source",
            json!({"executable": {"command": "x"}}),
            "not allowed",
        ),
        (
            "credential_source",
            json!({"file": "/var/run/tokens/a", "url": "http://x/"}),
            "not allowed",
        ),
        ("credential_source", json!({}), "credential_source.file"),
        ("credential_source", file("/dev/zero"), "below the directory"),
        ("credential_source", file("/dev/ptmx"), "below the directory"),
        (
            "credential_source",
            file("/var/run/secrets/kubernetes.io/serviceaccount/token"),
            "below the directory",
        ),
        (
            "credential_source",
            file("/var/run/tokens/../secret"),
            "below the directory",
        ),
        (
            "credential_source",
            file("/var/run/tokens-of-others/a"),
            "below the directory",
        ),
        ("credential_source", file("/var/run/tokens/"), "below the directory"),
        ("credential_source", file("token"), "below the directory"),
        ("audience", json!("x".repeat(1_001)), "longer than"),
        ("audience", json!(""), "\"audience\""),
    ];
    for (key, value, says) in table {
        let mut json = configuration();
        json[key] = value.clone();
        let why = message(&json, Some(DIRECTORY));
        assert!(why.contains(says), "{key}: {value}: {why}");
    }
}

/// An external account whose token lies in a file of this name and is exchanged at the server.
fn federation(server: &MockServer, name: &str, text: &str, impersonation: bool) -> External {
    let directory = std::env::temp_dir().join(format!("adconversion-{}-external", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), text).unwrap();
    External {
        file: directory.join(name),
        directory,
        sts: format!("{}/sts", server.uri()),
        impersonation: impersonation.then(|| format!("{}/iam", server.uri())),
        ..External::from_config(&configuration(), Some(Path::new(DIRECTORY)), token_endpoint(NO_TOKENS))
            .ok()
            .unwrap()
    }
}

fn exchanged() -> ResponseTemplate {
    let good = json!({"access_token": "t-fed", "expires_in": 3600, "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"});
    ResponseTemplate::new(200).set_body_json(good)
}

#[tokio::test]
async fn a_federated_token_carries_both_scopes() {
    let server = MockServer::start().await;
    Mock::given(path("/sts"))
        .and(body_string_contains("subject_token=subject-good&"))
        .and(body_string_contains("auth%2Fadwords"))
        .and(body_string_contains("auth%2Fdatamanager"))
        .respond_with(exchanged())
        .expect(1)
        .mount(&server)
        .await;
    let token = federation(&server, "good", "subject-good\n", false)
        .fetch_token(KeptToken::Allowed)
        .await;
    let token = token.ok().unwrap();
    assert_eq!(token.value.expose_secret(), "t-fed");
    assert!(token.expires.is_some());
}

#[tokio::test]
async fn a_service_account_is_acted_as_with_the_federated_token() {
    let server = MockServer::start().await;
    Mock::given(path("/sts"))
        .and(body_string_contains("auth%2Fcloud-platform"))
        .and(body_string_contains("subject_token=subject-json&"))
        .respond_with(exchanged())
        .mount(&server)
        .await;
    let answer = json!({"accessToken": "t-sa", "expireTime": "2099-01-01T00:00:00Z"});
    Mock::given(path("/iam"))
        .and(header("authorization", "Bearer t-fed"))
        .and(body_string_contains("auth/datamanager"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    let mut source = federation(&server, "json", "{\"token\": \"subject-json\"}", true);
    source.field = Some("token".to_owned());
    assert_eq!(fetched_token(&source).await, "t-sa");
}

#[tokio::test]
async fn a_refused_federation_is_rejected_without_its_text() {
    let server = MockServer::start().await;
    let refused = json!({"error": "invalid_grant", "error_description": "subject-bad of anna"});
    Mock::given(path("/sts"))
        .respond_with(ResponseTemplate::new(400).set_body_json(refused))
        .mount(&server)
        .await;
    let error = token_error(&federation(&server, "bad", "subject-bad", false)).await;
    assert_eq!(
        (error.service, error.cause),
        ("Google OAuth", Cause::CredentialsRejected)
    );
    assert!(
        !error.message.contains("anna") && !error.message.contains("subject"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refused_impersonation_names_its_code_and_nothing_else_of_the_answer() {
    for (status, kept) in [
        ("PERMISSION_DENIED", Some("PERMISSION_DENIED")),
        ("anna@example.com, t-fed", None),
        ("+49 30 1234567", None),
    ] {
        let server = MockServer::start().await;
        Mock::given(path("/sts")).respond_with(exchanged()).mount(&server).await;
        let refused = json!({"error": {"code": 403, "status": status, "message": "t-fed of anna@example.com"}});
        Mock::given(path("/iam"))
            .respond_with(ResponseTemplate::new(403).set_body_json(refused))
            .mount(&server)
            .await;
        let error = token_error(&federation(&server, "subject", "subject-good", true)).await;
        assert_eq!((error.status, error.code.as_deref()), (Some(403), kept));
        let all = format!("{error} {error:?}");
        for secret in ["anna", "t-fed", "1234567", "subject-good"] {
            assert!(!all.contains(secret), "{all}");
        }
    }
}

#[tokio::test]
async fn a_link_out_of_the_directory_sends_nothing() {
    let server = MockServer::start().await;
    let mut source = federation(&server, "link", "", false);
    std::fs::remove_file(&source.file).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &source.file).unwrap();
    let error = source.fetch_token(KeptToken::Allowed).await.err().unwrap();
    assert_eq!(error.cause, Cause::CredentialsRejected);
    assert!(error.message.contains("is not below the directory"), "{error}");
    source.file = source.directory.join("empty");
    std::fs::write(&source.file, "\n").unwrap();
    let error = source.fetch_token(KeptToken::Allowed).await.err().unwrap();
    assert!(error.message.contains("holds no token"), "{error}");
    assert!(server.received_requests().await.unwrap().is_empty());
}
