//! Kubernetes Events: on transitions only, never per contact. A failure to publish is logged and nothing else.
//!
//! Not kube's `Recorder`: it names an Event after the whole name of its object, which the
//! API server refuses for names of more than 236 characters, and it counts a repeat by
//! reason alone, so that a second note under a reason is never seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;

use super::object::Object;
use crate::api::reasons::event;
use crate::domain::brief::brief;
use crate::domain::transitions::Announcement;

/// Longest wait for the Kubernetes API to take an Event.
const LIMIT: Duration = Duration::from_secs(5);
/// Cause of a refusal in a namespace that is being deleted.
const NAMESPACE_ENDS: &str = "NamespaceTerminating";
/// Longest note the Kubernetes API takes, in bytes.
const MAX_NOTE: usize = 1024;
/// Longest name of an object, in bytes.
const MAX_NAME: usize = 253;
/// Longest `reportingInstance`, in bytes.
const MAX_INSTANCE: usize = 128;
/// A repeat within this time is counted on the Event that is there. What client-go and kube use.
const SERIES: SignedDuration = SignedDuration::from_mins(6);
/// Most Events that are remembered, as many as client-go does. With thousands of objects a repeat may be a new Event.
const MOST_KNOWN: usize = 4_096;
/// The reporting controller that Kubernetes Events name.
const CONTROLLER: &str = "adconversion-operator";

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

/// How much an Event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Something happened as it should.
    Normal,
    /// A person should look.
    Warning,
}

impl From<&Announcement> for Severity {
    fn from(change: &Announcement) -> Self {
        if change.warning { Self::Warning } else { Self::Normal }
    }
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What makes two Kubernetes Events repeats of one another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct EventIdentity {
    uid: String,
    kind: String,
    namespace: String,
    name: String,
    severity: Severity,
    reason: String,
    note: String,
}

/// An Event that the API server has.
#[derive(Debug, Clone)]
struct KnownEvent {
    name: String,
    count: i32,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct Recent {
    said: HashMap<EventIdentity, KnownEvent>,
    /// Nanoseconds in the newest name: two Events of one instant get two names.
    stamp: i128,
}

/// Publishes Kubernetes Events. Cheap to clone.
#[derive(Clone)]
pub struct EventRecorder {
    client: Client,
    instance: String,
    recent: Arc<Mutex<Recent>>,
}

impl EventRecorder {
    /// `instance` is the name of the pod, if known.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let instance = instance.unwrap_or_else(|| CONTROLLER.to_owned());
        Self {
            client,
            instance: fit_bytes(&instance, MAX_INSTANCE).to_owned(),
            recent: Arc::default(),
        }
    }

    /// Publishes an Event about an object. `reason` is that of the condition that changed, or one of
    /// `api::reasons::event`; `note` is for people and holds neither a token nor personal data. The same Event again
    /// within minutes is counted, not repeated.
    pub async fn publish<K: Object>(&self, object: &K, severity: Severity, reason: &str, note: &str) {
        self.publish_about(&object.object_ref(&()), severity, reason, note)
            .await;
    }

    /// As [`Self::publish`], for an object of which only the reference is known.
    pub async fn publish_about(&self, reference: &ObjectReference, severity: Severity, reason: &str, note: &str) {
        log_line(reference, severity, reason, note);
        let note = fit_bytes(note, MAX_NOTE);
        let failure = match tokio::time::timeout(LIMIT, self.send_event(reference, severity, reason, note)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => brief(error),
            Err(_) => "no answer in time".to_owned(),
        };
        let object = reference.name.as_deref().unwrap_or_default();
        let namespace = reference.namespace.as_deref().unwrap_or_default();
        tracing::warn!(
            namespace,
            object,
            reason,
            failure,
            "a Kubernetes Event could not be published"
        );
    }

    async fn send_event(
        &self,
        reference: &ObjectReference,
        severity: Severity,
        reason: &str,
        note: &str,
    ) -> Result<(), kube::Error> {
        let now = Timestamp::now();
        let said = identity_of(reference, severity, reason, note);
        let namespace = if said.namespace.is_empty() {
            "default"
        } else {
            &said.namespace
        };
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        if let Some(known) = self.with_recent(|recent| recent.find_known(&said, now)) {
            let series = EventSeries {
                count: known.count + 1,
                last_observed_time: MicroTime(now),
            };
            let patch = Patch::Merge(json!({ "series": series }));
            match api.patch(&known.name, &PatchParams::default(), &patch).await {
                Ok(_) => {
                    self.with_recent(|recent| recent.record_sent(said, known.name, series.count, now));
                    return Ok(());
                }
                // Somebody has deleted it: it is published as a new one.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let name = event_name(&said.name, self.with_recent(|recent| recent.next_stamp(now)));
        let event = self.build_event(reference, &said, &name, now);
        api.create(&PostParams::default(), &event).await?;
        self.with_recent(|recent| recent.record_sent(said, name, 1, now));
        Ok(())
    }

    /// True if a namespace takes nothing new because it is being deleted. Asked with a trial of what the operator may
    /// create anyway: namespaces themselves are not for it to read.
    pub async fn namespace_ends(&self, namespace: &str) -> bool {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let trial = Event {
            metadata: ObjectMeta {
                name: Some(format!("{CONTROLLER}.trial")),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..Event::default()
        };
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match tokio::time::timeout(LIMIT, api.create(&parameters, &trial)).await {
            Ok(Err(kube::Error::Api(status))) => status
                .details
                .iter()
                .flat_map(|details| &details.causes)
                .any(|cause| cause.reason == NAMESPACE_ENDS),
            _ => false,
        }
    }

    fn with_recent<T>(&self, f: impl FnOnce(&mut Recent) -> T) -> T {
        f(&mut self.recent.lock())
    }

    fn build_event(&self, reference: &ObjectReference, said: &EventIdentity, name: &str, now: Timestamp) -> Event {
        Event {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: reference.namespace.clone(),
                ..ObjectMeta::default()
            },
            action: Some("Reconcile".to_owned()),
            event_time: Some(MicroTime(now)),
            note: Some(said.note.clone()),
            reason: Some(said.reason.clone()),
            regarding: Some(reference.clone()),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            type_: Some(said.severity.as_str().to_owned()),
            ..Event::default()
        }
    }
}

impl Recent {
    fn find_known(&mut self, said: &EventIdentity, now: Timestamp) -> Option<KnownEvent> {
        self.said.retain(|_, known| now.duration_since(known.at) < SERIES);
        self.said.get(said).cloned()
    }

    fn record_sent(&mut self, said: EventIdentity, name: String, count: i32, at: Timestamp) {
        if self.said.len() >= MOST_KNOWN && !self.said.contains_key(&said) {
            let oldest = self.said.iter().min_by_key(|(_, known)| known.at);
            let oldest = oldest.map(|(said, _)| said.clone());
            oldest.and_then(|oldest| self.said.remove(&oldest));
        }
        self.said.insert(said, KnownEvent { name, count, at });
    }

    fn next_stamp(&mut self, now: Timestamp) -> i128 {
        self.stamp = now.as_nanosecond().max(self.stamp + 1);
        self.stamp
    }
}

/// One line about what a Kubernetes Event is about.
fn log_line(about: &ObjectReference, severity: Severity, reason: &str, note: &str) {
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

fn identity_of(reference: &ObjectReference, severity: Severity, reason: &str, note: &str) -> EventIdentity {
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    EventIdentity {
        uid: of(&reference.uid),
        kind: of(&reference.kind),
        namespace: of(&reference.namespace),
        name: of(&reference.name),
        severity,
        reason: reason.to_owned(),
        note: note.to_owned(),
    }
}

/// The name of an Event, as kube and client-go form it: that of its object, a dot and the time. The name of the object
/// is cut if both together are too long; which object is meant is in the reference, whole.
fn event_name(object: &str, stamp: i128) -> String {
    let end = format!(".{stamp:x}");
    let start = fit_bytes(object, MAX_NAME - end.len()).trim_end_matches(['.', '-']);
    format!("{start}{end}")
}

/// At most so many bytes of a text, cut between characters.
fn fit_bytes(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_fit() {
        assert_eq!(fit_bytes("short", MAX_NOTE), "short");
        assert_eq!(fit_bytes(&"a".repeat(2000), MAX_NOTE).len(), 1024);
        let wide = "€".repeat(600);
        assert_eq!(fit_bytes(&wide, MAX_NOTE).len(), 1023);
    }

    #[test]
    fn names_of_events_fit_whatever_their_object_is_called() {
        let stamp = 1_795_000_000_123_456_789;
        assert_eq!(event_name("won", stamp), "won.18e91efd632f4d15");
        assert_eq!(event_name(&"a".repeat(236), stamp).len(), MAX_NAME);
        assert_eq!(event_name(&"a".repeat(253), stamp).len(), MAX_NAME);
        // A label may end neither with a dot nor with a dash before the dot that we set.
        let awkward = format!("{}.-{}", "a".repeat(234), "b".repeat(17));
        assert_eq!(
            event_name(&awkward, stamp),
            format!("{}.18e91efd632f4d15", "a".repeat(234))
        );
    }

    #[test]
    fn two_events_of_one_instant_have_two_names() {
        let now = Timestamp::UNIX_EPOCH;
        let mut recent = Recent::default();
        let first = recent.next_stamp(now);
        assert!(recent.next_stamp(now) > first);
    }

    #[test]
    fn a_repeat_is_counted_for_six_minutes_and_another_note_is_another_event() {
        let reference = ObjectReference {
            name: Some("won".into()),
            ..ObjectReference::default()
        };
        let now = Timestamp::UNIX_EPOCH;
        let one = identity_of(&reference, Severity::Warning, "SecretInvalid", "key a is missing");
        let mut recent = Recent::default();
        recent.record_sent(one.clone(), "won.1".into(), 1, now);
        let later = |seconds| now + SignedDuration::from_secs(seconds);
        assert_eq!(recent.find_known(&one, later(359)).map(|k| k.count), Some(1));
        let other = identity_of(&reference, Severity::Warning, "SecretInvalid", "key b is missing");
        assert!(recent.find_known(&other, later(1)).is_none());
        assert!(recent.find_known(&one, later(360)).is_none());
    }

    #[test]
    fn of_very_many_events_the_newest_are_remembered() {
        let said = |n: usize| {
            identity_of(
                &ObjectReference::default(),
                Severity::Normal,
                "Succeeded",
                &n.to_string(),
            )
        };
        let at = |n: usize| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(i64::try_from(n).unwrap_or(i64::MAX));
        let mut recent = Recent::default();
        for n in 0..MOST_KNOWN + 10 {
            recent.record_sent(said(n), "won.1".into(), 1, at(n));
        }
        assert_eq!(recent.said.len(), MOST_KNOWN);
        assert!(recent.find_known(&said(9), at(MOST_KNOWN)).is_none());
        assert!(recent.find_known(&said(10), at(MOST_KNOWN)).is_some());
    }
}
