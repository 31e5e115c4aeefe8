#![allow(clippy::unwrap_used)]

use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::upstream::google::test_support::{NO_TOKENS, TEST_KEY, refresh_secret, secret, token_endpoint};

fn endpoint() -> Endpoint {
    token_endpoint(NO_TOKENS)
}

fn message(pairs: &[(&str, &str)]) -> String {
    match read_credentials(&secret(pairs), None, endpoint()) {
        Ok(_) => "accepted".to_owned(),
        Err(invalid) => invalid.message,
    }
}

fn file(json: &Value) -> String {
    message(&[("credentials.json", &json.to_string())])
}

#[test]
fn good_secrets_of_every_kind_are_taken() {
    assert!(read_credentials(&refresh_secret(), None, endpoint()).is_ok());
    let account = json!({"type": "service_account", "client_email": "a@b.c", "private_key": TEST_KEY});
    let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"});
    for json in [account, user] {
        assert_eq!(file(&json), "accepted", "{}", json["type"]);
    }
}

#[test]
fn values_beyond_a_limit_are_refused_whatever_their_key() {
    let long = "x".repeat(320_000);
    for key in ["clientId", "clientSecret", "refreshToken", "developerToken"] {
        let mut pairs = vec![("clientId", "i"), ("clientSecret", "s"), ("refreshToken", "r")];
        pairs.retain(|(other, _)| *other != key);
        pairs.push((key, &long));
        let words = format!("key \"{key}\" has 320000 bytes, more than the limit of 8192.");
        assert!(message(&pairs).starts_with(&words), "{}", message(&pairs));
    }
    let user = |note: usize| {
        file(&json!({
            "type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r", "note": "x".repeat(note)
        }))
    };
    assert_eq!(user(60_000), "accepted");
    assert!(
        user(320_000).contains("more than the limit of 65536."),
        "{}",
        user(320_000)
    );
    let unread = [
        ("clientId", "i"),
        ("clientSecret", "s"),
        ("refreshToken", "r"),
        ("note", long.as_str()),
    ];
    assert_eq!(message(&unread), "accepted");
}

#[test]
fn the_developer_token_is_optional_and_trimmed() {
    let mut data = refresh_secret();
    assert!(
        read_credentials(&data, None, endpoint())
            .unwrap()
            .developer_token
            .is_none()
    );
    data.extend(secret(&[("developerToken", " dev-1 \n")]));
    assert_eq!(
        read_credentials(&data, None, endpoint())
            .unwrap()
            .developer_token
            .unwrap()
            .expose_secret(),
        "dev-1"
    );
    data.extend(secret(&[("developerToken", "dev 1")]));
    assert!(
        read_credentials(&data, None, endpoint())
            .err()
            .unwrap()
            .message
            .contains("\"developerToken\"")
    );
}

#[test]
fn mistakes_are_named_by_key_with_the_way_out() {
    let table: [(&[(&str, &str)], &str); 6] = [
        (
            &[],
            "key \"credentials.json\" is missing. Add it, or clientId, clientSecret and refreshToken",
        ),
        (
            &[("clientId", "i"), ("clientSecret", "s")],
            "key \"refreshToken\" is missing. Add clientId, clientSecret and refreshToken, or credentials.json",
        ),
        (
            &[("clientId", "i")],
            "keys \"clientSecret\" and \"refreshToken\" are missing. Add clientId, clientSecret and refreshToken, or credentials.json",
        ),
        (
            &[("clientId", "i"), ("clientSecret", " \n"), ("refreshToken", "r")],
            "key \"clientSecret\" is empty. Give it a value or remove it",
        ),
        (
            &[("credentials.json", "{\"private\": sesame")],
            "key \"credentials.json\" is not JSON (line 1, column 13). Store the key file unchanged",
        ),
        (
            &[("credentials.json", "")],
            "key \"credentials.json\" is empty. Give it a value or remove it",
        ),
    ];
    for (pairs, expected) in table {
        assert_eq!(message(pairs), expected);
    }
}

#[test]
fn mistakes_inside_the_file_are_named_by_member() {
    assert!(file(&json!({"type": "impersonated_service_account"})).contains("\"type\""));
    assert!(file(&json!([])).contains("\"type\""));
    let user = json!({"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": " "});
    assert!(file(&user).contains("\"refresh_token\""));
    let account = json!({"type": "service_account", "client_email": "a@b.c", "private_key": "sesame"});
    let message = file(&account);
    assert!(
        message.contains("\"private_key\"") && !message.contains("sesame"),
        "{message}"
    );
}

#[test]
fn an_external_account_is_for_the_flag_to_allow() {
    let json = json!({"type": "external_account", "credential_source": {"file": "/dev/zero"}});
    assert!(file(&json).contains("--external-account-token-dir"), "{}", file(&json));
}
