//! What the log says about objects: one line for each change of conditions, one for each thing done in Google.

use k8s_openapi::api::core::v1::ObjectReference;
use serde_json::Value;

use crate::api::reasons::{condition, event};
use crate::controller::Object;
use crate::controller::shared::recorder::Severity;
use crate::domain::brief::brief;

/// Kubernetes Events that are lines of the log too. Those that go with a change of conditions are not among them: that
/// change has a line.
const HAPPENINGS: [&str; 13] = [
    event::CONVERSION_ACTION_CREATED,
    event::CONVERSION_ACTION_ADOPTED,
    event::CONVERSION_ACTION_MAPPED,
    event::CONVERSION_ACTION_UPDATED,
    event::DRIFT_DETECTED,
    event::DRIFT_CORRECTED,
    event::EXTERNAL_RESOURCE_ORPHANED,
    event::EXTERNAL_RESOURCE_DELETED,
    event::RECORDS_REJECTED,
    event::RECONCILE_REQUEST_HANDLED,
    event::LEDGER_REBUILT,
    event::CURSOR_PULLED_BACK,
    event::ORPHAN_NOTE_DROPPED,
];

/// What the client of the Kubernetes API says: an answer without its dump, a failed connection with its reason.
pub fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({})", status.message, status.reason);
    }
    let mut inner = std::error::Error::source(error);
    let mut reason = String::new();
    while let Some(error) = inner {
        reason = error.to_string();
        inner = error.source();
    }
    let outer = error.to_string();
    if reason.is_empty() || outer.contains(&reason) {
        outer
    } else {
        format!("{outer}: {reason}")
    }
}

/// One line about what a Kubernetes Event is about.
pub fn happened(about: &ObjectReference, severity: Severity, reason: &str, note: &str) {
    if !HAPPENINGS.contains(&reason) {
        return;
    }
    let kind = about.kind.as_deref().unwrap_or_default();
    let namespace = about.namespace.as_deref().unwrap_or_default();
    let name = about.name.as_deref().unwrap_or_default();
    let object = format!("{namespace}/{name}");
    match severity {
        Severity::Normal => tracing::info!(kind, %object, reason, "{}", brief(note)),
        Severity::Warning => tracing::warn!(kind, %object, reason, "{}", brief(note)),
    }
}

/// One line where an account is not the one that it was: after each start of the process it counts as such.
pub fn account_changed<K: Object>(object: &K) {
    tracing::info!(
        kind = K::KIND,
        object = %object.key(),
        "the account's manifest or Secret is another one: its credentials are read anew"
    );
}

/// One line where conditions changed between two statuses of an object, as JSON.
pub fn conditions<K: Object>(object: &K, before: &Value, after: &Value) {
    let (changed, message) = changes(before, after);
    if !changed.is_empty() {
        tracing::info!(kind = K::KIND, object = %object.key(), changed = changed.join(", "), "{}", brief(message));
    }
}

/// The conditions that changed in more than words, and the words of the one that matters most: what is stalled, else what
/// fails, else Ready's.
fn changes(before: &Value, after: &Value) -> (Vec<String>, String) {
    let (old, new) = (list(before), list(after));
    let same = |a: &Value, b: &Value| a["type"] == b["type"];
    let text = |c: &Value, member: &str| c[member].as_str().unwrap_or_default().to_owned();
    let mut changed = Vec::new();
    let mut told: Vec<(u8, String)> = Vec::new();
    for now in new {
        let was = old.iter().find(|was| same(was, now));
        if was.is_some_and(|was| was["status"] == now["status"] && was["reason"] == now["reason"]) {
            continue;
        }
        let (type_, status) = (text(now, "type"), text(now, "status"));
        let weight = match type_.as_str() {
            condition::STALLED => 0,
            condition::READY if status == "True" => 2,
            _ if status == "False" => 1,
            _ => 3,
        };
        told.push((weight, text(now, "message")));
        changed.push(format!("{type_}={status}/{}", text(now, "reason")));
    }
    let gone = old.iter().filter(|was| !new.iter().any(|now| same(was, now)));
    changed.extend(gone.map(|was| format!("{} is over", text(was, "type"))));
    told.sort_by_key(|(weight, _)| *weight);
    let message = told.into_iter().map(|(_, message)| message).next();
    (changed, message.unwrap_or_default())
}

fn list(status: &Value) -> &[Value] {
    status["conditions"].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn status(conditions: &[(&str, &str, &str, &str)]) -> Value {
        let of = |(type_, status, reason, message): &(&str, &str, &str, &str)| json!({"type": type_, "status": status, "reason": reason, "message": message});
        json!({"conditions": conditions.iter().map(of).collect::<Vec<_>>()})
    }

    #[rstest]
    #[case::first(&[], &[("Ready", "True", "Ready", "all is well")], &["Ready=True/Ready"], "all is well")]
    #[case::words_alone(
        &[("Ready", "True", "Ready", "1 of 2")],
        &[("Ready", "True", "Ready", "2 of 2")],
        &[],
        ""
    )]
    #[case::reason(
        &[("Ready", "False", "A", "a")],
        &[("Ready", "False", "B", "b")],
        &["Ready=False/B"],
        "b"
    )]
    #[case::stalled_matters_most(
        &[("Ready", "True", "Ready", "r")],
        &[("Ready", "False", "X", "r"), ("Stalled", "True", "X", "what to do")],
        &["Ready=False/X", "Stalled=True/X"],
        "what to do"
    )]
    #[case::over(
        &[("Ready", "False", "X", "r"), ("Stalled", "True", "X", "s")],
        &[("Ready", "True", "Ready", "well again")],
        &["Ready=True/Ready", "Stalled is over"],
        "well again"
    )]
    fn a_line_for_what_changed(
        #[case] before: &[(&str, &str, &str, &str)],
        #[case] after: &[(&str, &str, &str, &str)],
        #[case] changed: &[&str],
        #[case] message: &str,
    ) {
        let (found, words) = changes(&status(before), &status(after));
        assert_eq!(
            (found, words.as_str()),
            (changed.iter().map(|c| (*c).to_owned()).collect(), message)
        );
    }

    #[test]
    fn the_kubernetes_api_is_quoted_once() {
        let status = kube::core::Status {
            message: "secrets is forbidden".into(),
            reason: "Forbidden".into(),
            code: 403,
            ..kube::core::Status::default()
        };
        let text = words(&kube::Error::Api(Box::new(status)));
        assert_eq!(text, "secrets is forbidden (Forbidden)");
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let text = words(&kube::Error::Service(Box::new(refused)));
        assert_eq!(text, "ServiceError: connection refused");
    }

    #[test]
    fn an_object_without_a_status_had_no_conditions() {
        let after = status(&[("Ready", "True", "Ready", "r")]);
        assert_eq!(changes(&Value::Null, &after).0, ["Ready=True/Ready"]);
    }
}
