//! Requests that wait for their results belong to the account that sent them, as long as there is one. What Google
//! denies of them is no matter of another account, nor of the account itself where its uploads are taken.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::Stage;
use super::judge::{action, calls, exactly, settled_within, transactions};
use super::meddler::{Asked, Meddling, Reply};
use super::poison::LONG;
use super::stage::{Counts, Neighbour, ago, condition};

/// The accounts that requests in the ledger wait for, each once.
fn senders(stage: &Stage) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let options = SqliteConnectOptions::new().filename(stage.ledger()).read_only(true);
        let mut ledger = options.connect().await.expect("the ledger");
        let found =
            sqlx::query_scalar("SELECT DISTINCT sender FROM requests WHERE state = 'AwaitingResult' ORDER BY sender");
        let found = found.fetch_all(&mut ledger).await.expect("senders");
        ledger.close().await.expect("an end");
        found
    })
}

/// The accounts of another tenant: of the same customer, with credentials and a portal of their own.
fn other_accounts(stage: &Stage, other: &Neighbour<'_>) {
    let grant = json!({"refreshToken": "other-refresh", "clientId": "sandbox-client", "identity": "user@sandbox.test"});
    stage.post("/google/credentials/refresh-tokens", &grant);
    other.apply(&include_str!("accounts.yaml").replace("sandbox-refresh", "other-refresh"));
}

fn counted(event: &Value) -> (u64, u64) {
    let counts = Counts::of(event);
    (counts.uploaded, counts.processing)
}

fn never_finish(stage: &Stage, never: bool) {
    stage.admin_call("PATCH", "/google/settings", Some(&json!({"neverFinish": never})));
}

/// At a start the first account that is read finds no other; then another one is gone for good.
#[test]
fn open_requests_stay_with_an_account_that_is_there_and_go_on_to_another_once_it_is_gone() {
    let flags = [("diagnostics-first-poll", "1s"), ("diagnostics-max-poll", "1s")];
    let (mut stage, other) = Stage::with_neighbour("inherited", &flags);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    let other = stage.neighbour(other);
    other_accounts(&stage, &other);
    let start = json!({"startTime": ago(86_400 * 30)});
    stage.event("mine", "customer", &start);
    other.event("theirs", "lead", &start);
    stage.condition("adce/mine", "Ready", "True", "");
    other.condition("adce/theirs", "Ready", "True", "");
    never_finish(&stage, true);
    stage.contact(&[("customer", ago(60))], Some("click-mine"), &json!({}));
    stage.wait("adce/mine", "an open request", |event| counted(event) == (0, 1));
    let mine = format!("{}/acme", stage.namespace);
    assert_eq!(senders(&stage).join(" "), mine);
    stage.stop_operator();
    // My account is read late, or not at all.
    let buys = |call: &Asked| call.path.ends_with("/token") && call.says("sandbox-refresh");
    let late = meddler.always(buys, Meddling::Silence);
    stage.start_operator();
    stage.contact(&[("lead", ago(60))], Some("click-theirs"), &json!({}));
    let theirs = format!("{}/acme", other.namespace);
    let mut both = [mine, theirs.clone()];
    both.sort();
    stage.wait_for("a request of the other account", || {
        let found = senders(&stage);
        if found.contains(&theirs) {
            Ok(())
        } else {
            Err(json!(found))
        }
    });
    // Its poller has come by: it asks what became of its own.
    stage.wait_for("a question of the other account's", || {
        let asked = calls(&stage, "requestStatus").len();
        if asked > 0 { Ok(()) } else { Err(json!(asked)) }
    });
    assert_eq!(senders(&stage), both);
    meddler.lift(late);
    stage.kill_operator();
    stage.start_operator();
    stage.condition("gaa/acme", "Ready", "True", "");
    // Mine ends with its objects, and the other one of the customer asks.
    let event = action(&stage.get("adce/mine"));
    stage.kubectl(&["delete", "adce/mine", "gaa/acme", "--timeout=60s"]);
    stage.wait_for("the other account to take over", || {
        let found = senders(&stage);
        if found.join(" ") == theirs {
            Ok(())
        } else {
            Err(json!(found))
        }
    });
    never_finish(&stage, false);
    stage.wait_for("no open request", || {
        let found = senders(&stage);
        if found.is_empty() { Ok(()) } else { Err(json!(found)) }
    });
    assert_eq!(stage.accepted(&event).len(), 1);
}

/// Credentials that were exchanged may not see what the old ones sent.
#[test]
fn a_status_that_google_denies_holds_up_nothing_that_is_sent() {
    let flags = [
        ("diagnostics-first-poll", "1s"),
        ("diagnostics-max-poll", "1s"),
        ("backoff-max", "1s"),
        ("stalled-probe-interval", "10m"),
    ];
    let mut stage = Stage::empty(
        "denied-status",
        &["--no-rate-limits", "--processing-delay=200ms"],
        &flags,
    );
    let meddler = stage.meddled();
    stage.start_with_accounts();
    let error = json!({"error": {"code": 403, "message": "x", "status": "PERMISSION_DENIED"}});
    let asks = |call: &Asked| call.path.contains("requestStatus");
    let rule = meddler.always(asks, Meddling::Instead(Reply::json(403, &error)));
    stage.event("won", "customer", &json!({"startTime": ago(86_400 * 30)}));
    for number in 1..=6 {
        stage.contact(&[("customer", ago(60))], Some(&format!("click-{number}")), &json!({}));
        stage.wait("adce/won", "all accepted", |event| counted(event) == (0, number));
        let asked = meddler.fired(rule);
        stage.wait_for("two more denials", || {
            let fired = meddler.fired(rule);
            if fired >= asked + 2 { Ok(()) } else { Err(json!(fired)) }
        });
        let account = stage.get("gaa/acme");
        assert_eq!(condition(&account, "Ready")["status"], "True", "{account:#}");
    }
    let synced = stage.condition("adce/won", "Synced", "False", "");
    let message = synced["message"].as_str().unwrap_or_default();
    assert!(message.contains("stay Processing"), "{message}");
    meddler.lift(rule);
    let event = settled_within(&stage, "won", 6, LONG);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
    stage.condition("adce/won", "Synced", "True", "");
}
