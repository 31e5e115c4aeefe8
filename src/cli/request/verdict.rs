//! Whether the operator has done what was asked of an object, by the rules of kstatus.

use kube::api::DynamicObject;
use serde_json::Value;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// That the operator has looked at the manifest as it is now.
    Spec,
    /// That it has handled the request with this value of the annotation.
    Request(String),
}

/// How an object is, once the operator has come to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ObjectVerdict {
    pub(crate) ready: bool,
    /// Reason and message of the condition Ready, or of Stalled.
    pub(crate) says: String,
}

impl Awaited {
    /// `None` while the operator has not come to it, or is still at it.
    pub(crate) fn judge(&self, object: &DynamicObject) -> Option<ObjectVerdict> {
        let status = &object.data["status"];
        let seen = status["observedGeneration"].as_i64()?;
        if seen < object.metadata.generation? {
            return None;
        }
        if let Self::Request(value) = self
            && status["lastHandledReconcileAt"].as_str() != Some(value)
        {
            return None;
        }
        if let Some(stalled) = condition_of(status, "Stalled").filter(|c| is_true(c)) {
            let says = describe(stalled);
            return Some(ObjectVerdict { ready: false, says });
        }
        if condition_of(status, "Reconciling").is_some_and(is_true) {
            return None;
        }
        let ready = condition_of(status, "Ready")?;
        Some(ObjectVerdict {
            ready: is_true(ready),
            says: describe(ready),
        })
    }
}

/// What an object that did not get ready in time says of itself.
pub(crate) fn describe_ready(object: &DynamicObject) -> Option<String> {
    condition_of(&object.data["status"], "Ready").map(describe)
}

fn condition_of<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut conditions = status["conditions"].as_array()?.iter();
    conditions.find(|condition| condition["type"] == kind)
}

fn is_true(condition: &Value) -> bool {
    condition["status"] == "True"
}

fn describe(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let (reason, message) = (text("reason"), text("message"));
    // Some messages begin with it.
    if message.starts_with(&reason) {
        return message;
    }
    format!("{reason}: {message}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn object(generation: i64, status: &Value) -> DynamicObject {
        serde_json::from_value(
            json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": "x", "generation": generation}, "status": status}),
        )
        .unwrap()
    }

    fn status(observed: i64, conditions: &[(&str, &str)]) -> Value {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status)| json!({"type": kind, "status": status, "reason": "Why", "message": "What to do."}))
            .collect();
        json!({"observedGeneration": observed, "conditions": conditions, "lastHandledReconcileAt": "then"})
    }

    const READY: &[(&str, &str)] = &[("Ready", "True")];

    #[test]
    fn a_reason_that_the_message_begins_with_is_said_once() {
        let condition = json!({"reason": "Suspended", "message": "Suspended: conversions wait."});
        assert_eq!(describe(&condition), "Suspended: conversions wait.");
    }

    #[rstest]
    #[case::ready(Awaited::Spec, 2, status(2, READY), Some(true))]
    #[case::not_looked_at(Awaited::Spec, 3, status(2, READY), None)]
    #[case::never_looked_at(Awaited::Spec, 1, json!({"observedGeneration": -1}), None)]
    #[case::no_status(Awaited::Spec, 1, json!(null), None)]
    #[case::at_it(Awaited::Spec, 2, status(2, &[("Ready", "False"), ("Reconciling", "True")]), None)]
    #[case::failed(Awaited::Spec, 2, status(2, &[("Ready", "False")]), Some(false))]
    #[case::stalled(Awaited::Spec, 2, status(2, &[("Ready", "False"), ("Reconciling", "True"), ("Stalled", "True")]), Some(false))]
    #[case::no_condition(Awaited::Spec, 2, status(2, &[]), None)]
    #[case::handled(Awaited::Request("then".into()), 2, status(2, READY), Some(true))]
    #[case::another_request(Awaited::Request("now".into()), 2, status(2, READY), None)]
    fn an_object_is_judged_once_the_operator_has_come_to_it(
        #[case] awaited: Awaited,
        #[case] generation: i64,
        #[case] status: Value,
        #[case] wanted: Option<bool>,
    ) {
        let verdict = awaited.judge(&object(generation, &status));
        assert_eq!(verdict.as_ref().map(|v| v.ready), wanted);
        if let Some(verdict) = verdict {
            assert_eq!(verdict.says, "Why: What to do.");
        }
    }
}
