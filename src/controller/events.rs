//! Kubernetes Events: on transitions only, never per contact. A failure to publish is logged and nothing else.

use std::time::Duration;

use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};

use super::{Object, log};
use crate::domain::brief::brief;
use crate::domain::conditions::shorten;

/// Longest wait for the Kubernetes API to take an Event.
const LIMIT: Duration = Duration::from_secs(5);
/// Longest note the Kubernetes API takes, in bytes.
const MAX_NOTE: usize = 1024;

/// How much an Event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Something happened as it should.
    Normal,
    /// A person should look.
    Warning,
}

/// Publishes Kubernetes Events. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    recorder: Recorder,
}

impl Events {
    /// `instance` is the name of the pod, where known.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let mut reporter = Reporter::from("adconversion-operator");
        if instance.is_some() {
            reporter.instance = instance;
        }
        Self {
            recorder: Recorder::new(client, reporter),
        }
    }

    /// Publishes an Event about an object. `reason` is one of `api::reasons::event`; `note` is for people and holds
    /// neither a token nor personal data. Repeats within minutes become one Event with a count.
    pub async fn publish<K: Object>(&self, object: &K, severity: Severity, reason: &str, note: &str) {
        self.publish_about(&object.object_ref(&()), severity, reason, note)
            .await;
    }

    /// As [`Self::publish`], for an object of which only the reference is known.
    pub async fn publish_about(
        &self,
        reference: &k8s_openapi::api::core::v1::ObjectReference,
        severity: Severity,
        reason: &str,
        note: &str,
    ) {
        log::happened(reference, severity, reason, note);
        let type_ = match severity {
            Severity::Normal => EventType::Normal,
            Severity::Warning => EventType::Warning,
        };
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(fit(note).to_owned()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        let failure = match tokio::time::timeout(LIMIT, self.recorder.publish(&event, reference)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => brief(error),
            Err(_) => "no answer in time".to_owned(),
        };
        let object = reference.name.as_deref().unwrap_or_default();
        let namespace = reference.namespace.as_deref().unwrap_or_default();
        tracing::warn!(namespace, object, reason, failure, "a Kubernetes Event was not taken");
    }
}

/// At most [`MAX_NOTE`] bytes of a text, cut between characters.
fn fit(note: &str) -> &str {
    // No character is shorter than a byte, so this is at most a small loop for the rest.
    let mut text = shorten(note, MAX_NOTE);
    while text.len() > MAX_NOTE {
        let end = text.char_indices().next_back().map_or(0, |(at, _)| at);
        text = &text[..end];
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_fit() {
        assert_eq!(fit("short"), "short");
        assert_eq!(fit(&"a".repeat(2000)).len(), 1024);
        let wide = "€".repeat(600);
        assert_eq!(fit(&wide).len(), 1023);
    }
}
