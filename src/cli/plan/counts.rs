//! Conversions by what would become of them: pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Serialize;

use super::conversion::ConversionEntry;

/// Conversions since the start: `observed = wouldBeSent + alreadySent + pending + skipped + rejected`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanCounts {
    /// False: HubSpot was not asked for them, or did not answer.
    pub(super) known: bool,
    pub(super) observed: u64,
    pub(super) would_be_sent: u64,
    pub(super) already_sent: u64,
    pub(super) pending: u64,
    pub(super) skipped: u64,
    pub(super) rejected: u64,
    /// What those that would be sent are worth together, by currency.
    pub(super) values: Vec<CurrencyTotal>,
    /// By outcome and reason, the largest first.
    pub(super) reasons: Vec<PlannedReason>,
    /// By day (UTC), outcome and reason.
    pub(super) days: Vec<PlannedDay>,
}

/// What conversions are worth in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CurrencyTotal {
    pub(super) currency: String,
    /// A decimal.
    pub(super) total: String,
    pub(super) count: u64,
}

/// What would become of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum PlannedOutcome {
    WouldBeSent,
    AlreadySent,
    Pending,
    Skipped,
    Rejected,
}

/// Conversions of one outcome and reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlannedReason {
    pub(super) outcome: PlannedOutcome,
    /// As in `status.sync.reasons`; absent for those that are sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    pub(super) count: u64,
    pub(super) first_day: String,
    pub(super) last_day: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// Conversions of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlannedDay {
    pub(super) day: String,
    pub(super) outcome: PlannedOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    pub(super) count: u64,
}

/// True if Google has it, or has been sent it.
pub(super) fn is_sent(outcome: &str) -> bool {
    matches!(outcome, "Uploaded" | "Processing")
}

/// What becomes of a conversion, where an operator may have recorded it: what it has ended stays as it is.
fn outcome_of(
    planned: &ConversionEntry,
    recorded: Option<&ConversionEntry>,
) -> (PlannedOutcome, Option<String>, Option<String>) {
    let with = |outcome, of: &ConversionEntry| (outcome, of.reason.clone(), of.message.clone());
    let by_name = |of: &ConversionEntry| match of.outcome.as_str() {
        "Skipped" => with(PlannedOutcome::Skipped, of),
        "Rejected" => with(PlannedOutcome::Rejected, of),
        "Pending" => with(PlannedOutcome::Pending, of),
        _ => (PlannedOutcome::WouldBeSent, None, None),
    };
    match recorded {
        Some(recorded) if is_sent(&recorded.outcome) => (PlannedOutcome::AlreadySent, None, None),
        Some(recorded) if recorded.outcome != "Pending" => by_name(recorded),
        Some(_) | None => by_name(planned),
    }
}

/// Recorded conversions by what a planned one is found under.
struct Recorded<'a> {
    by_id: HashMap<&'a str, &'a ConversionEntry>,
    by_contact: HashMap<(&'a str, Timestamp), &'a ConversionEntry>,
}

impl<'a> Recorded<'a> {
    fn new(recorded: &'a [ConversionEntry]) -> Self {
        let of_contact = |c: &'a ConversionEntry| Some(((c.contact_id.as_deref()?, c.time), c));
        Self {
            by_id: recorded.iter().map(|c| (c.transaction_id.as_str(), c)).collect(),
            by_contact: recorded.iter().filter_map(of_contact).collect(),
        }
    }

    /// The record of the same conversion: contacts that were merged since then may give it another id.
    fn find(&self, planned: &ConversionEntry) -> Option<&'a ConversionEntry> {
        let by_contact = || self.by_contact.get(&(planned.contact_id.as_deref()?, planned.time));
        self.by_id
            .get(planned.transaction_id.as_str())
            .or_else(by_contact)
            .copied()
    }
}

/// Planned conversions with what an operator has recorded of them; then the records that none of them has.
fn with_records<'a>(
    planned: &'a [ConversionEntry],
    recorded: &'a [ConversionEntry],
) -> Vec<(&'a ConversionEntry, Option<&'a ConversionEntry>)> {
    let records = Recorded::new(recorded);
    let mut all: Vec<_> = planned
        .iter()
        .map(|conversion| (conversion, records.find(conversion)))
        .collect();
    let found: HashSet<&str> = all
        .iter()
        .filter_map(|(_, record)| Some(record.as_ref()?.transaction_id.as_str()))
        .collect();
    let hidden = recorded
        .iter()
        .filter(|record| !found.contains(record.transaction_id.as_str()));
    all.extend(hidden.map(|record| (record, Some(record))));
    all
}

/// Counts planned conversions; what an operator has `recorded` of them comes first. What it has recorded and HubSpot
/// does not show any more stays as it is.
pub(super) fn count_conversions(planned: &[ConversionEntry], recorded: &[ConversionEntry]) -> PlanCounts {
    let mut counts = PlanCounts {
        known: true,
        ..PlanCounts::default()
    };
    let mut reasons: BTreeMap<(PlannedOutcome, Option<String>), PlannedReason> = BTreeMap::new();
    let mut days: BTreeMap<(String, PlannedOutcome, Option<String>), u64> = BTreeMap::new();
    let mut values: BTreeMap<String, (Decimal, u64)> = BTreeMap::new();
    for (conversion, record) in with_records(planned, recorded) {
        let (outcome, reason, message) = outcome_of(conversion, record);
        let day = conversion.time.to_zoned(TimeZone::UTC).date().to_string();
        counts.observed += 1;
        *counts.of(outcome) += 1;
        if let (PlannedOutcome::WouldBeSent, Some(value), Some(currency)) =
            (outcome, &conversion.value, &conversion.currency)
        {
            let (total, count) = values.entry(currency.clone()).or_default();
            *total += value.parse::<Decimal>().unwrap_or_default();
            *count += 1;
        }
        *days.entry((day.clone(), outcome, reason.clone())).or_default() += 1;
        let line = reasons
            .entry((outcome, reason.clone()))
            .or_insert_with(|| PlannedReason {
                outcome,
                reason,
                count: 0,
                first_day: day.clone(),
                last_day: day.clone(),
                message,
            });
        line.count += 1;
        line.first_day = line.first_day.clone().min(day.clone());
        line.last_day = line.last_day.clone().max(day);
    }
    counts.reasons = reasons.into_values().collect();
    counts
        .reasons
        .sort_by_key(|line| (line.outcome, std::cmp::Reverse(line.count)));
    let day = |((day, outcome, reason), count)| PlannedDay {
        day,
        outcome,
        reason,
        count,
    };
    counts.days = days.into_iter().map(day).collect();
    let total = |(currency, (total, count)): (String, (Decimal, u64))| CurrencyTotal {
        currency,
        total: total.normalize().to_string(),
        count,
    };
    counts.values = values.into_iter().map(total).collect();
    counts
}

impl PlanCounts {
    const fn of(&mut self, outcome: PlannedOutcome) -> &mut u64 {
        match outcome {
            PlannedOutcome::WouldBeSent => &mut self.would_be_sent,
            PlannedOutcome::AlreadySent => &mut self.already_sent,
            PlannedOutcome::Pending => &mut self.pending,
            PlannedOutcome::Skipped => &mut self.skipped,
            PlannedOutcome::Rejected => &mut self.rejected,
        }
    }
}

#[cfg(test)]
#[path = "counts_tests.rs"]
mod tests;
