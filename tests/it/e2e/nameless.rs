//! Submissions without an e-mail address: nobody can ever be found for them.

use serde_json::json;

use super::forms::{self, FORM};
use super::stage::{Counts, reason};

/// Noted while nothing was decided about it, and decided by the process that noted it or by the next one.
#[test]
fn a_submission_without_an_address_that_came_while_suspended_is_skipped_for_that() {
    for restart in [false, true] {
        let stage = forms::stage("nameless", &[]);
        forms::event(&stage, "nameless", FORM, &json!({}));
        stage.condition("adce/nameless", "Ready", "True", "");
        stage.patch("adce/nameless", &json!({"spec": {"suspend": true}}));
        stage.wait("adce/nameless", "suspended", |event| {
            event["status"]["observedGeneration"] == event["metadata"]["generation"]
        });
        forms::submit(
            &stage,
            &json!({"conversionId": "5f1d7b5e-0000-4000-8000-000000000001", "properties": {}}),
        );
        forms::submit(&stage, &forms::consenting("5f1d7b5e-0000-4000-8000-000000000002"));
        forms::counted(&stage, "nameless", 2, 0, 2);
        if restart {
            stage.kill_operator();
            stage.start_operator();
        }
        stage.patch("adce/nameless", &json!({"spec": {"suspend": false}}));
        let event = stage.settled("nameless", 2);
        assert_eq!(reason(&event, "Skipped", "NoSharedData"), 1, "{event:#}");
        assert_eq!(Counts::of(&event).uploaded, 1, "{event:#}");
    }
}
