//! The list of events.

use maud::{Markup, html};

use super::frame::{page, state_mark};
use crate::admin::events::{EventList, EventSummary};
use crate::domain::brief::counted;

const NUMBERS: [&str; 5] = ["Uploaded", "Processing", "Pending", "Skipped", "Rejected"];

/// One page of the list.
pub(super) fn list_page(list: &EventList, namespace: Option<&str>) -> Markup {
    let content = html! {
        h1 { "Ad conversion events" }
        form.filter method="get" action="/" {
            label for="namespace" { "Namespace" }
            input id="namespace" name="namespace" type="text" value=(namespace.unwrap_or_default()) maxlength="63" autocomplete="off";
            button type="submit" { "Show" }
        }
        p { (counted(list.total as u64, "event")) @if let Some(namespace) = namespace { " in namespace " (namespace) } "." }
        @if list.events.is_empty() {
            p { "None to show. An event appears here once it is applied to a namespace that this operator watches." }
        } @else {
            div.wide role="region" aria-label="Events" tabindex="0" { (table(&list.events)) }
        }
        @if let Some(next) = &list.next {
            nav aria-label="Pages" {
                a rel="next" href={ "/?after=" (in_query(next)) "&namespace=" (in_query(namespace.unwrap_or_default())) } { "Next events" }
            }
        }
    };
    page("Events", &content)
}

fn table(events: &[EventSummary]) -> Markup {
    html! {
        table {
            caption.hidden { "Events and their conversions" }
            thead { tr {
                th scope="col" { "Event" }
                th scope="col" { "State" }
                th scope="col" { "Trigger" }
                th scope="col" { "Conversion action" }
                @for heading in NUMBERS { th.number scope="col" { (heading) } }
                th scope="col" { "Last upload" }
            } }
            tbody { @for event in events { (row(event)) } }
        }
    }
}

fn row(event: &EventSummary) -> Markup {
    let counts = [
        event.uploaded,
        event.processing,
        event.pending,
        event.skipped,
        event.rejected,
    ];
    html! {
        tr {
            th scope="row" { a href={ "/events/" (event.namespace) "/" (event.name) } { (event.namespace) "/" (event.name) } }
            td {
                (state_mark(&event.ready))
                @if event.suspended { " " span.state.unknown { "Suspended" } }
                @if event.ready != "True" { p.small { (event.message) } }
            }
            td { (event.trigger) }
            td { (event.conversion_action) }
            @for count in counts { td.number { (count) } }
            td { @if let Some(time) = event.last_upload_time { time datetime=(time.to_string()) { (format!("{time:.0}")) } } }
        }
    }
}

/// A text as part of an address.
fn in_query(text: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::in_query;

    #[test]
    fn a_text_stays_one_value() {
        assert_eq!(in_query("a/b&c=d e\u{e9}"), "a%2Fb%26c%3Dd%20e%C3%A9");
    }
}
