//! A plan of many events that adopt conversion actions is not
//! held up by the pauses that an operator makes between reads.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::Stage;
use super::{ACCOUNTS, event, of, plan};

/// An operator reads an account for each of them, three seconds after the one before.
const ADOPTED: u32 = 12;
/// Far less than that.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_dozen_adoptions_are_planned_at_once() {
    let stage = Stage::empty("plan-adopt", &[], &[]);
    let name = |number: u32| format!("Imported {number}");
    let mut manifests = ACCOUNTS.to_owned();
    for number in 0..ADOPTED {
        let action = json!({
            "customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": name(number), "category": "QUALIFIED_LEAD",
        });
        stage.post("/google/actions", &action);
        let spec = json!({
            "trigger": {"lifecycleStage": {"stage": "customer"}}, "eventName": name(number),
            "conversionAction": {"create": {"category": "QualifiedLead"}},
        });
        let named = event(&format!("imported-{number}"), &spec).to_string();
        manifests.extend(["\n---\n", named.as_str()]);
    }
    let file = stage.file("adopted.yaml", &manifests);
    let begun = Instant::now();
    let planned = plan(&stage, &["-f", &file], 0);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    for number in 0..ADOPTED {
        let event = of(&planned, &format!("imported-{number}"));
        assert_eq!(
            (&event["ready"], &event["conversionAction"]["change"]),
            (&json!("True"), &json!("Adopt")),
            "{event:#}"
        );
    }
}
