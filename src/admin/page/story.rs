//! The life of one contact under an event.

use maud::{Markup, html};

use super::frame::{ask_form, page, trail};
use crate::admin::conversions::ConversionView;
use crate::admin::explain::{ExplainedEntry, Explanation};
use crate::domain::ids::ObjectKey;

/// The page of an explanation.
pub(super) fn story_page(event: &ObjectKey, story: &Explanation) -> Markup {
    let title = match &story.contact_id {
        Some(contact) => format!("Contact {contact}"),
        None => "No contact".to_owned(),
    };
    let content = html! {
        (trail(&event.namespace, Some(&event.name), &title))
        h1 { (title) " under " (event) }
        @if !story.merged_ids.is_empty() { p { "Merged with " (story.merged_ids.join(", ")) "." } }
        @for note in &story.notes { p { (note) } }
        @for entry in &story.entries { (section(entry)) }
        // Nobody was found: perhaps it was mistyped.
        @if story.contact_id.is_none() { (ask_form(&event.namespace, &event.name)) }
    };
    page(&title, &content)
}

/// The page for a question that could not be answered: why, and the form to ask again.
pub(super) fn retry_page(event: &ObjectKey, why: &str) -> Markup {
    let content = html! {
        (trail(&event.namespace, Some(&event.name), "No answer"))
        h1 { "No answer" }
        p role="alert" { (why) }
        (ask_form(&event.namespace, &event.name))
    };
    page("No answer", &content)
}

fn section(entry: &ExplainedEntry) -> Markup {
    html! {
        section {
            h2 {
                time datetime=(entry.time.to_string()) { (format!("{:.0}", entry.time)) } ": "
                @match &entry.conversion {
                    Some(conversion) => (headline(conversion)),
                    None => (entry.lines.first().map_or("", |line| line.about)),
                }
            }
            @if let Some(message) = entry.conversion.as_ref().and_then(|c| c.message.as_ref()) { p { (message) } }
            dl.story {
                @for line in &entry.lines { dt { (line.about) } dd { (line.says) } }
                @if let Some(conversion) = &entry.conversion {
                    @for (about, says) in facts(conversion) { dt { (about) } dd { (says) } }
                }
            }
        }
    }
}

fn headline(conversion: &ConversionView) -> String {
    match &conversion.reason {
        Some(reason) => format!("{}, {reason}", conversion.outcome),
        None => conversion.outcome.to_owned(),
    }
}

fn facts(conversion: &ConversionView) -> Vec<(&'static str, String)> {
    let time = |time: jiff::Timestamp| format!("{time:.0}");
    let value = conversion.value.as_ref().zip(conversion.currency.as_ref());
    [
        (
            "value sent",
            value.map(|(value, currency)| format!("{value} {currency}")),
        ),
        ("Google's code", conversion.code.clone()),
        ("first seen", conversion.first_seen_time.map(time)),
        ("last change", conversion.last_change_time.map(time)),
        ("next look", conversion.next_time.map(time)),
        ("transaction id", Some(conversion.transaction_id.clone())),
    ]
    .into_iter()
    .filter_map(|(about, says)| Some((about, says?)))
    .collect()
}
