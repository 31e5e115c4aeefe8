//! A plan for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::changes::FieldChange;
use super::counts::{PlanCounts, PlannedOutcome, PlannedReason};
use super::report::{ActionChange, ActionPlan, EventPlan, Plan, RefusedObject};
use crate::cli::layout::{Hung, Width};
use crate::cli::offline::UNJUDGED;
use crate::cli::output::{foreign, printable};
use crate::domain::brief::{counted, first_names};

/// Most days of one event that are printed; `-o json` has all.
const MAX_DAYS: usize = 31;
/// Blanks before what is said of an event.
const INDENT: u16 = 2;

/// How people see a plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlanStyle {
    pub(super) width: Width,
    /// A line for each event, and what stands in the way.
    pub(super) short: bool,
}

/// The whole plan.
pub(super) fn plan_text(plan: &Plan, style: PlanStyle) -> String {
    let width = style.width;
    let mut parts = Vec::new();
    if plan.events.is_empty() && plan.refused.is_empty() {
        parts.push("The files contain no event, so there is nothing to plan.".to_owned());
    }
    if style.short && !plan.events.is_empty() {
        parts.push(short_table(&plan.events, width));
        parts.extend(plan.events.iter().filter_map(|event| in_the_way(event, width)));
        parts.extend(not_read(&plan.events).map(|says| width.paragraph(&says)));
        parts.extend(unread(&plan.events).into_iter().map(|(says, names)| {
            let names = first_names(&names);
            width.paragraph(&format!("{names}, not read: {}", printable(&says)))
        }));
        parts.extend(unasked(&plan.events).map(|(says, names)| {
            let names = first_names(&names);
            width.paragraph(&format!("{names}, sent so far: {}", printable(says)))
        }));
        let mut notes = plan.events.iter().flat_map(|event| &event.notes);
        let unjudged = notes.find(|note| *note == UNJUDGED);
        parts.extend(unjudged.map(|note| width.paragraph(note)));
    } else {
        parts.extend(plan.events.iter().flat_map(|event| event_parts(event, width)));
    }
    for goal in &plan.account_goals {
        parts.push(width.paragraph(&format!(
            "The goal {} / {} of Google Ads account {} would be made biddable for the whole account.",
            foreign(&goal.category),
            foreign(&goal.origin),
            goal.customer_id
        )));
    }
    parts.extend(plan.refused.iter().map(|refused| refused_text(refused, width)));
    let unsaid = plan.unanswered.iter().filter(|why| !is_said(plan, why, style.short));
    parts.extend(unsaid.map(|why| width.paragraph(&format!("not known: {}", printable(why)))));
    if plan.limited {
        parts.push(width.paragraph("HubSpot has more than --limit allows: the counts above are too small."));
    }
    parts.join("\n\n") + "\n"
}

fn refused_text(refused: &RefusedObject, width: Width) -> String {
    let file = refused.file.as_deref().map(printable).unwrap_or_default();
    let place = match refused.document {
        Some(number) => format!("{file}, document {number}: "),
        None if file.is_empty() => file,
        None => format!("{file}: "),
    };
    let object = match printable(&refused.object) {
        none if none.is_empty() => none,
        object => format!("{object}: "),
    };
    width.paragraph(&format!("{place}{object}{}", printable(&refused.message)))
}

fn short_table(events: &[EventPlan], width: Width) -> String {
    let headings = [
        "EVENT",
        "ACTION",
        "WOULD BE SENT",
        "ALREADY SENT",
        "PENDING",
        "SKIPPED",
        "REJECTED",
    ];
    let row = |event: &EventPlan| {
        let counts = &event.conversions;
        let known = |count: u64, known: bool| if known { count.to_string() } else { "?".to_owned() };
        vec![
            format!("{}/{}", event.namespace, event.name),
            format!("{:?}", event.conversion_action.change),
            known(counts.would_be_sent, counts.known),
            known(counts.already_sent, event.already_sent.known && counts.known),
            known(counts.pending, counts.known),
            known(counts.skipped, counts.known),
            known(counts.rejected, counts.known),
        ]
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    width.table(&headings, headings.len(), &rows)
}

/// True if what is printed of an event says so already.
fn is_said(plan: &Plan, why: &str, short: bool) -> bool {
    let said = |event: &EventPlan| {
        let of_sent = event.already_sent.message.contains(why) && (!short || hides_sent(event));
        of_sent || (!short && event.notes.iter().any(|note| note.contains(why)))
    };
    plan.events.iter().any(said)
}

/// The table has a `?` that nothing else explains.
const fn hides_sent(event: &EventPlan) -> bool {
    !event.already_sent.known && event.conversions.known
}

/// Said of conversions that nobody looked for.
const NOT_READ: &str = "HubSpot was not asked for conversions, because the event would not be ready.";
const INCOMPLETE: &str = "Which conversions there are is not known, because not everything could be read.";

/// Why it is not known which conversions there are.
const fn why_unread(event: &EventPlan) -> Option<&'static str> {
    match (event.conversions.known, event.unread.is_empty()) {
        (true, _) => None,
        (false, true) => Some(NOT_READ),
        (false, false) => Some(INCOMPLETE),
    }
}

/// The events whose conversions nobody looked for.
fn not_read(events: &[EventPlan]) -> Option<String> {
    let of = events.iter().filter(|event| why_unread(event) == Some(NOT_READ));
    let names: Vec<_> = of.map(|event| format!("{}/{}", event.namespace, event.name)).collect();
    (!names.is_empty()).then(|| format!("{}: {NOT_READ}", first_names(&names)))
}

/// Why nobody could be asked what was sent, and the events of which that holds.
fn unasked(events: &[EventPlan]) -> impl Iterator<Item = (&str, Vec<String>)> {
    let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for event in events.iter().filter(|event| hides_sent(event)) {
        let name = format!("{}/{}", event.namespace, event.name);
        all.entry(&event.already_sent.message).or_default().push(name);
    }
    all.into_iter()
}

/// What could not be read, and the events of which that holds.
fn unread(events: &[EventPlan]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in events {
        for unread in &event.unread {
            let says = format!("{} of {}: {}", unread.what, unread.service, unread.message);
            let names = all.entry(says).or_default();
            names.push(format!("{}/{}", event.namespace, event.name));
        }
    }
    all
}

/// What keeps an event from being ready.
fn in_the_way(event: &EventPlan, width: Width) -> Option<String> {
    let why = obstacle(event)?;
    Some(width.paragraph(&format!("{}/{}: {why}", event.namespace, event.name)))
}

fn obstacle(event: &EventPlan) -> Option<String> {
    (event.ready != "True").then(|| printable(&format!("{}: {}", event.reason, event.message)))
}

/// What is said of one event, in parts with a blank line between.
fn event_parts(event: &EventPlan, width: Width) -> Vec<String> {
    let mut rows: Vec<Hung> = Vec::new();
    if let Some(why) = obstacle(event) {
        let about = if event.ready == "False" { "not ready" } else { "unknown" };
        rows.push(Hung::new(about, why));
    }
    for unread in &event.unread {
        let what = format!("{} of {}: {}", unread.what, unread.service, unread.message);
        rows.push(Hung::new("not read", printable(&what)));
    }
    rows.extend(facts(event));
    let title = format!("Event {}/{}\n", event.namespace, event.name);
    let mut parts = vec![title + &width.hang(INDENT, rows)];
    if !event.conversion_action.fields.is_empty() {
        parts.push(fields_table(&event.conversion_action.fields, width));
    }
    match why_unread(event) {
        Some(says) => parts.push(width.paragraph(says)),
        None => parts.extend(counts_parts(&event.conversions, event.unread.is_empty(), width)),
    }
    parts
}

fn facts(event: &EventPlan) -> Vec<Hung> {
    let mut rows = Vec::new();
    if let Some(trigger) = &event.trigger {
        let (kind, id) = match (&trigger.stage, &trigger.form_id) {
            (Some(stage), _) => ("lifecycle stage", stage.as_str()),
            (None, form) => ("form", form.as_deref().unwrap_or_default()),
        };
        let label = trigger.label.as_deref().map(|label| format!(" ({})", foreign(label)));
        let says = format!("{kind} {}{}", foreign(id), label.unwrap_or_default());
        rows.push(Hung::new("trigger", says));
    }
    if let Some(start) = event.start_time {
        rows.push(Hung::new(
            "start",
            format!("{start}; conversions before it are not sent"),
        ));
    }
    rows.push(Hung::new(
        "action",
        printable(&action_sentence(&event.conversion_action)),
    ));
    rows.push(Hung::new("sent so far", printable(&event.already_sent.message)));
    rows.extend(event.notes.iter().map(|note| Hung::new("note", printable(note))));
    rows
}

fn action_sentence(action: &ActionPlan) -> String {
    let name = foreign(action.name.as_deref().unwrap_or_default());
    let id = action.id.as_deref().unwrap_or_default();
    let account = action.customer_id.as_deref().unwrap_or_default();
    let what = match action.change {
        ActionChange::Create => return format!("{name:?} would be created in Google Ads account {account}"),
        ActionChange::None => {
            let why = action.message.as_deref().unwrap_or_default();
            return format!("nothing would be done. {why}");
        }
        ActionChange::Unknown if id.is_empty() => return "not known, as Google Ads could not be read".to_owned(),
        ActionChange::Unknown => "was used so far. More is not known, as Google Ads could not be read",
        ActionChange::Adopt => "would be taken over",
        ActionChange::Map => "would be used as it is",
        ActionChange::Update => "would be changed",
        ActionChange::Keep => "stays as it is",
    };
    format!("{id} {name:?} of Google Ads account {account} {what}")
}

fn fields_table(fields: &[FieldChange], width: Width) -> String {
    let side = |side: &Option<String>| side.as_deref().map_or_else(|| "-".to_owned(), foreign);
    let row = |change: &FieldChange| vec![change.field.to_owned(), side(&change.from), side(&change.to)];
    let rows: Vec<_> = fields.iter().map(row).collect();
    width.table(&["FIELD", "FROM", "TO"], 3, &rows)
}

fn counts_parts(counts: &PlanCounts, complete: bool, width: Width) -> Vec<String> {
    if counts.observed == 0 {
        return vec![width.paragraph("HubSpot shows no conversion since the start.")];
    }
    let row = |line: &PlannedReason| {
        vec![
            format!("{:?}", line.outcome),
            line.reason.clone().unwrap_or_else(|| "-".to_owned()),
            line.count.to_string(),
            line.first_day.clone(),
            line.last_day.clone(),
        ]
    };
    let rows: Vec<_> = counts.reasons.iter().map(row).collect();
    let mut sums = width.table(&["OUTCOME", "REASON", "COUNT", "FROM", "TO"], 3, &rows);
    for total in &counts.values {
        let count = counted(total.count, "conversion");
        let (total, currency) = (&total.total, &total.currency);
        let _ = write!(sums, "\nValue that would be sent: {total} {currency} with {count}");
    }
    let incomplete = "Incomplete, because not everything could be read:".to_owned();
    let mut parts: Vec<String> = (!complete).then_some(incomplete).into_iter().collect();
    parts.push(sums);
    parts.extend(meanings(counts, width));
    parts.push(days_table(counts, width));
    parts
}

/// What each reason means, and what to do.
fn meanings(counts: &PlanCounts, width: Width) -> Option<String> {
    let of_reason = |line: &PlannedReason| Some((line.reason.clone()?, line.message.clone()?));
    let all: BTreeMap<_, _> = counts.reasons.iter().filter_map(of_reason).collect();
    if all.is_empty() {
        return None;
    }
    let rows = all
        .iter()
        .map(|(reason, message)| Hung::new(reason, printable(message)));
    Some(width.hang(0, rows.collect()))
}

fn days_table(counts: &PlanCounts, width: Width) -> String {
    let mut days: BTreeMap<&str, BTreeMap<PlannedOutcome, u64>> = BTreeMap::new();
    for day in &counts.days {
        *days.entry(&day.day).or_default().entry(day.outcome).or_default() += day.count;
    }
    let row = |(day, counts): (&&str, &BTreeMap<PlannedOutcome, u64>)| {
        let count = |outcome| counts.get(&outcome).copied().unwrap_or_default().to_string();
        vec![
            (*day).to_owned(),
            count(PlannedOutcome::WouldBeSent),
            count(PlannedOutcome::AlreadySent),
            count(PlannedOutcome::Pending),
            count(PlannedOutcome::Skipped),
            count(PlannedOutcome::Rejected),
        ]
    };
    let rows: Vec<_> = days.iter().rev().take(MAX_DAYS).map(row).collect();
    let headings = ["DAY", "WOULD BE SENT", "ALREADY SENT", "PENDING", "SKIPPED", "REJECTED"];
    let mut table = width.table(&headings, headings.len(), &rows);
    if let Some(more) = days.len().checked_sub(MAX_DAYS).filter(|more| *more > 0) {
        let more = counted(more as u64, "earlier day");
        let _ = write!(table, "\nand {more}, which -o json has");
    }
    table
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
