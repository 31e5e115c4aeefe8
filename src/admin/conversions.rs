//! `/v1/events/NAMESPACE/NAME/conversions`: the conversions behind the counts, page by page.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::answer::AdminRefusal;
use super::cursor;
use super::parameters::{read_limit, refuse_parameters};
use super::source::{Admin, Source};
use crate::domain::counts::{EventGates, rejection_message};
use crate::domain::ids::{ContactId, ObjectKey};
use crate::domain::outcome::{Outcome, PROCESSED, explain_reason};
use crate::ports::ledger::view::{ConversionQuery, ListedConversion, MAX_PAGE};
use crate::registry::CountedStream;

/// Most pages of the ledger that are looked through for one page of an answer.
const MAX_LOOKS: usize = 20;

/// Which conversions to list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Parameters {
    pub(super) outcome: Option<String>,
    pub(super) reason: Option<String>,
    /// Of the stage change or submission; RFC 3339.
    pub(super) since: Option<String>,
    /// Of the last change of outcome or reason; RFC 3339.
    pub(super) changed_since: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) after: Option<String>,
    pub(super) limit: Option<String>,
}

/// Some of the conversions.
#[derive(Debug, Serialize)]
pub(super) struct ConversionList {
    pub(super) conversions: Vec<ConversionView>,
    /// For `after` of the next request; absent at the end. A page may be short, or empty, and not the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A conversion as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConversionView {
    /// When the stage was reached, or the form submitted.
    pub(super) time: Timestamp,
    /// What Google knows the conversion by.
    pub(super) transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_id: Option<String>,
    pub(super) outcome: &'static str,
    /// As in `status.sync.reasons`; absent for uploaded ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    /// Google's code, verbatim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
    /// What the reason means, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    /// When the operator saw it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_seen_time: Option<Timestamp>,
    /// When its outcome or reason last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_change_time: Option<Timestamp>,
    /// When it is looked at again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_time: Option<Timestamp>,
    /// How often it was tried in vain since it last moved on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed_tries: Option<u32>,
    /// Google's id of the request whose result it awaits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<String>,
}

pub(super) async fn list_conversions(
    State(admin): State<Admin>,
    Path((namespace, name)): Path<(String, String)>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<ConversionList>, AdminRefusal> {
    let known = "outcome, reason, since, changedSince, contact, after and limit";
    let Query(parameters) = parameters.map_err(|_| refuse_parameters(known))?;
    let source = admin.source()?;
    conversions_of(&source, &ObjectKey::new(namespace, name), &parameters, 0)
        .await
        .map(Json)
}

/// One page of the conversions of an event. Where a look into the ledger finds none, the next one is at twice as many
/// conversions, up to `wide`: then the page may get longer than its limit by as many.
pub(super) async fn conversions_of(
    source: &Source,
    key: &ObjectKey,
    parameters: &Parameters,
    wide: usize,
) -> Result<ConversionList, AdminRefusal> {
    let counted = counted_stream(source, key)?;
    find_conversions(source, Filter::read(parameters, counted)?, wide).await
}

/// What the counts of an event are made of.
pub(super) fn counted_stream(source: &Source, key: &ObjectKey) -> Result<CountedStream, AdminRefusal> {
    if source.objects.find_event(key).is_none() {
        return Err(AdminRefusal::NoSuchEvent(key.clone()));
    }
    source.registry.counted_stream(key).ok_or(AdminRefusal::NotResolved)
}

struct Filter {
    query: ConversionQuery,
    reason: Option<String>,
    changed_since: Option<Timestamp>,
    gates: EventGates,
}

impl Filter {
    fn read(parameters: &Parameters, counted: CountedStream) -> Result<Self, AdminRefusal> {
        let malformed = |what: &str| AdminRefusal::Malformed(what.to_owned());
        let outcome = parameters.outcome.as_deref().map(|name| {
            Outcome::from_name(name)
                .ok_or_else(|| malformed("outcome must be one of Pending, Processing, Uploaded, Skipped and Rejected"))
        });
        let time = |name: &str, text: Option<&str>| {
            text.map(str::parse::<Timestamp>)
                .transpose()
                .map_err(|_| malformed(&format!("{name} must be a time like 2026-11-01T00:00:00Z")))
        };
        let since = time("since", parameters.since.as_deref())?;
        let contact = parameters.contact.as_deref().map(|id| {
            id.parse::<ContactId>()
                .map_err(|_| malformed("contact must be the id of a HubSpot contact, a number"))
        });
        let after = parameters.after.as_deref().map(|word| {
            cursor::from_word(word).ok_or_else(|| malformed("after must be what `next` of the page before said"))
        });
        Ok(Self {
            query: ConversionQuery {
                stream: counted.stream,
                since: since.unwrap_or(counted.start).max(counted.start),
                outcome: outcome.transpose()?,
                contacts: contact.transpose()?.into_iter().collect(),
                after: after.transpose()?,
                limit: read_limit(parameters.limit.as_deref(), MAX_PAGE)?,
            },
            reason: parameters.reason.clone(),
            changed_since: time("changedSince", parameters.changed_since.as_deref())?,
            gates: counted.gates,
        })
    }
}

/// One page. The reason that people see follows from more than the row, so the ledger can't filter by it. The time of
/// the last change is no column that the ledger finds rows by.
async fn find_conversions(source: &Source, filter: Filter, wide: usize) -> Result<ConversionList, AdminRefusal> {
    let Filter {
        mut query,
        reason,
        changed_since,
        gates,
    } = filter;
    let (limit, now) = (query.limit, source.clock.now());
    let mut conversions = Vec::new();
    let (mut next, mut found_none) = (None, false);
    for _ in 0..MAX_LOOKS {
        let before = conversions.len();
        let wider = if found_none { wide.min(query.limit * 2) } else { 0 };
        query.limit = (limit - before).max(wider);
        let page = source.ledger.list_conversions(&query).await?;
        let shown = page.conversions.iter().map(|listed| to_conversion(listed, gates, now));
        let found = shown.filter(|c| reason.is_none() || c.reason == reason);
        // What has no time of its last change was settled longer ago than the retention.
        conversions.extend(found.filter(|c| changed_since.is_none() || c.last_change_time >= changed_since));
        found_none = conversions.len() == before;
        next = page.next;
        query.after = page.next;
        if next.is_none() || conversions.len() >= limit {
            break;
        }
    }
    Ok(ConversionList {
        conversions,
        next: next.as_ref().map(cursor::to_word),
    })
}

/// A conversion as the status counts it.
pub(super) fn to_conversion(listed: &ListedConversion, gates: EventGates, now: Timestamp) -> ConversionView {
    let record = listed.record.as_ref();
    let due = record.and_then(|record| record.due);
    let shown = match listed.outcome {
        Outcome::Pending => gates.shown_reason(&listed.reason, due.is_some_and(|due| due <= now)),
        _ => &listed.reason,
    };
    let value = record.and_then(|record| record.value.as_ref());
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ConversionView {
        time: listed.occurred_at,
        transaction_id: listed
            .submission
            .clone()
            .unwrap_or_else(|| listed.transaction.to_string()),
        contact_id: listed.contact.map(|contact| contact.to_string()),
        outcome: listed.outcome.as_str(),
        reason: text(shown).filter(|reason| reason != PROCESSED),
        code: text(&listed.detail).filter(|_| listed.outcome == Outcome::Rejected),
        message: message_of(listed, shown),
        value: value.map(|(amount, _)| amount.to_string()),
        currency: value.map(|(_, currency)| currency.clone()),
        first_seen_time: record.map(|record| record.first_seen),
        last_change_time: record.map(|record| record.changed_at),
        next_time: due,
        failed_tries: record.map(|record| record.attempts).filter(|tries| *tries > 0),
        request_id: record.and_then(|record| record.request_id.clone()),
    }
}

fn message_of(listed: &ListedConversion, shown: &str) -> Option<String> {
    match listed.outcome {
        Outcome::Uploaded => None,
        Outcome::Rejected => Some(rejection_message(shown, &listed.detail)),
        _ => explain_reason(shown).map(str::to_owned),
    }
}

#[cfg(test)]
#[path = "conversions_tests.rs"]
mod tests;
