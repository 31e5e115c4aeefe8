//! The token endpoint gives the access token of another portal
//! once: nothing of that portal is sent to this account's customer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::Stage;
use super::judge::{exactly, transactions};
use super::meddler::Meddling;
use super::stage::{ago, condition};

const OTHER: u64 = 778;

#[test]
fn a_renewal_with_the_token_of_another_portal_reads_nothing_of_it() {
    let mut stage = Stage::empty("other-token", &[], &[]);
    let scopes = ["crm.objects.contacts.read", "crm.objects.deals.read", "forms"];
    let token = json!({"accessToken": "pat-other", "kind": "privateApp", "scopes": scopes});
    stage.post("/hubspot/portals", &json!({"portalId": OTHER, "tokens": [token]}));
    let meddler = stage.meddled();
    // Tokens of four seconds, so that one is bought all the time.
    let armed = Arc::new(AtomicBool::new(false));
    let wrong = Arc::clone(&armed);
    let renewal = Meddling::change(move |answer| {
        answer["expires_in"] = json!(4);
        if wrong.swap(false, Ordering::SeqCst) {
            answer["access_token"] = json!("pat-other");
        }
    });
    let renewals = meddler.always(|call| call.path.ends_with("/oauth/2026-09/token"), renewal);
    stage.start_operator();
    let oauth = "clientId: sandbox-client, clientSecret: sandbox-secret, refreshToken: sandbox-refresh";
    stage.apply(&include_str!("accounts.yaml").replace("accessToken: pat-na1-sandbox", oauth));
    stage.event("won", "customer", &json!({"startTime": ago(86_400)}));
    stage.contact(&[("customer", ago(600))], Some("click-1"), &json!({}));
    stage.settled("won", 1);
    // The other portal has newer customers than ours.
    let strangers: Vec<_> = (0..3)
        .map(|number| {
            json!({"createdAt": ago(86_400 * 10), "history": {
                "hs_google_click_id": [{"value": format!("click-other-{number}"), "timestamp": ago(86_400 * 9), "sourceType": "FORM"}],
                "lifecyclestage": [{"value": "customer", "timestamp": ago(1), "sourceType": "CRM_UI"}]}})
        })
        .collect();
    stage.post(&format!("/hubspot/contacts?portalId={OTHER}"), &json!(strangers));
    armed.store(true, Ordering::SeqCst);
    stage.wait_for("the token of the other portal", || {
        if armed.load(Ordering::SeqCst) {
            Err(json!(meddler.fired(renewals)))
        } else {
            Ok(())
        }
    });
    let bought = meddler.fired(renewals);
    stage.wait_for("another token", || {
        let fired = meddler.fired(renewals);
        if fired >= bought + 2 { Ok(()) } else { Err(json!(fired)) }
    });
    stage.contact(&[("customer", ago(1))], Some("click-2"), &json!({}));
    let event = stage.settled("won", 2);
    let wanted = transactions(&stage, "customer").into_iter().collect();
    exactly(&stage, &event, &wanted);
    let accepted = stage.admin("/google/tally").to_string();
    assert!(!accepted.contains("click-other"), "{accepted}");
    stage.condition("hsa/acme", "Ready", "True", "");
    assert!(condition(&stage.get("hsa/acme"), "Stalled").is_null());
    assert!(
        stage.log().contains("belongs to another portal"),
        "the wrong token was met"
    );
}
