//! The list of events.

use maud::{Markup, html};

use super::frame::{choice, in_query, page, pages_nav, state_mark, time_mark};
use super::table::{Cells, card_table};
use crate::admin::event_state::EventState;
use crate::admin::events::{EventList, EventSummary, ListParameters};
use crate::domain::brief::counted;

const COLUMNS: [(&str, Cells); 10] = [
    ("Event", Cells::Heading),
    ("State", Cells::Text),
    ("Trigger", Cells::Text),
    ("Conversion action", Cells::Text),
    ("Uploaded", Cells::Number),
    ("Processing", Cells::Number),
    ("Pending", Cells::Number),
    ("Skipped", Cells::Number),
    ("Rejected", Cells::Number),
    ("Last upload", Cells::Text),
];

/// One page of the list of those that were asked for.
pub(super) fn list_page(list: &EventList, asked: &ListParameters) -> Markup {
    let namespace = asked.namespace.as_deref().unwrap_or_default();
    let state = asked.state.as_deref().and_then(EventState::from_name);
    let rows: Vec<_> = list.events.iter().map(row).collect();
    let content = html! {
        h1 { "Ad conversion events" }
        (filter(namespace, state))
        p {
            (counted(list.total as u64, "event"))
            @if !namespace.is_empty() { " in namespace " (namespace) }
            @if let Some(state) = state { ", state: " (state.label()) }
            "."
        }
        @if list.events.is_empty() {
            p { "None to show. " (why_none(namespace, state)) }
        } @else {
            (card_table("Events", "Events and their conversions", &COLUMNS, &rows))
        }
        (pages_nav(
            asked.after.as_ref().map(|_| address(namespace, state, None)),
            list.next.as_ref().map(|next| address(namespace, state, Some(next))),
            "events",
        ))
    };
    page("Events", &content)
}

/// What to do where no event is listed.
const fn why_none(namespace: &str, state: Option<EventState>) -> &'static str {
    match (namespace.is_empty(), state.is_some()) {
        (true, true) => "No event is in this state now.",
        (false, true) => "No event of this namespace is in this state now.",
        (_, false) => "An event appears here once it is applied to a namespace that this operator watches.",
    }
}

fn filter(namespace: &str, state: Option<EventState>) -> Markup {
    let states: Vec<_> = [("", "All")]
        .into_iter()
        .chain(EventState::ALL.map(|state| (state.name(), state.label())))
        .collect();
    html! {
        form.filter method="get" action="/" {
            label for="namespace" { "Namespace" }
            input id="namespace" name="namespace" type="text" value=(namespace) maxlength="63" autocomplete="off";
            (choice("state", "State", &states, state.map_or("", EventState::name)))
            button type="submit" { "Show" }
        }
    }
}

/// Of the events behind one.
fn address(namespace: &str, state: Option<EventState>, after: Option<&str>) -> String {
    let parts = [
        ("namespace", namespace),
        ("state", state.map_or("", EventState::name)),
        ("after", after.unwrap_or_default()),
    ];
    let given = parts.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<_> = given
        .map(|(name, value)| format!("{name}={}", in_query(value)))
        .collect();
    format!("/?{}", query.join("&"))
}

fn row(event: &EventSummary) -> Vec<Markup> {
    let state = html! {
        (state_mark(&event.ready))
        @if event.stalled { " " span.state.bad { "Stalled" } }
        @if event.suspended { " " span.state.unknown { "Suspended" } }
        @if event.has_news { p.small { (event.message) } }
    };
    let name =
        html! { a href={ "/events/" (event.namespace) "/" (event.name) } { (event.namespace) "/" (event.name) } };
    let words = [&event.trigger, &event.conversion_action].map(|text| html! { (text) });
    let counts = [
        event.uploaded,
        event.processing,
        event.pending,
        event.skipped,
        event.rejected,
    ];
    let counts = counts.map(|count| html! { (count) });
    let last = time_mark(event.last_upload_time);
    [name, state]
        .into_iter()
        .chain(words)
        .chain(counts)
        .chain([last])
        .collect()
}
