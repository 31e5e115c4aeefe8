//! One submission that each of Google's answers fails with: all others of its account go on.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Stage;
use super::forms::{FORM, OTHER, consenting, counted, event, ids, start, submit, with};
use super::meddler::{Asked, Meddling, Reply};
use super::poison::hubspot_denials;
use super::stage::{ago, condition};

const POISON: &str = "poison-0";

/// Google's own refusal of who asks.
fn denied() -> Reply {
    let failure = json!({"@type": "type.googleapis.com/google.ads.googleads.v24.errors.GoogleAdsFailure",
        "errors": [{"errorCode": {"authorizationError": "USER_PERMISSION_DENIED"}, "message": "x"}]});
    let error = json!({"code": 403, "status": "PERMISSION_DENIED", "message": "x", "details": [failure]});
    Reply::json(403, &json!({ "error": error }))
}

#[rstest::rstest]
#[case::failed("form-500", Some(Reply::json(500, &json!({}))))]
#[case::filtered("form-401", Some(Reply::new(401, "text/html", "<html>log in</html>")))]
#[case::slowed_down("form-429", Some(Reply::new(429, "text/html", "<html>slow down</html>")))]
#[case::empty("form-empty", Some(Reply::json(200, &json!({}))))]
#[case::denied("form-denied", Some(denied()))]
#[case::lost("form-lost", None)]
fn one_submission_that_every_request_fails_with_holds_up_no_other(#[case] name: &str, #[case] reply: Option<Reply>) {
    let mut stage = Stage::empty(name, &["--no-rate-limits"], &[("backoff-max", "1s")]);
    let meddler = stage.meddled();
    let has_it = |call: &Asked| call.path.contains("uploadConversionAdjustments") && call.says(POISON);
    let rule = meddler.always(has_it, reply.map_or(Meddling::Drop, Meddling::Instead));
    start(&stage);
    event(&stage, "demo", FORM, &Value::Null);
    stage.condition("adce/demo", "Ready", "True", "");
    submit(&stage, &consenting(POISON));
    let mut all = BTreeSet::from([POISON.to_owned()]);
    for i in 0..7 {
        let id = format!("fine-{i}");
        submit(&stage, &consenting(&id));
        all.insert(id);
    }
    counted(&stage, "demo", 8, 7, 1);
    submit(&stage, &consenting("late"));
    all.insert("late".to_owned());
    let demo = counted(&stage, "demo", 9, 8, 1);
    assert_eq!(ids(&stage, &demo).len(), 8);
    meddler.lift(rule);
    let demo = counted(&stage, "demo", 9, 9, 0);
    assert_eq!(BTreeSet::from_iter(ids(&stage, &demo)), all);
}

#[test]
fn one_form_that_hubspot_denies_holds_up_no_other_and_no_stage() {
    for (name, denied) in hubspot_denials() {
        let mut stage = Stage::empty(&format!("form-{name}"), &["--no-rate-limits"], &[("backoff-max", "1s")]);
        let meddler = stage.meddled();
        let of_form = |call: &Asked| call.path.contains("/form-integrations/") && call.path.contains(FORM);
        let rule = meddler.always(of_form, denied);
        start(&stage);
        event(&stage, "demo", FORM, &Value::Null);
        event(&stage, "news", OTHER, &Value::Null);
        stage.event("won", "customer", &json!({}));
        submit(&stage, &consenting("c-1"));
        for i in 1..=3 {
            submit(
                &stage,
                &with(&consenting(&format!("news-{i}")), &json!({"formId": OTHER})),
            );
            counted(&stage, "news", i, i, 0);
            stage.contact(&[("customer", ago(0))], Some(&format!("click-{i}")), &json!({}));
            stage.settled("won", i);
            stage.condition("hsa/acme", "Ready", "True", "");
        }
        stage.wait("adce/demo", "a form that is not read", |event| {
            condition(event, "Synced")["status"] == "False"
        });
        assert!(meddler.fired(rule) > 0);
        meddler.lift(rule);
        counted(&stage, "demo", 1, 1, 0);
    }
}
