//! One event: what it declares, how it is doing, and what became of its conversions.

use jiff::Timestamp;
use maud::{Markup, html};

use super::chart::days_chart;
use super::frame::{ask_form, page, state_mark};
use crate::admin::events::EventDetails;
use crate::api::reasons::condition;
use crate::api::{AdConversionEventStatus, SyncStatus};
use crate::domain::conditions::find_condition;

/// The page of an event.
pub(super) fn event_page(event: &EventDetails, now: Timestamp) -> Markup {
    let status = &event.status;
    let ready = find_condition(&status.conditions, condition::READY);
    let title = format!("{}/{}", event.namespace, event.name);
    let content = html! {
        h1 { (title) }
        p {
            (state_mark(ready.map_or("Unknown", |ready| &ready.status))) " "
            @match ready {
                Some(ready) => (ready.message),
                None => "No operator has looked at it yet.",
            }
        }
        @if let Some(sync) = &status.sync { (counts(sync)) }
        (ask_form(&event.namespace, &event.name))
        h2 { "By day" }
        (days_chart(&event.days))
        @if let Some(sync) = &status.sync { (reasons(sync)) (errors(sync)) }
        (attribution(status))
        h2 { "Conditions" }
        (conditions(status))
        h2 { "As declared" }
        pre tabindex="0" { (declared(event)) }
        p.small { "As of " (format!("{now:.0}")) "." }
    };
    page(&title, &content)
}

fn counts(sync: &SyncStatus) -> Markup {
    let all = [
        ("Observed", sync.observed),
        ("Uploaded", sync.uploaded),
        ("Processing", sync.processing),
        ("Pending", sync.pending),
        ("Skipped", sync.skipped),
        ("Rejected", sync.rejected),
    ];
    html! {
        dl.counts { @for (name, count) in all { div { dt { (name) } dd { (count) } } } }
        @if let Some(start) = &sync.start_time { p.small { "Counted since " (format!("{:.0}", start.0)) "." } }
    }
}

fn reasons(sync: &SyncStatus) -> Markup {
    html! {
        h2 { "Reasons" }
        @if sync.reasons.is_empty() {
            p { "Nothing waits, and nothing was skipped or rejected." }
        } @else {
            div.wide role="region" aria-label="Reasons" tabindex="0" {
                table {
                    caption.hidden { "Conversions by outcome and reason" }
                    thead { tr {
                        th scope="col" { "Outcome" } th scope="col" { "Reason" } th.number scope="col" { "Conversions" }
                        th scope="col" { "What it means, and what to do" }
                    } }
                    tbody {
                        @for reason in &sync.reasons {
                            tr {
                                td { (format!("{:?}", reason.outcome)) }
                                th scope="row" { (reason.reason) }
                                td.number { (reason.count) }
                                td { (reason.message.as_deref().unwrap_or_default()) }
                            }
                        }
                    }
                }
            }
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

fn conditions(status: &AdConversionEventStatus) -> Markup {
    html! {
        div.wide role="region" aria-label="Conditions" tabindex="0" {
            table {
                caption.hidden { "Conditions of the event" }
                thead { tr {
                    th scope="col" { "Condition" } th scope="col" { "Status" } th scope="col" { "Reason" }
                    th scope="col" { "Message" }
                } }
                tbody {
                    @for condition in &status.conditions {
                        tr {
                            th scope="row" { (condition.type_) } td { (condition.status) } td { (condition.reason) }
                            td { (condition.message) }
                        }
                    }
                }
            }
        }
    }
}

fn declared(event: &EventDetails) -> String {
    serde_yaml::to_string(&event.spec).unwrap_or_else(|_| "It can't be shown as YAML.".to_owned())
}
