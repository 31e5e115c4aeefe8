//! `/v1/events`: which events there are, and one of them whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::answer::AdminRefusal;
use super::event_state::EventState;
use super::parameters::{read_limit, refuse_parameters};
use super::source::{Admin, Source};
use crate::api::reasons::{condition, reason};
use crate::api::{AdConversionEvent, AdConversionEventSpec, AdConversionEventStatus, Condition};
use crate::domain::conditions::find_condition;
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::Outcome;
use crate::ports::ledger::view::DayCount;

/// Most events of one answer.
const MAX_EVENTS: usize = 500;

/// Which events to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParameters {
    pub(super) namespace: Option<String>,
    /// Those in this state, by its name.
    pub(super) state: Option<String>,
    /// Behind this one: `namespace/name`.
    pub(super) after: Option<String>,
    pub(super) limit: Option<String>,
}

/// Some of the events.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventList {
    pub(super) events: Vec<EventSummary>,
    /// For `after` of the next request; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
    /// How many there are on all pages.
    pub(super) total: usize,
}

/// An event in one line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventSummary {
    pub(super) namespace: String,
    pub(super) name: String,
    /// The status of the condition Ready: True, False or Unknown.
    pub(super) ready: String,
    pub(super) reason: String,
    pub(super) message: String,
    /// The message says more than that all is well.
    #[serde(skip)]
    pub(super) has_news: bool,
    /// The stage or form as people know it.
    pub(super) trigger: String,
    /// The name of the conversion action.
    pub(super) conversion_action: String,
    /// It, or one of its accounts.
    pub(super) suspended: bool,
    /// Nothing is done for it until a person acts.
    pub(super) stalled: bool,
    pub(super) observed: i64,
    pub(super) uploaded: i64,
    pub(super) processing: i64,
    pub(super) pending: i64,
    pub(super) skipped: i64,
    pub(super) rejected: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_upload_time: Option<Timestamp>,
}

/// An event as it is declared, its status, and its conversions by day.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventDetails {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) spec: AdConversionEventSpec,
    pub(super) status: AdConversionEventStatus,
    /// In the order of days; days without conversions are left out.
    pub(super) days: Vec<Day>,
}

/// The conversions that happened on one day (UTC), by what has become of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Day {
    /// `2026-11-26`.
    pub(super) day: String,
    #[serde(flatten)]
    pub(super) by_outcome: BTreeMap<&'static str, u64>,
}

pub(super) async fn list_events(
    State(admin): State<Admin>,
    parameters: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Json<EventList>, AdminRefusal> {
    let Query(parameters) = parameters.map_err(|_| refuse_parameters("namespace, state, after and limit"))?;
    page_of(&*admin.source()?, &parameters).map(Json)
}

pub(super) fn page_of(source: &Source, parameters: &ListParameters) -> Result<EventList, AdminRefusal> {
    let state = parameters.state.as_deref().map(|name| {
        let states = "state must be one of Ready, NotReady, Stalled, Suspended and Unknown";
        EventState::from_name(name).ok_or_else(|| AdminRefusal::Malformed(states.to_owned()))
    });
    let state = state.transpose()?;
    let mut all = source.objects.list_events(parameters.namespace.as_deref());
    all.retain(|(_, event)| state.is_none_or(|state| state.is_of(event)));
    let total = all.len();
    let limit = read_limit(parameters.limit.as_deref(), MAX_EVENTS)?;
    let after = parameters.after.as_deref().and_then(|after| after.split_once('/'));
    // As the list is ordered: `a/z` comes before `a-b/a`, which it does not as one text.
    let behind = |key: &ObjectKey| after.is_none_or(|after| (key.namespace.as_str(), key.name.as_str()) > after);
    let mut events: Vec<_> = all.into_iter().filter(|(key, _)| behind(key)).take(limit + 1).collect();
    let more = events.len() > limit;
    events.truncate(limit);
    let last = events.last().map(|(key, _)| key.to_string());
    Ok(EventList {
        events: events.iter().map(|(key, event)| summarize(key, event)).collect(),
        next: last.filter(|_| more),
        total,
    })
}

fn summarize(key: &ObjectKey, event: &AdConversionEvent) -> EventSummary {
    let status = event.status.clone().unwrap_or_default();
    let ready = find_condition(&status.conditions, condition::READY);
    let sync = status.sync.clone().unwrap_or_default();
    let of_ready = |part: fn(&Condition) -> &String| ready.map(part).cloned().unwrap_or_default();
    let trigger = status.trigger.clone();
    EventSummary {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        ready: ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
        reason: of_ready(|ready| &ready.reason),
        message: of_ready(|ready| &ready.message),
        has_news: has_news(&status.conditions),
        trigger: trigger
            .and_then(|t| t.label.or(t.stage).or(t.form_id))
            .unwrap_or_default(),
        conversion_action: status
            .conversion_action
            .and_then(|action| action.name)
            .unwrap_or_default(),
        suspended: EventState::Suspended.is_of(event),
        stalled: EventState::Stalled.is_of(event),
        observed: sync.observed,
        uploaded: sync.uploaded,
        processing: sync.processing,
        pending: sync.pending,
        skipped: sync.skipped,
        rejected: sync.rejected,
        last_upload_time: sync.last_upload_time.map(|time| time.0),
    }
}

/// True if the event is not ready, or if it is and something keeps its conversions from Google all the same.
fn has_news(conditions: &[Condition]) -> bool {
    let ready = find_condition(conditions, condition::READY);
    let fine = ready.is_some_and(|ready| ready.status == "True" && ready.reason == reason::SUCCEEDED);
    let delivering = find_condition(conditions, condition::DELIVERING);
    !fine || delivering.is_some_and(|delivering| delivering.status == "False")
}

pub(super) async fn show_event(
    State(admin): State<Admin>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<EventDetails>, AdminRefusal> {
    let source = admin.source()?;
    describe_event(&source, &ObjectKey::new(namespace, name))
        .await
        .map(Json)
}

/// An event whole.
pub(super) async fn describe_event(source: &Source, key: &ObjectKey) -> Result<EventDetails, AdminRefusal> {
    let event: Arc<AdConversionEvent> = source
        .objects
        .find_event(key)
        .ok_or_else(|| AdminRefusal::NoSuchEvent(key.clone()))?;
    let days = match source.registry.counted_stream(key) {
        Some(counted) => source.ledger.count_days(counted.stream, counted.start).await?,
        None => Vec::new(),
    };
    Ok(EventDetails {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        spec: event.spec.clone(),
        status: event.status.clone().unwrap_or_default(),
        days: to_days(&days),
    })
}

fn to_days(counts: &[DayCount]) -> Vec<Day> {
    let mut days: BTreeMap<Timestamp, BTreeMap<&'static str, u64>> = BTreeMap::new();
    for count in counts {
        let outcomes = days.entry(count.day).or_insert_with(|| {
            let none = |outcome: Outcome| (field_of(outcome), 0);
            Outcome::ALL.into_iter().map(none).collect()
        });
        *outcomes.entry(field_of(count.outcome)).or_default() += count.count;
    }
    let date = |day: Timestamp| day.to_zoned(TimeZone::UTC).date().to_string();
    days.into_iter()
        .map(|(day, by_outcome)| Day {
            day: date(day),
            by_outcome,
        })
        .collect()
}

/// The field of `status.sync` that counts an outcome.
pub(super) const fn field_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pending => "pending",
        Outcome::Processing => "processing",
        Outcome::Uploaded => "uploaded",
        Outcome::Skipped => "skipped",
        Outcome::Rejected => "rejected",
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
