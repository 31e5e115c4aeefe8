//! Texts of HubSpot, Google and manifests that the API server does not take in a patch: one of them keeps no status from
//! being written.

use serde_json::{Value, json};

use super::Stage;
use super::stage::{ago, condition};

const ANNOTATION: &str = "adconversion.dev/reconcile-requested-at";

#[test]
fn no_character_keeps_a_status_from_being_written() {
    let stage = Stage::empty("unwritable", &[], &[]);
    let odd = "\u{fffe}\u{ffff}\u{7f}\u{9f}\u{85}";
    let portal = json!({"customStages": [{"value": "trial", "label": format!("Trial {odd}")}]});
    stage.admin_call("PATCH", "/hubspot/portals/62515", Some(&portal));
    let name = json!({"descriptiveName": format!("Acme {odd}")});
    stage.admin_call("PATCH", "/google/accounts/1234567890", Some(&name));
    stage.start_operator();
    stage.accounts();
    for object in ["gaa/acme", "hsa/acme"] {
        stage.condition(object, "Ready", "True", "");
    }
    stage.event("odd", "trial", &json!({"startTime": ago(86_400)}));
    stage.contact(&[("trial", ago(600))], Some("click-1"), &json!({}));
    stage.settled("odd", 1);
    // Said back in `lastHandledReconcileAt`, and then done with.
    for object in ["gaa/acme", "hsa/acme", "adce/odd"] {
        let asked = json!({"metadata": {"annotations": {ANNOTATION: format!("now {odd}")}}});
        stage.patch(object, &asked);
        let handled = |o: &Value| {
            o["status"]["lastHandledReconcileAt"]
                .as_str()
                .map(|text| text.starts_with("now "))
        };
        stage.wait(object, "the annotation", |o| handled(o) == Some(true));
    }
    let event = stage.get("adce/odd");
    assert_eq!(condition(&event, "Ready")["status"], "True", "{:#}", event["status"]);
    let log = stage.log();
    assert!(!log.contains("error decoding patch"), "{log}");
}
