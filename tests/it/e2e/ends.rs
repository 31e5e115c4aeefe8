//! The end of a process that has much to do.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Stage;
/// Objects that each need one write.
const EVENTS: usize = 96;
/// How long a write takes. A namespace has eight turns, so that all of them take 18 seconds.
const WRITE: Duration = Duration::from_millis(1500);
/// Longest end: two writes of what is under way, on a busy machine.
const ENDS: Duration = Duration::from_secs(6);

#[test]
fn what_only_waits_for_its_turn_does_not_hold_up_the_end() {
    let mut stage = Stage::empty("ends", &[], &[]);
    let proxy = stage.proxied();
    proxy.slow_writes(WRITE);
    let event = |number: usize| {
        json!({
            "apiVersion": "adconversion.dev/v1alpha1",
            "kind": "AdConversionEvent",
            "metadata": {"name": format!("waits-{number}")},
            "spec": {
                "googleAdsAccountRef": {"name": "acme"},
                "hubSpotAccountRef": {"name": "acme"},
                "trigger": {"lifecycleStage": {"stage": "customer"}},
            },
        })
    };
    let events: Vec<_> = (0..EVENTS).map(event).collect();
    stage.apply(&json!({"apiVersion": "v1", "kind": "List", "items": events}).to_string());
    stage.start_operator();
    let writes = || proxy.calls().iter().filter(|call| call.starts_with("PATCH ")).count();
    stage.wait_for("the first writes", || {
        if writes() > 0 {
            Ok(())
        } else {
            Err(json!(proxy.calls()))
        }
    });
    let asked = Instant::now();
    let ended = format!("{:?}", stage.stop_operator());
    assert!(ended.contains("exit status: 0"), "{ended}");
    assert!(
        asked.elapsed() < ENDS,
        "{:?} after {} writes",
        asked.elapsed(),
        writes()
    );
    assert!(
        writes() < EVENTS / 2,
        "only what was under way is finished: {}",
        writes()
    );
}
