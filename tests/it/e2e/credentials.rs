//! Tokens that end, and Secrets that are replaced, while rows
//! are on their way: nothing is lost and nothing counts twice.

use std::time::Duration;

use serde_json::{Value, json};

use super::Stage;
use super::judge::{calls, crowd, exactly, settled_within, transactions};
use super::stage::{Counts, ago, condition, reason};

const LIMIT: Duration = Duration::from_secs(100);
const NAME: &str = "tokens";
const OBJECT: &str = "adce/tokens";

/// So many contacts and an event for them, whose work stops at the first call that the gate describes.
fn stopped(contacts: u32, oauth: bool, gate: &Value) -> Stage {
    let stage = Stage::empty(NAME, &[], &[]);
    crowd(&stage, contacts);
    stage.start_operator();
    stage.apply(include_str!("accounts.yaml"));
    if oauth {
        let keys =
            json!({"clientId": "sandbox-client", "clientSecret": "sandbox-secret", "refreshToken": "sandbox-refresh"});
        stage.patch(
            "secret/hubspot",
            &json!({"data": {"accessToken": null}, "stringData": keys}),
        );
        stage.wait_for("the OAuth app's token in use", || {
            let bought = purchases(&stage, "/oauth/");
            if bought > 0 { Ok(()) } else { Err(json!(bought)) }
        });
    }
    stage.condition("gaa/acme", "Ready", "True", "");
    stage.condition("hsa/acme", "Ready", "True", "");
    stage.post("/gate", gate);
    stage.event(NAME, "customer", &json!({"startTime": ago(86_400 * 10)}));
    stage.at_the_gate();
    stage
}

fn at_the_upload() -> Value {
    json!({"service": "dataManager", "mutating": true, "number": 1, "when": "before"})
}

fn go_on(stage: &Stage) {
    stage.admin_call("DELETE", "/gate", None);
}

/// Everything is uploaded, once, and all is well.
fn judge(stage: &Stage) {
    let all = transactions(stage, "customer");
    let event = settled_within(stage, NAME, all.len(), LIMIT);
    assert_eq!(Counts::of(&event).uploaded, all.len() as u64, "{:#}", event["status"]);
    exactly(stage, &event, &all.into_iter().collect());
    for object in [OBJECT, "gaa/acme", "hsa/acme"] {
        stage.condition(object, "Ready", "True", "");
        assert!(condition(&stage.get(object), "Stalled").is_null(), "{object}");
    }
}

/// Access tokens asked for so far at a token endpoint whose path contains this.
pub(super) fn purchases(stage: &Stage, path: &str) -> usize {
    let log = stage.admin("/requests?since=0");
    let all = log["requests"].as_array().or_else(|| log.as_array()).cloned();
    let all = all.expect("a log");
    let of = |r: &&Value| {
        r["path"]
            .as_str()
            .is_some_and(|p| p.contains(path) && p.ends_with("/token"))
    };
    all.iter().filter(of).count()
}

fn google_purchases(stage: &Stage) -> usize {
    purchases(stage, "/token") - purchases(stage, "/oauth/")
}

#[test]
fn a_token_that_ends_in_the_middle_of_an_upload_is_renewed_once() {
    let stage = stopped(30, false, &at_the_upload());
    let before = google_purchases(&stage);
    stage.post("/google/credentials/forget-access-tokens", &json!({}));
    go_on(&stage);
    judge(&stage);
    let uploads: Vec<_> = calls(&stage, "events:ingest").iter().map(|(_, s)| *s).collect();
    assert_eq!(uploads, [401, 200]);
    assert_eq!(google_purchases(&stage), before + 1, "one refresh for all");
}

#[test]
fn uploads_and_reads_refused_several_times_go_again() {
    let stage = stopped(30, true, &at_the_upload());
    let (google, hubspot) = (google_purchases(&stage), purchases(&stage, "/oauth/"));
    let expired = json!({"status": "error", "category": "EXPIRED_AUTHENTICATION",
        "message": "The OAuth token used to make this call expired 5 second(s) ago."});
    // Each is followed by the same call for nobody: two calls of each are refused for the token.
    let faults = [
        ("dataManager", "events:ingest", 3, Value::Null),
        ("hubspot", "/contacts/", 6, expired),
    ];
    for (service, path, count, body) in &faults {
        let mut action = json!({"status": 401});
        if !body.is_null() {
            action["body"] = body.clone();
        }
        let fault = json!({"service": service, "path": path, "count": count, "action": action});
        stage.post("/faults", &fault);
    }
    go_on(&stage);
    // The one at the gate goes through: further contacts meet the refusals.
    crowd(&stage, 45);
    judge(&stage);
    for (service, _, count, _) in &faults {
        let set = stage.admin("/faults");
        let fault = set
            .as_array()
            .expect("faults")
            .iter()
            .find(|fault| fault["service"] == *service);
        assert_eq!(fault.expect("one")["fired"], *count, "{set}");
    }
    assert_eq!(
        google_purchases(&stage),
        google + 2,
        "one for each call that was refused"
    );
    assert_eq!(
        purchases(&stage, "/oauth/"),
        hubspot + 2,
        "one for each call that was refused"
    );
}

#[test]
fn tokens_revoked_for_good_stall_the_accounts_until_their_secrets_change() {
    let stage = stopped(30, false, &at_the_upload());
    revoke_all(&stage);
    go_on(&stage);
    for object in ["gaa/acme", "hsa/acme"] {
        stage.condition(object, "CredentialsValid", "False", "TokenRevoked");
        stage.condition(object, "Stalled", "True", "TokenRevoked");
    }
    stage.wait(OBJECT, "rows that wait for the account", |e| {
        reason(e, "Pending", "AccountNotReady") == 30
    });
    // What comes meanwhile is read later.
    crowd(&stage, 40);
    new_credentials(&stage);
    judge(&stage);
}

/// Takes the credentials back that the Secrets began with.
fn revoke_all(stage: &Stage) {
    let google = json!({"refreshToken": "sandbox-refresh"});
    stage.post("/google/credentials/revoke", &google);
    let hubspot = json!({"revoke": ["pat-na1-sandbox"]});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&hubspot));
}

/// Makes other credentials known, and puts them into the Secrets.
fn new_credentials(stage: &Stage) {
    let grant = json!({"refreshToken": "other-refresh", "clientId": "sandbox-client", "identity": "user@sandbox.test"});
    stage.post("/google/credentials/refresh-tokens", &grant);
    let scopes = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
    let token = json!({"tokens": [{"accessToken": "pat-na1-other", "kind": "privateApp", "scopes": scopes}]});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&token));
    for (secret, data) in [
        ("secret/google-ads", json!({"refreshToken": "other-refresh"})),
        ("secret/hubspot", json!({"accessToken": "pat-na1-other"})),
    ] {
        stage.patch(secret, &json!({"stringData": data}));
    }
}

#[test]
fn secrets_may_be_replaced_while_a_backfill_is_under_way() {
    let reads = json!({"service": "hubspot", "path": "/contacts/batch/read", "number": 3, "when": "before"});
    for gate in [reads, at_the_upload()] {
        let stage = stopped(300, false, &gate);
        new_credentials(&stage);
        revoke_all(&stage);
        go_on(&stage);
        judge(&stage);
    }
}
