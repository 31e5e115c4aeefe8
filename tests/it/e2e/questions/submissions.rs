//! What is explained of a form submission.

use serde_json::json;

use super::super::forms;
use super::{ago, ask};

#[test]
fn a_submission_is_explained_by_its_deadline_and_consent() {
    let stage = forms::stage("explained-form", &[]);
    forms::event(&stage, "asked", forms::FORM, &json!({"startTime": ago(3_600)}));
    stage.condition("adce/asked", "Ready", "True", "");
    forms::submit(&stage, &forms::consenting("s1"));
    let refusing = json!({"properties": {"ads_consent": "false"}});
    forms::submit(&stage, &forms::with(&forms::consenting("s2"), &refusing));
    forms::counted(&stage, "asked", 2, 1, 1);
    let story = |email: &str, code| ask(&stage, &["explain", "asked", "--contact", email], code);
    let sent = story("s1@example.com", 0);
    let waits = story("s2@example.com", 0);
    for (told, part) in [
        (&sent, "Uploaded"),
        (&sent, "transaction id  s1"),
        (&waits, "It can be sent until"),
        (&waits, "Pending, AwaitingConsent"),
        (&waits, "Not granted: ads_consent holds none"),
        (&waits, "by today's data"),
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    for other in ["example.com", "be sent until"] {
        assert!(!sent.contains(other), "{other:?} in {sent}");
    }
    stage.contact(&[], None, &json!({"email": "other@example.com"}));
    let other = story("other@example.com", 1);
    assert!(other.contains("No submission of the form by this contact"), "{other}");
}
