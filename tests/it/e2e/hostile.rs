//! What one tenant writes into Secrets and accounts reaches neither
//! the operator's files nor its identity, and holds nobody else up.

use serde_json::{Value, json};

use super::Stage;
use super::stage::condition;

/// An account whose Secret holds this federation; applied.
fn federated(stage: &Stage, name: &str, source: &Value) {
    let credentials = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": source,
    });
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": {"credentials.json": credentials.to_string()}});
    stage.apply(&secret.to_string());
    account(stage, name, &json!({"credentialsSecretRef": {"name": name}}));
}

fn account(stage: &Stage, name: &str, more: &Value) {
    let mut account = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "GoogleAdsAccount",
        "metadata": {"name": name}, "spec": {"customerId": "1234567890"}});
    for (key, value) in more.as_object().into_iter().flatten() {
        account["spec"][key] = value.clone();
    }
    stage.apply(&account.to_string());
}

/// Waits until the account is refused, and says so with these words.
fn refused(stage: &Stage, name: &str, reason: &str, words: &str) {
    let object = format!("gaa/{name}");
    stage.condition(&object, "CredentialsValid", "False", reason);
    let stalled = condition(&stage.get(&object), "Stalled");
    let message = stalled["message"].as_str().unwrap_or_default();
    assert!(
        stalled["status"] == "True" && message.contains(words),
        "{name}: {stalled}"
    );
}

#[test]
fn devices_urls_and_the_operators_own_identity_are_out_of_a_tenants_reach() {
    let stage = Stage::start("hostile");
    for (name, source) in [
        ("zero", json!({"file": "/dev/zero"})),
        ("ptmx", json!({"file": "/dev/ptmx"})),
        ("url", json!({"url": stage.sandbox.upstream})),
    ] {
        federated(&stage, name, &source);
        refused(&stage, name, "SecretInvalid", "--external-account-token-dir");
    }
    account(&stage, "ambient", &json!({}));
    let way_out = format!("--ambient-credentials-namespaces={}", stage.namespace);
    refused(&stage, "ambient", "SecretInvalid", &way_out);
    for object in ["gaa/acme", "hsa/acme"] {
        stage.condition(object, "Ready", "True", "");
    }
    assert!(stage.http("/livez").contains("200 OK"));
    assert!(!stage.log().contains("panicked"), "{}", stage.log());
}

#[test]
fn with_the_flag_only_small_files_below_its_directory_are_read() {
    let directory = std::env::temp_dir().join(format!("adconversion-{}-hostile", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    std::os::unix::fs::symlink("/dev/zero", directory.join("zero")).unwrap();
    std::fs::write(directory.join("large"), "x".repeat(70_000)).unwrap();
    let path = |name: &str| json!({"file": directory.join(name)});
    let flags = [("external-account-token-dir", directory.to_str().unwrap())];
    let stage = Stage::with("hostile-dir", &[], &flags);
    for (name, source, reason, words) in [
        (
            "outside",
            json!({"file": "/dev/zero"}),
            "SecretInvalid",
            "below the directory",
        ),
        ("aws", json!({"environment_id": "aws1"}), "SecretInvalid", "not allowed"),
        ("zero", path("zero"), "", "not below the directory"),
        ("large", path("large"), "", "more than 64 KiB"),
    ] {
        federated(&stage, name, &source);
        refused(&stage, name, reason, words);
    }
    stage.condition("gaa/acme", "Ready", "True", "");
    assert!(stage.http("/livez").contains("200 OK"));
    std::fs::remove_dir_all(directory).unwrap();
}
