//! What the log says about objects: one line for each change of conditions.

use serde_json::Value;

use super::object::Object;
use crate::api::reasons::condition;
use crate::domain::brief::brief;

/// One line if an account is not the one that it was: after each start of the process it counts as such.
pub fn account_changed<K: Object>(object: &K) {
    tracing::info!(
        kind = K::KIND,
        object = %object.key(),
        "the account's manifest or Secret has changed: its credentials are read again"
    );
}

/// One line if conditions changed between two statuses of an object, as JSON.
pub fn log_conditions<K: Object>(object: &K, before: &Value, after: &Value) {
    let (changed, message) = condition_changes(before, after);
    if !changed.is_empty() {
        tracing::info!(kind = K::KIND, object = %object.key(), changed = changed.join(", "), "{}", brief(message));
    }
}

/// The conditions that changed in more than words, and the words of the
/// one that matters most: what is stalled, else what fails, else Ready's.
fn condition_changes(before: &Value, after: &Value) -> (Vec<String>, String) {
    let (old, new) = (conditions_of(before), conditions_of(after));
    let same = |a: &Value, b: &Value| a["type"] == b["type"];
    let text = |c: &Value, member: &str| c[member].as_str().unwrap_or_default().to_owned();
    let mut changed = Vec::new();
    let mut messages: Vec<(u8, String)> = Vec::new();
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
        messages.push((weight, text(now, "message")));
        changed.push(format!("{type_}={status}/{}", text(now, "reason")));
    }
    let gone = old.iter().filter(|was| !new.iter().any(|now| same(was, now)));
    changed.extend(gone.map(|was| format!("{} is over", text(was, "type"))));
    messages.sort_by_key(|(weight, _)| *weight);
    let message = messages.into_iter().map(|(_, message)| message).next();
    (changed, message.unwrap_or_default())
}

fn conditions_of(status: &Value) -> &[Value] {
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
        let (found, words) = condition_changes(&status(before), &status(after));
        assert_eq!(
            (found, words.as_str()),
            (changed.iter().map(|c| (*c).to_owned()).collect(), message)
        );
    }

    #[test]
    fn an_object_without_a_status_had_no_conditions() {
        let after = status(&[("Ready", "True", "Ready", "r")]);
        assert_eq!(condition_changes(&Value::Null, &after).0, ["Ready=True/Ready"]);
    }
}
