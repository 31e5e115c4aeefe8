//! Accounts become Ready or say what is wrong, and heal by themselves.

use serde_json::{Value, json};

use super::Stage;
use super::stage::{Counts, ago, condition, reason};
use super::words::events;

fn secret(stage: &Stage, name: &str, data: &Value) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    stage.kubectl(&["delete", "secret", name, "--ignore-not-found"]);
    stage.apply(&secret.to_string());
}

#[test]
fn secrets_missing_wrong_and_mended() {
    let stage = Stage::start("secrets");
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.condition("gaa/acme", "Ready", "True", "");
    stage.kubectl(&["delete", "secret", "hubspot", "google-ads"]);
    for object in ["hsa/acme", "gaa/acme"] {
        let c = stage.condition(object, "Ready", "False", "SecretNotFound");
        assert!(c["message"].as_str().expect("a message").contains("Secret"), "{c}");
    }
    secret(&stage, "hubspot", &json!({"token": "x"}));
    secret(&stage, "google-ads", &json!({"clientId": "sandbox-client"}));
    // Named: the Secret, the key that is missing, the keys that are there.
    for (object, words) in [
        (
            "hsa/acme",
            [
                "Secret hubspot in namespace",
                "\"accessToken\" is missing",
                "The only key found is token.",
            ],
        ),
        (
            "gaa/acme",
            [
                "Secret google-ads in namespace",
                "\"clientSecret\" and \"refreshToken\" are missing",
                "The only key found is clientId.",
            ],
        ),
    ] {
        let c = stage.condition(object, "Ready", "False", "SecretInvalid");
        let message = c["message"].as_str().expect("a message");
        assert!(words.iter().all(|w| message.contains(w)), "{message}");
    }
    secret(&stage, "hubspot", &json!({"accessToken": "pat-na1-wrong"}));
    secret(
        &stage,
        "google-ads",
        &json!({"clientId": "sandbox-client", "clientSecret": "sandbox-secret", "refreshToken": "wrong"}),
    );
    for object in ["hsa/acme", "gaa/acme"] {
        // Tokens that never worked were not revoked.
        let said = stage.wait(object, "a refused token", |o| {
            let c = condition(o, "CredentialsValid");
            c["reason"] == "SecretInvalid" && c["message"].as_str().is_some_and(|m| m.contains("does not know"))
        });
        assert_eq!(condition(&said, "Stalled")["reason"], "SecretInvalid", "{said:#}");
        assert!(!said.to_string().contains("pat-na1-wrong"));
    }
    secret(&stage, "hubspot", &json!({"accessToken": "pat-na1-sandbox\n"}));
    secret(
        &stage,
        "google-ads",
        &json!({"clientId": "sandbox-client", "clientSecret": "sandbox-secret", "refreshToken": "sandbox-refresh"}),
    );
    for object in ["hsa/acme", "gaa/acme"] {
        let healed = stage.wait(object, "Ready", |o| condition(o, "Ready")["status"] == "True");
        assert!(condition(&healed, "Stalled").is_null(), "{healed:#}");
    }
    // Each change of a reason is one Kubernetes Event, and two notes under one reason are two.
    let all = events(&stage, "acme");
    let of = |reason: &str| all.iter().filter(|e| e["reason"] == reason).count();
    for (reason, least) in [("SecretNotFound", 2), ("SecretInvalid", 2), ("CredentialsRecovered", 2)] {
        assert!(of(reason) >= least, "{reason}: {all:#?}");
    }
}

#[test]
fn missing_scope_and_switched_off_api_are_named_and_heal() {
    let stage = Stage::start("scopes");
    stage.condition("hsa/acme", "Ready", "True", "");
    let few = json!({"scopes": {"pat-na1-sandbox": ["crm.objects.deals.read"]}});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&few));
    stage.kubectl(&["annotate", "hsa/acme", "adconversion.dev/reconcile-requested-at=1"]);
    let c = stage.condition("hsa/acme", "Stalled", "True", "MissingScope");
    assert!(
        c["message"]
            .as_str()
            .expect("a message")
            .contains("crm.objects.contacts.read"),
        "{c}"
    );
    stage.condition("hsa/acme", "CredentialsValid", "True", "");
    let all = json!({"scopes": {"pat-na1-sandbox": ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"]}});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&all));
    stage.condition("hsa/acme", "Ready", "True", "");

    stage.admin_call("PATCH", "/google/settings", Some(&json!({"googleAdsDisabled": true})));
    let c = stage.condition("gaa/acme", "Stalled", "True", "AccessDenied");
    assert!(
        c["message"]
            .as_str()
            .expect("a message")
            .contains("googleads.googleapis.com"),
        "{c}"
    );
    stage.condition("gaa/acme", "CredentialsValid", "True", "");
    stage.admin_call("PATCH", "/google/settings", Some(&json!({"googleAdsDisabled": false})));
    stage.condition("gaa/acme", "Ready", "True", "");
}

#[test]
fn a_google_account_that_is_not_ready_holds_up_nothing_at_hubspot() {
    let stage = Stage::start("waits");
    stage.event("waits", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/waits", "Ready", "True", "");
    stage.admin_call("PATCH", "/google/settings", Some(&json!({"dataManagerDisabled": true})));
    stage.contact(&[("customer", ago(60))], Some("while-off"), &json!({}));
    let account = stage.condition("gaa/acme", "Stalled", "True", "AccessDenied");
    assert!(
        account["message"].as_str().expect("a message").contains("Data Manager"),
        "{account}"
    );
    stage.wait("adce/waits", "one waiting for the account", |e| {
        reason(e, "Pending", "AccountNotReady") == 1
    });
    stage.condition("adce/waits", "AccountsReady", "False", "AccountNotReady");
    stage.admin_call(
        "PATCH",
        "/google/settings",
        Some(&json!({"dataManagerDisabled": false})),
    );
    let event = stage.settled("waits", 1);
    assert_eq!(Counts::of(&event).uploaded, 1);
}

#[test]
fn the_first_portal_is_pinned() {
    let stage = Stage::start("portal");
    stage.wait("hsa/acme", "the portal", |o| o["status"]["portalId"] == 62515);
    let other = json!({"portalId": 777, "tokens": [{"accessToken": "pat-other", "kind": "privateApp",
        "scopes": ["crm.objects.contacts.read", "crm.objects.deals.read"]}]});
    stage.post("/hubspot/portals", &other);
    secret(&stage, "hubspot", &json!({"accessToken": "pat-other"}));
    let c = stage.condition("hsa/acme", "Stalled", "True", "PortalMismatch");
    let message = c["message"].as_str().expect("a message");
    assert!(message.contains("777") && message.contains("62515"), "{message}");
    secret(&stage, "hubspot", &json!({"accessToken": "pat-na1-sandbox"}));
    stage.condition("hsa/acme", "Ready", "True", "");
}

#[test]
fn unknown_stage_and_property_are_named() {
    let stage = Stage::start("unknown");
    stage.event("stage", "no-such-stage", &json!({}));
    let c = stage.condition("adce/stage", "Stalled", "True", "StageNotFound");
    assert!(
        c["message"]
            .as_str()
            .expect("a message")
            .contains("marketingqualifiedlead"),
        "{c}"
    );
    let consent = json!({"consent": {"property": "no_such_property", "grantedValues": ["yes"]}});
    stage.event("property", "customer", &consent);
    let c = stage.condition("adce/property", "Stalled", "True", "PropertyNotFound");
    assert!(
        c["message"].as_str().expect("a message").contains("no_such_property"),
        "{c}"
    );
    stage.event("label", "Customer", &json!({}));
    let event = stage.wait("adce/label", "Ready", |e| condition(e, "Ready")["status"] == "True");
    assert_eq!(event["status"]["trigger"]["stage"], "customer");
    stage.event(
        "orphaned",
        "customer",
        &json!({"eventName": "X", "googleAdsAccountRef": {"name": "nobody"}}),
    );
    let c = stage.condition("adce/orphaned", "AccountsReady", "False", "AccountNotFound");
    assert!(c["message"].as_str().expect("a message").contains("nobody"), "{c}");
    stage.event(
        "lost",
        "customer",
        &json!({"eventName": "Y", "googleAdsAccountRef": {"name": "nobody"}, "hubSpotAccountRef": {"name": "nowhere"}}),
    );
    let c = stage.condition("adce/lost", "AccountsReady", "False", "AccountNotFound");
    let message = c["message"].as_str().expect("a message");
    assert!(message.contains("nobody") && message.contains("nowhere"), "{message}");
}

#[test]
fn accounts_in_use_are_not_deleted() {
    let stage = Stage::start("in-use");
    stage.event("user", "customer", &json!({}));
    stage.wait("gaa/acme", "one user", |o| o["status"]["usedBy"] == 1);
    stage.wait("hsa/acme", "one user", |o| o["status"]["usedBy"] == 1);
    stage.kubectl(&["delete", "gaa/acme", "hsa/acme", "--wait=false"]);
    for object in ["gaa/acme", "hsa/acme"] {
        let c = stage.condition(object, "DeletionBlocked", "True", "InUse");
        assert!(c["message"].as_str().expect("a message").contains("user"), "{c}");
    }
    stage.kubectl(&["delete", "adce/user", "--timeout=30s"]);
    for object in ["gaa/acme", "hsa/acme"] {
        stage.wait(object, "to be gone", Value::is_null);
    }
}

#[test]
fn a_suspended_account_makes_its_events_wait() {
    let stage = Stage::start("suspended");
    stage.event("waits", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/waits", "Ready", "True", "");
    stage.patch("gaa/acme", &json!({"spec": {"suspend": true}}));
    stage.condition("adce/waits", "AccountsReady", "False", "Suspended");
    stage.contact(&[("customer", ago(60))], Some("later"), &json!({}));
    stage.wait("adce/waits", "one waiting", |e| reason(e, "Pending", "Suspended") == 1);
    stage.patch("gaa/acme", &json!({"spec": {"suspend": false}}));
    assert_eq!(Counts::of(&stage.settled("waits", 1)).uploaded, 1);
}
