//! A plan for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::changes::FieldChange;
use super::counts::{Counts, Outcome};
use super::report::{ActionChange, ActionPlan, EventPlan, Plan};
use crate::cli::output::{plain_table, printable};

/// Most days of one event that are printed; `-o json` has all.
const MAX_DAYS: usize = 31;

/// The whole plan.
pub(super) fn plan_text(plan: &Plan) -> String {
    let mut text = String::new();
    if plan.events.is_empty() && plan.refused.is_empty() {
        text.push_str("The files hold no event, so that there is nothing to plan.\n");
    }
    for (number, event) in plan.events.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        write_event(&mut text, event);
    }
    for goal in &plan.account_goals {
        let _ = writeln!(
            text,
            "\nThe goal {} / {} of Google Ads account {} would be made biddable for the whole account.",
            printable(&goal.category),
            printable(&goal.origin),
            goal.customer_id
        );
    }
    for refused in &plan.refused {
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
        let _ = writeln!(text, "\n{place}{object}{}", printable(&refused.message));
    }
    for why in plan.unanswered.iter().filter(|why| !is_said(plan, why)) {
        let _ = writeln!(text, "\nnot known: {}", printable(why));
    }
    if plan.limited {
        let _ = writeln!(
            text,
            "\nHubSpot has more than --limit allows: the counts above are too small."
        );
    }
    text
}

/// True if an event's plan says so already.
fn is_said(plan: &Plan, why: &str) -> bool {
    let said = |event: &EventPlan| {
        event.already_sent.message.contains(why) || event.notes.iter().any(|note| note.contains(why))
    };
    plan.events.iter().any(said)
}

fn write_event(text: &mut String, event: &EventPlan) {
    let _ = writeln!(text, "Event {}/{}", event.namespace, event.name);
    if event.ready != "True" {
        let about = if event.unread.is_empty() {
            "not ready"
        } else {
            "unknown"
        };
        write_line(text, about, &format!("{}: {}", event.reason, event.message));
    }
    for unread in &event.unread {
        let what = format!("{} of {}: {}", unread.what, unread.service, unread.message);
        write_line(text, "not read", &what);
    }
    if let Some(trigger) = &event.trigger {
        let (kind, id) = match (&trigger.stage, &trigger.form_id) {
            (Some(stage), _) => ("lifecycle stage", stage.as_str()),
            (None, form) => ("form", form.as_deref().unwrap_or_default()),
        };
        let label = trigger.label.as_deref().map(|label| format!(" ({label})"));
        write_line(text, "trigger", &format!("{kind} {id}{}", label.unwrap_or_default()));
    }
    if let Some(start) = event.start_time {
        write_line(text, "start", &format!("{start}; conversions before it are not sent"));
    }
    write_line(text, "action", &action_sentence(&event.conversion_action));
    write_line(text, "sent so far", &event.already_sent.message);
    for note in &event.notes {
        write_line(text, "note", note);
    }
    write_fields(text, &event.conversion_action.fields);
    write_counts(text, &event.conversions, event.unread.is_empty());
}

fn write_line(text: &mut String, about: &str, says: &str) {
    let _ = writeln!(text, "  {about:<13}{}", printable(says));
}

fn action_sentence(action: &ActionPlan) -> String {
    let name = action.name.as_deref().unwrap_or_default();
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

fn write_fields(text: &mut String, fields: &[FieldChange]) {
    if fields.is_empty() {
        return;
    }
    let mut table = plain_table(&["FIELD", "FROM", "TO"]);
    for change in fields {
        let side = |side: &Option<String>| side.as_deref().map_or_else(|| "-".to_owned(), printable);
        table.add_row([change.field.to_owned(), side(&change.from), side(&change.to)]);
    }
    let _ = writeln!(text, "\n{}", trimmed(&table.to_string()));
}

fn write_counts(text: &mut String, counts: &Counts, complete: bool) {
    if counts.observed == 0 {
        let says = if complete {
            "HubSpot shows no conversion since the start."
        } else {
            "Which conversions there are is not known, because not everything could be read."
        };
        let _ = writeln!(text, "\n{says}");
        return;
    }
    if !complete {
        let _ = writeln!(text, "\nIncomplete, because not everything could be read:");
    }
    let mut table = plain_table(&["OUTCOME", "REASON", "COUNT", "FROM", "TO", "MEANS"]);
    for line in &counts.reasons {
        table.add_row([
            outcome_name(line.outcome).to_owned(),
            line.reason.clone().unwrap_or_else(|| "-".to_owned()),
            line.count.to_string(),
            line.first_day.clone(),
            line.last_day.clone(),
            line.message.as_deref().map(printable).unwrap_or_default(),
        ]);
    }
    let _ = writeln!(text, "\n{}", trimmed(&table.to_string()));
    for total in &counts.values {
        let _ = writeln!(
            text,
            "Value that would be sent: {} {} with {} conversions",
            total.total, total.currency, total.count
        );
    }
    write_days(text, counts);
}

fn write_days(text: &mut String, counts: &Counts) {
    let mut days: BTreeMap<&str, BTreeMap<Outcome, u64>> = BTreeMap::new();
    for day in &counts.days {
        *days.entry(&day.day).or_default().entry(day.outcome).or_default() += day.count;
    }
    let mut table = plain_table(&["DAY", "WOULD BE SENT", "ALREADY SENT", "PENDING", "SKIPPED", "REJECTED"]);
    for (day, counts) in days.iter().rev().take(MAX_DAYS) {
        let count = |outcome| counts.get(&outcome).copied().unwrap_or_default().to_string();
        table.add_row([
            (*day).to_owned(),
            count(Outcome::WouldBeSent),
            count(Outcome::AlreadySent),
            count(Outcome::Pending),
            count(Outcome::Skipped),
            count(Outcome::Rejected),
        ]);
    }
    let _ = writeln!(text, "\n{}", trimmed(&table.to_string()));
    if let Some(more) = days.len().checked_sub(MAX_DAYS).filter(|more| *more > 0) {
        let _ = writeln!(text, "and {more} earlier days, which -o json has");
    }
}

const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::WouldBeSent => "WouldBeSent",
        Outcome::AlreadySent => "AlreadySent",
        Outcome::Pending => "Pending",
        Outcome::Skipped => "Skipped",
        Outcome::Rejected => "Rejected",
    }
}

/// Without blanks at the ends of lines.
fn trimmed(table: &str) -> String {
    let lines: Vec<_> = table.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
