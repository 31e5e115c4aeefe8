//! A dummy conversion shows whether a denial is a matter of the account. Where it is not answered, it shows
//! nothing: the conversion that was denied waits, and all others go.

use serde_json::json;

use super::judge::{became, crowd};
use super::meddler::{Asked, Meddling, Reply};
use super::poison::{POISON, others_are_sent, stage, the_last_goes};
use super::stage::condition;

#[test]
fn a_dummy_conversion_without_an_answer_makes_no_denial_the_accounts() {
    let down = json!({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}});
    for (name, unanswered) in [
        ("down", Meddling::Instead(Reply::json(503, &down))),
        ("lost", Meddling::Drop),
        ("silent", Meddling::Silence),
    ] {
        let (mut stage, meddler) = stage(&format!("dummy-{name}"));
        stage.flag("stalled-probe-interval", "10m");
        crowd(&stage, 5);
        stage.post("/hubspot/contacts", &json!([became(7, POISON)]));
        let error = json!({"error": {"code": 403, "message": "x", "status": "PERMISSION_DENIED"}});
        let has_it = |call: &Asked| call.path.contains("events:ingest") && call.says(POISON);
        let denied = meddler.always(has_it, Meddling::Instead(Reply::json(403, &error)));
        let judged = |call: &Asked| call.path.contains("events:ingest") && call.says("\"validateOnly\":true");
        let silent = meddler.always(judged, unanswered);
        stage.start_with_accounts();
        others_are_sent(&stage, 5, &json!({}));
        assert!(meddler.fired(silent) > 0, "{name}");
        let account = stage.get("gaa/acme");
        assert_eq!(condition(&account, "Ready")["status"], "True", "{name}: {account:#}");
        meddler.lift(silent);
        the_last_goes(&stage, &meddler, denied);
    }
}
