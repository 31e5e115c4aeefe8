//! One event whose conversion action Google lets nobody look for, or create: the others of its account go on.

use serde_json::{Value, json};

use super::Stage;
use super::meddler::{Asked, Meddling, Reply};
use super::stage::{Counts, ago, condition};

/// Google's own refusal of who asks.
fn denied(kind: &str, code: &str) -> Meddling {
    let failure = json!({"@type": "type.googleapis.com/google.ads.googleads.v24.errors.GoogleAdsFailure",
        "errors": [{"errorCode": {kind: code}, "message": "x"}]});
    let error = json!({"code": 403, "status": "PERMISSION_DENIED", "message": "x", "details": [failure]});
    Meddling::Instead(Reply::json(403, &json!({ "error": error })))
}

fn uploaded(event: &Value, count: u64) -> bool {
    let counts = Counts::of(event);
    counts.conserved(event);
    counts.uploaded == count
}

#[test]
fn an_event_whose_action_google_denies_holds_up_no_other() {
    let mut stage = Stage::empty("denied-action", &["--no-rate-limits"], &[("backoff-max", "1s")]);
    let meddler = stage.meddled();
    stage.start_with_accounts();
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.condition("adce/won", "Ready", "True", "");
    let creates = |call: &Asked| call.path.contains("conversionActions:mutate") && call.says("\"create\"");
    let looks = |call: &Asked| call.path.contains("googleAds:search") && call.says("conversion_action.name = ");
    let create = denied("operationAccessDeniedError", "MUTATE_NOT_PERMITTED_FOR_CUSTOMER");
    let look = denied("authorizationError", "USER_PERMISSION_DENIED");
    let mut sent = 0;
    for (name, meddling) in [("made", create), ("looked", look)] {
        let denies = move |call: &Asked| if name == "made" { creates(call) } else { looks(call) };
        let rule = meddler.always(denies, meddling);
        stage.event(name, "lead", &json!({"eventName": name, "startTime": ago(86_400)}));
        stage.wait(&format!("adce/{name}"), "an action that it does not get", |event| {
            condition(event, "ConversionActionReady")["status"] == "False"
        });
        let before = meddler.fired(rule);
        for _ in 0..3 {
            sent += 1;
            stage.contact(&[("customer", ago(60))], Some(&format!("click-{sent}")), &json!({}));
            stage.wait("adce/won", "all sent", |event| uploaded(event, sent));
            stage.condition("gaa/acme", "Ready", "True", "");
            stage.condition("adce/won", "Ready", "True", "");
        }
        stage.wait_for("further tries", || {
            let fired = meddler.fired(rule);
            if fired > before { Ok(()) } else { Err(json!(fired)) }
        });
        meddler.lift(rule);
        stage.condition(&format!("adce/{name}"), "ConversionActionReady", "True", "Created");
    }
}
