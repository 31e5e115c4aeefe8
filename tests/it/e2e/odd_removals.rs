//! Google answers that a conversion action is removed, or not there, and it is: the event does not let go of it.

use serde_json::json;

use super::Stage;
use super::judge::action;
use super::meddler::{Meddling, Reply};

#[test]
fn an_event_lets_go_of_its_action_only_when_google_lists_it_no_longer() {
    let gone = json!({"error": {"code": 404, "status": "NOT_FOUND", "details": [{
        "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
        "errors": [{"errorCode": {"mutateError": "RESOURCE_NOT_FOUND"}, "message": "Resource was not found."}]}]}});
    let odd = [(200, json!({})), (200, json!({"results": [{}]})), (404, gone)];
    let mut stage = Stage::empty("odd-removal", &[], &[]);
    let meddler = stage.meddled();
    stage.start_operator();
    stage.accounts();
    for (index, (code, answer)) in odd.into_iter().enumerate() {
        let name = format!("won-{index}");
        stage.event(&name, "customer", &json!({"deletionPolicy": "Delete"}));
        stage.condition(&format!("adce/{name}"), "Ready", "True", "");
        let ours = action(&stage.get(&format!("adce/{name}")));
        let lie = meddler.times(
            1,
            |call| call.path.contains("conversionActions:mutate") && call.says("\"remove\""),
            Meddling::Instead(Reply::json(code, &answer)),
        );
        stage.kubectl(&["delete", &format!("adce/{name}"), "--timeout=30s"]);
        assert_eq!(meddler.fired(lie), 1, "{answer}");
        let actions = stage.actions();
        let left = actions.iter().find(|a| a["id"].to_string().trim_matches('"') == ours);
        let left = left.unwrap_or_else(|| panic!("no action {ours}: {actions:#?}"));
        assert_eq!(left["status"], "REMOVED", "{answer}");
    }
}
