//! One event: what it declares, how it is doing, and what became of its conversions.

use jiff::Timestamp;
use maud::{Markup, html};

use super::chart::days_chart;
use super::conversions::address;
use super::frame::{ask_form, page, state_mark, trail};
use super::table::{Cells, card_table};
use crate::admin::events::EventDetails;
use crate::api::reasons::condition;
use crate::api::{AdConversionEventStatus, Condition, OutcomeReason, SyncStatus};
use crate::domain::conditions::find_condition;
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::reason::OTHER;

/// The page of an event.
pub(super) fn event_page(event: &EventDetails, now: Timestamp) -> Markup {
    let status = &event.status;
    let ready = find_condition(&status.conditions, condition::READY);
    let title = format!("{}/{}", event.namespace, event.name);
    let key = ObjectKey::new(&event.namespace, &event.name);
    let content = html! {
        (trail(&event.namespace, None, &event.name))
        h1 { (title) }
        p {
            (state_mark(ready.map_or("Unknown", |ready| &ready.status))) " "
            @match ready {
                Some(ready) => (ready.message),
                None => "No operator has looked at it yet.",
            }
        }
        @if let Some(sync) = &status.sync { (counts(&key, sync)) }
        (ask_form(&event.namespace, &event.name))
        h2 { "By day" }
        (days_chart(&event.days))
        @if let Some(sync) = &status.sync { (reasons(&key, sync)) (errors(sync)) }
        (attribution(status))
        h2 { "Conditions" }
        (conditions(status))
        h2 { "As declared" }
        pre tabindex="0" { (declared(event)) }
        p.small { "As of " (format!("{now:.0}")) "." }
    };
    page(&title, &content)
}

/// Each number leads to the conversions that it counts.
fn counts(key: &ObjectKey, sync: &SyncStatus) -> Markup {
    let all = [
        ("Observed", "", sync.observed),
        ("Uploaded", "Uploaded", sync.uploaded),
        ("Processing", "Processing", sync.processing),
        ("Pending", "Pending", sync.pending),
        ("Skipped", "Skipped", sync.skipped),
        ("Rejected", "Rejected", sync.rejected),
    ];
    html! {
        dl.counts {
            @for (name, outcome, count) in all {
                div { dt { (name) } dd { (count_link(key, outcome, "", count, name)) } }
            }
        }
        @if let Some(start) = &sync.start_time { p.small { "Counted since " (format!("{:.0}", start.0)) "." } }
    }
}

/// A count that leads to the list behind it. What is none has
/// no list. `of`: what is counted, for those who hear it alone.
fn count_link(key: &ObjectKey, outcome: &str, reason: &str, count: i64, of: &str) -> Markup {
    html! {
        @if count == 0 { "0" }
        @else { a href=(address(key, outcome, reason, "")) aria-label={ (count) " " (of) ": list them" } { (count) } }
    }
}

const REASONS: [(&str, Cells); 4] = [
    ("Outcome", Cells::Text),
    ("Reason", Cells::Heading),
    ("Conversions", Cells::Number),
    ("What it means, and what to do", Cells::Text),
];

fn reasons(key: &ObjectKey, sync: &SyncStatus) -> Markup {
    let row = |of: &OutcomeReason| {
        let outcome = format!("{:?}", of.outcome);
        // What was added up under this name is found by none.
        let reason = if of.reason == OTHER { "" } else { &of.reason };
        vec![
            html! { (outcome) },
            html! { (of.reason) },
            count_link(key, &outcome, reason, of.count, &format!("{outcome}, {}", of.reason)),
            html! { (of.message.as_deref().unwrap_or_default()) },
        ]
    };
    let rows: Vec<_> = sync.reasons.iter().map(row).collect();
    html! {
        h2 { "Reasons" }
        @if rows.is_empty() {
            p { "Nothing waits, and nothing was skipped or rejected." }
        } @else {
            (card_table("Reasons", "Conversions by outcome and reason", &REASONS, &rows))
        }
    }
}

fn errors(sync: &SyncStatus) -> Markup {
    html! {
        @if !sync.last_errors.is_empty() {
            h2 { "Last errors" }
            ul {
                @for error in &sync.last_errors {
                    li {
                        time datetime=(error.time.0.to_string()) { (format!("{:.0}", error.time.0)) } " "
                        strong { (error.reason) }
                        @if let Some(contact) = &error.contact_id { ", contact " (contact) }
                        ": " (error.message)
                    }
                }
            }
        }
    }
}

fn attribution(status: &AdConversionEventStatus) -> Markup {
    html! {
        @if let Some(attribution) = &status.attribution {
            h2 { "What Google attributes" }
            p {
                "All conversions: " strong { (attribution.all_conversions.as_deref().unwrap_or("–")) }
                ", of which count for bidding: " strong { (attribution.conversions.as_deref().unwrap_or("–")) }
                @if let Some(start) = &attribution.start_time { ", since " (format!("{:.0}", start.0)) }
                ". Uploaded by this operator: " strong { (status.sync.as_ref().map_or(0, |sync| sync.uploaded)) }
                ", since its own start. Google attributes only conversions of clicks that it knows, and some days later."
            }
        }
    }
}

const CONDITIONS: [(&str, Cells); 4] = [
    ("Condition", Cells::Heading),
    ("Status", Cells::Text),
    ("Reason", Cells::Text),
    ("Message", Cells::Text),
];

fn conditions(status: &AdConversionEventStatus) -> Markup {
    let row = |of: &Condition| {
        [&of.type_, &of.status, &of.reason, &of.message]
            .map(|text| html! { (text) })
            .to_vec()
    };
    let rows: Vec<_> = status.conditions.iter().map(row).collect();
    card_table("Conditions", "Conditions of the event", &CONDITIONS, &rows)
}

fn declared(event: &EventDetails) -> String {
    serde_yaml::to_string(&event.spec).unwrap_or_else(|_| "It can't be shown as YAML.".to_owned())
}
