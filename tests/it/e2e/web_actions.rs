//! The conversion actions of form events.

use serde_json::json;

use super::forms::{FORM, OTHER, calls, consenting, counted, event, ids, stage, submit, with};

#[test]
fn web_actions_are_adopted_mapped_or_in_conflict_like_any_other() {
    let stage = stage("web-actions", &[]);
    for (name, kind) in [
        ("Left behind", "WEBPAGE"),
        ("Kept", "WEBPAGE"),
        ("Offline", "UPLOAD_CLICKS"),
    ] {
        let body = json!({"customerId": "1234567890", "type": kind, "name": name, "category": "SUBMIT_LEAD_FORM"});
        stage.post("/google/actions", &body);
    }
    event(&stage, "adopted", FORM, &json!({"eventName": "Left behind"}));
    event(
        &stage,
        "mapped",
        OTHER,
        &json!({"conversionAction": {"existing": {"name": "Kept"}}}),
    );
    event(&stage, "conflict", FORM, &json!({"eventName": "Offline"}));
    for (name, origin) in [("adopted", "Adopted"), ("mapped", "Mapped")] {
        let ready = stage.condition(&format!("adce/{name}"), "ConversionActionReady", "True", origin);
        assert!(
            ready["message"]
                .as_str()
                .unwrap()
                .contains(&format!("ConfigMap {name}-google-tag")),
            "{ready}"
        );
        let event = stage.get(&format!("adce/{name}"));
        assert!(
            event["status"]["conversionAction"]["sendTo"].is_string(),
            "{:#}",
            event["status"]
        );
    }
    stage.condition("adce/conflict", "Stalled", "True", "NameConflict");
    assert_eq!(
        calls(&stage, "conversionActions:mutate"),
        0,
        "nothing is created or changed"
    );
    submit(&stage, &with(&consenting("c-1"), &json!({"formId": OTHER})));
    let event = counted(&stage, "mapped", 1, 1, 0);
    assert_eq!(ids(&stage, &event), ["c-1"]);
}
