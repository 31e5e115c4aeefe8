//! `/v1/events/NAMESPACE/NAME/explain`: the life of one contact under an event.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use super::answer::AdminRefusal;
use super::asked_contact::{ASK_SO, ContactQuestion, NOT_ASKED, TOO_LONG, asked_contact};
use super::contact::{FoundContact, read_contact};
use super::conversions::{ConversionView, counted_stream, to_conversion};
use super::deals::read_deals;
use super::nameless::{describe_nameless, nameless_submissions};
use super::patience::Patience;
use super::source::{Admin, Source};
use crate::domain::contact::{Contact, Deal};
use crate::domain::eligibility::Occurrence;
use crate::domain::explained_value::ValueFacts;
use crate::domain::explanation::{self, ExplanationLine, ExplanationRules, WaitingConversion};
use crate::domain::ids::{ContactId, ObjectKey};
use crate::domain::outcome::Outcome;
use crate::domain::sending_story::{Sending, describe_earlier, explain_sending};
use crate::ports::ledger::view::{ConversionQuery, ListedConversion, MAX_PAGE};
use crate::registry::{CountedStream, Event, HubSpotAccount, Readiness};

/// The life of a contact under an event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) contact_id: Option<String>,
    /// Further ids of it, from before merges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) merged_ids: Vec<String>,
    /// What concerns all of it.
    pub(super) notes: Vec<String>,
    /// Oldest first.
    pub(super) entries: Vec<ExplainedEntry>,
}

/// An entry into the stage, or a submission of the form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExplainedEntry {
    pub(super) time: Timestamp,
    /// What the ledger has of it; absent if it is no conversion, or not seen yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) conversion: Option<ConversionView>,
    pub(super) lines: Vec<ExplainedLine>,
}

/// One thing that was looked at, and what was found.
#[derive(Debug, Serialize)]
pub(super) struct ExplainedLine {
    pub(super) about: &'static str,
    pub(super) says: String,
}

impl From<ExplanationLine> for ExplainedLine {
    fn from(line: ExplanationLine) -> Self {
        Self {
            about: line.about,
            says: line.says,
        }
    }
}

pub(super) async fn explain_contact(
    State(admin): State<Admin>,
    Path((namespace, name)): Path<(String, String)>,
    question: Result<Json<ContactQuestion>, JsonRejection>,
) -> Result<Json<Explanation>, AdminRefusal> {
    // What was sent may be an address: the words of the rejection may repeat it.
    let why = |rejection: JsonRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => TOO_LONG,
        _ => ASK_SO,
    };
    let question = question
        .map_err(|rejection| AdminRefusal::Malformed(why(rejection).to_owned()))?
        .0;
    let source = admin.source()?;
    explain(&source, &ObjectKey::new(namespace, name), &question)
        .await
        .map(Json)
}

/// Explains one contact.
pub(super) async fn explain(
    source: &Source,
    key: &ObjectKey,
    question: &ContactQuestion,
) -> Result<Explanation, AdminRefusal> {
    let counted = counted_stream(source, key)?;
    let event = source.registry.find_event(key);
    let account = event
        .as_ref()
        .and_then(|event| source.registry.hubspot_account(&event.hubspot));
    let crm = account
        .as_ref()
        .filter(|a| a.readiness == Readiness::Ready)
        .and_then(|a| a.crm.clone());
    let mut notes = Vec::new();
    let patience = Patience::begin();
    let Some(asked) = asked_contact(question, crm.as_deref(), patience).await? else {
        notes.push("HubSpot has no contact with this address.".to_owned());
        return Ok(Explanation::of_nobody(notes));
    };
    let found = if let (Some(event), Some(crm)) = (&event, &crm) {
        read_contact(crm.as_ref(), event, asked, patience, &mut notes).await
    } else {
        notes.push(NOT_ASKED.to_owned());
        FoundContact::Unknown
    };
    let contact = found.shown();
    let lineage = contact.map_or_else(|| vec![asked], Contact::lineage);
    let (earlier, listed): (Vec<_>, Vec<_>) = list_of(source, counted, &lineage)
        .await?
        .into_iter()
        .partition(|row| row.occurred_at < counted.start);
    // Only conversions have a value.
    let deals = match (&event, &crm, contact) {
        (Some(event), Some(crm), Some(contact)) if !listed.is_empty() => {
            read_deals(crm.as_ref(), &event.rules, contact, patience, &mut notes).await
        }
        _ => None,
    };
    let parts = EntryParts {
        source,
        counted,
        event: event.as_deref(),
        account: account.as_ref(),
        deals: deals.as_deref(),
    };
    let entries = parts.entries(&found, &listed, &earlier);
    if entries.is_empty() {
        notes.push(parts.why_nothing(contact.is_some()).await?);
    }
    let current = contact.map_or(asked, |contact| contact.id);
    Ok(Explanation {
        contact_id: Some(current.to_string()),
        merged_ids: lineage
            .iter()
            .filter(|id| **id != current)
            .map(ToString::to_string)
            .collect(),
        notes,
        entries,
    })
}

impl Explanation {
    fn of_nobody(notes: Vec<String>) -> Self {
        Self {
            contact_id: None,
            merged_ids: Vec::new(),
            notes,
            entries: Vec::new(),
        }
    }
}

/// What the ledger has of these contacts.
async fn list_of(
    source: &Source,
    counted: CountedStream,
    contacts: &[ContactId],
) -> Result<Vec<ListedConversion>, AdminRefusal> {
    let query = ConversionQuery {
        stream: counted.stream,
        // What lies before the start was perhaps sent for an earlier event of the same conversion action.
        since: Timestamp::MIN,
        outcome: None,
        contacts: contacts.to_vec(),
        after: None,
        limit: MAX_PAGE,
    };
    Ok(source.ledger.list_conversions(&query).await?.conversions)
}

struct EntryParts<'a> {
    source: &'a Source,
    counted: CountedStream,
    event: Option<&'a Event>,
    account: Option<&'a HubSpotAccount>,
    /// Those of the contact, if they were read.
    deals: Option<&'a [Deal]>,
}

impl EntryParts<'_> {
    /// Entries that the history shows, then those that only the ledger has; oldest first.
    /// `earlier`: what the ledger has from before the event's start.
    fn entries(
        &self,
        found: &FoundContact,
        listed: &[ListedConversion],
        earlier: &[ListedConversion],
    ) -> Vec<ExplainedEntry> {
        let mut entries = Vec::new();
        let stage = self.event.and_then(|event| event.trigger.stage());
        if let (Some(contact), Some(stage)) = (found.shown(), stage) {
            for entry in explanation::stage_story(contact, stage, self.counted.start) {
                let known = listed.iter().find(|row| row.occurred_at == entry.at);
                let before = earlier.iter().find(|row| row.occurred_at == entry.at);
                match entry.why_not {
                    Some(why) if known.is_none() => {
                        let sent = before.map_or("", |row| describe_earlier(row.outcome));
                        entries.push(not_counted(entry.at, "no conversion", format!("{why}{sent}")));
                    }
                    _ if known.is_none() => entries.push(not_counted(entry.at, NOT_YET, NOT_SEEN.to_owned())),
                    _ => {}
                }
            }
        }
        entries.extend(listed.iter().map(|row| self.entry_of(found, row)));
        entries.sort_by_key(|entry| entry.time);
        entries
    }

    fn entry_of(&self, found: &FoundContact, row: &ListedConversion) -> ExplainedEntry {
        let conversion = to_conversion(row, self.counted.gates, self.source.clock.now());
        let mut lines: Vec<ExplanationLine> = Vec::new();
        match (found, self.event) {
            (FoundContact::Shown(contact), Some(event)) => {
                lines.extend(self.contact_lines(contact, event, row, &conversion));
            }
            (FoundContact::Deleted, Some(_)) if row.outcome == Outcome::Pending => {
                lines.push(explanation::decide_gone());
            }
            _ => {}
        }
        lines.extend(sending_lines(row));
        ExplainedEntry {
            time: row.occurred_at,
            conversion: Some(conversion),
            lines: lines.into_iter().map(ExplainedLine::from).collect(),
        }
    }

    /// What a fresh read of the contact says, and what it was or would be decided by.
    fn contact_lines(
        &self,
        contact: &Contact,
        event: &Event,
        row: &ListedConversion,
        conversion: &ConversionView,
    ) -> Vec<ExplanationLine> {
        let time = self.source.clock.known_time();
        let rules = self.rules(event, row);
        let occurrence = Occurrence {
            at: row.occurred_at,
            first_seen: row.record.as_ref().map_or(row.occurred_at, |record| record.first_seen),
        };
        let decided = row
            .record
            .as_ref()
            .and_then(|record| explanation::explain_decision(row.outcome, record.changed_at));
        let mut lines: Vec<_> = decided.into_iter().collect();
        lines.extend(if event.rules.trigger_kind.is_form() {
            explanation::explain_submission(contact, row.occurred_at, row.outcome, &rules)
        } else {
            explanation::explain_entry(contact, occurrence, &rules, time.now)
        });
        if row.outcome == Outcome::Pending {
            let waiting = WaitingConversion {
                occurrence,
                named: row.submission.is_some(),
                reason: conversion.reason.as_deref().unwrap_or_default(),
                next: conversion.next_time,
            };
            lines.push(explanation::decide_now(contact, &waiting, &rules, time));
        }
        lines
    }

    fn rules<'b>(&'b self, event: &'b Event, row: &'b ListedConversion) -> ExplanationRules<'b> {
        let portal = self.account.and_then(|account| account.portal.as_ref());
        let recorded = row.record.as_ref().and_then(|record| record.value.as_ref());
        ExplanationRules {
            event: &event.rules,
            entry_waits: &self.source.entry_waits,
            submission_waits: &self.source.submission_waits,
            window: event.action.as_ref().and_then(|action| action.click_window),
            region: self.account.and_then(|account| account.default_region.as_deref()),
            worth: ValueFacts {
                deals: self.deals,
                company_currency: portal.map_or("", |portal| portal.company_currency.as_str()),
                recorded: recorded.map(|(amount, currency)| (*amount, currency.as_str())),
            },
        }
    }

    /// Why there is no entry at all.
    async fn why_nothing(&self, read: bool) -> Result<String, AdminRefusal> {
        let start = self.counted.start;
        match self.event {
            Some(event) if event.rules.trigger_kind.is_form() => {
                let known = format!("No submission of the form by this contact since {start:.0} is known.");
                let nameless = describe_nameless(&nameless_submissions(self.source, self.counted).await?);
                Ok(format!("{known} {nameless}"))
            }
            Some(_) if read => {
                Ok("The contact's history in HubSpot does not show that it ever reached the stage.".to_owned())
            }
            _ => Ok(format!(
                "The ledger has no conversion of this contact since {start:.0}."
            )),
        }
    }
}

/// The request and the answer, as long as they are kept.
fn sending_lines(row: &ListedConversion) -> impl Iterator<Item = ExplanationLine> {
    let explained = row.record.as_ref().map(|record| {
        explain_sending(&Sending {
            outcome: row.outcome,
            reason: &row.reason,
            code: &row.detail,
            sent: record.sent,
            value: record
                .value
                .as_ref()
                .map(|(amount, currency)| (*amount, currency.as_str())),
            request_id: record.request_id.as_deref(),
            changed_at: record.changed_at,
            due: record.due,
            attempts: record.attempts,
        })
    });
    explained.into_iter().flatten()
}

/// What an entry is about that becomes a conversion, but is none yet.
pub(super) const NOT_YET: &str = "not seen yet";
const NOT_SEEN: &str = "The operator has not seen it yet. It becomes a conversion with one of the next polls, or, if HubSpot recorded \
                        it with an older time, with the next search for such changes (--sweep-interval).";

fn not_counted(time: Timestamp, about: &'static str, why: String) -> ExplainedEntry {
    ExplainedEntry {
        time,
        conversion: None,
        lines: vec![ExplainedLine { about, says: why }],
    }
}
