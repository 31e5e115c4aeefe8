//! What the operator knows of Kubernetes is old or wrong: its watches
//! stand still while objects change, or somebody else writes its status.

use serde_json::{Value, json};

use super::Stage;
use super::judge::{action, became, crowd, exactly, transactions};
use super::stage::ago;

const MANIFESTS: &str = include_str!("accounts.yaml");

fn actions_named(stage: &Stage, name: &str) -> usize {
    stage.actions().iter().filter(|a| a["name"] == name).count()
}

fn create(stage: &Stage) {
    stage.event(
        "won",
        "customer",
        &json!({"eventName": "Won", "startTime": ago(86_400 * 10)}),
    );
}

/// The event is deleted, without its finalizer, and created again under the same name; nobody tells the operator.
#[test]
fn an_event_that_was_replaced_unseen_is_a_new_one_with_the_old_action() {
    let mut stage = Stage::empty("replaced", &[], &[]);
    let proxy = stage.proxied();
    stage.start_operator();
    stage.apply(MANIFESTS);
    crowd(&stage, 10);
    create(&stage);
    let old = stage.settled("won", 10);
    proxy.freeze_watches();
    stage.patch("adce/won", &json!({"metadata": {"finalizers": null}}));
    stage.kubectl(&["delete", "adce/won", "--timeout=30s"]);
    create(&stage);
    let new = stage.get("adce/won");
    assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
    // The operator goes on for the event it knows, and has counts to tell.
    let more: Vec<Value> = (100..105).map(|i| became(i, &format!("click-{i}"))).collect();
    stage.post("/hubspot/contacts", &json!(more));
    stage.wait_for("the new contacts at Google", || {
        let accepted = stage.accepted(&action(&old)).len();
        if accepted == 15 { Ok(()) } else { Err(json!(accepted)) }
    });
    let refused = "the old event's status is refused";
    let told = proxy.calls().len();
    stage.wait_for(refused, || {
        let calls = proxy.calls();
        let since = &calls[told..];
        if since
            .iter()
            .any(|c| c.starts_with("PATCH") && c.ends_with("/adconversionevents/won/status"))
        {
            Ok(())
        } else {
            Err(json!(since))
        }
    });
    let untouched = json!({"observedGeneration": -1});
    assert_eq!(stage.get("adce/won")["status"], untouched, "told by the old event");
    assert_eq!(stage.get("adce/won")["metadata"]["finalizers"], Value::Null);

    proxy.break_watches();
    let event = stage.settled("won", 15);
    assert_eq!(action(&event), action(&old));
    assert_eq!(actions_named(&stage, "Won"), 1);
    stage.condition("adce/won", "Ready", "True", "Succeeded");
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}

/// Somebody else empties the status while Google refuses the account: which
/// action is the event's cannot be looked up then, but its counts are known.
#[test]
fn counts_stay_where_the_status_is_emptied_and_google_cannot_be_asked() {
    let stage = Stage::start("emptied");
    crowd(&stage, 10);
    create(&stage);
    let before = stage.settled("won", 10);
    stage.post(
        "/google/credentials/revoke",
        &json!({"refreshToken": "sandbox-refresh"}),
    );
    stage.post("/google/credentials/forget-access-tokens", &json!({}));
    stage.condition("gaa/acme", "Ready", "False", "TokenRevoked");
    let empty = json!([{"op": "replace", "path": "/status", "value": {"observedGeneration": 0}}]);
    let change = ["patch", "adce/won", "--subresource=status", "--type=json", "--patch"];
    stage.kubectl(&[&change[..], &[&empty.to_string()]].concat());
    stage.kubectl(&["annotate", "adce/won", "adconversion.dev/reconcile-requested-at=now"]);
    let event = stage.wait_for("a status written again", || {
        let event = stage.get("adce/won");
        if event["status"]["conditions"].is_array() {
            Ok(event)
        } else {
            Err(event)
        }
    });
    assert_eq!(
        event["status"]["conversionAction"],
        Value::Null,
        "Google cannot be asked"
    );
    assert_eq!(
        event["status"]["sync"]["observed"], before["status"]["sync"]["observed"],
        "{:#}",
        event["status"]
    );
    assert_eq!(event["status"]["sync"]["uploaded"], 10, "{:#}", event["status"]);
    stage.post(
        "/google/credentials/revoke",
        &json!({"refreshToken": "sandbox-refresh", "revoked": false}),
    );
    stage.kubectl(&["annotate", "gaa/acme", "adconversion.dev/reconcile-requested-at=now"]);
    stage.condition("adce/won", "Ready", "True", "Succeeded");
    let event = stage.settled("won", 10);
    assert_eq!(action(&event), action(&before));
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}

/// Somebody else writes the status: counts that are none, no conditions, no action. A change of nothing but the status
/// wakes nobody, it is put right when the event is looked at next.
#[test]
fn a_status_that_somebody_else_wrote_is_put_right() {
    let stage = Stage::start("edited");
    crowd(&stage, 10);
    create(&stage);
    let before = stage.settled("won", 10);
    let patch = json!({"status": {"conditions": [], "conversionAction": null,
        "sync": {"observed": 3, "uploaded": 3, "rejected": 0}}});
    stage.kubectl(&[
        "patch",
        "adce/won",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &patch.to_string(),
    ]);
    stage.kubectl(&["annotate", "adce/won", "adconversion.dev/reconcile-requested-at=now"]);
    let event = stage.settled("won", 10);
    assert_eq!(action(&event), action(&before));
    stage.condition("adce/won", "Ready", "True", "Succeeded");
    assert_eq!(actions_named(&stage, "Won"), 1);
    exactly(&stage, &event, &transactions(&stage, "customer").into_iter().collect());
}
