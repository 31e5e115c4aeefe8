//! What all pages have in common.

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use crate::admin::answer::AdminRefusal;

/// A whole page.
pub(super) fn page(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – ad conversion events" }
                link rel="stylesheet" href="/style.css";
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header { nav aria-label="Main" { a href="/" { "Ad conversion events" } } }
                main id="content" tabindex="-1" { (content) }
            }
        }
    }
}

/// Where one is, and the way back: from the list of all events to
/// what `here` names. `event`: which one it is about, or below.
pub(super) fn trail(namespace: &str, event: Option<&str>, here: &str) -> Markup {
    html! {
        nav.trail aria-label="Where you are" {
            a href="/" { "All events" } " › "
            a href={ "/?namespace=" (in_query(namespace)) } { (namespace) } " › "
            @if let Some(name) = event { a href={ "/events/" (namespace) "/" (name) } { (name) } " › " }
            span aria-current="page" { (here) }
        }
    }
}

/// The addresses of the first and the next page of a list, where there are such.
pub(super) fn pages_nav(first: Option<String>, next: Option<String>, what: &str) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav aria-label="Pages" {
                @if let Some(first) = first { a href=(first) { "First " (what) } " " }
                @if let Some(next) = next { a rel="next" href=(next) { "Next " (what) } }
            }
        }
    }
}

/// A text as part of an address.
pub(super) fn in_query(text: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(letter).collect()
}

/// A choice of a form: the values that it sends with the words for people, and which of them is chosen.
pub(super) fn choice(id: &str, label: &str, options: &[(&str, &str)], chosen: &str) -> Markup {
    html! {
        label for=(id) { (label) }
        select id=(id) name=(id) {
            @for (value, words) in options { option value=(value) selected[*value == chosen] { (words) } }
        }
    }
}

/// A time to the second, empty where there is none.
pub(super) fn time_mark(time: Option<Timestamp>) -> Markup {
    html! { @if let Some(time) = time { time datetime=(time.to_string()) { (format!("{time:.0}")) } } }
}

/// Why there is no page.
pub(super) fn failure_page(refused: &AdminRefusal) -> Markup {
    page("Not shown", &html! { h1 { "Not shown" } p { (refused.message()) } })
}

/// The form that asks for the life of one contact under an event.
pub(super) fn ask_form(namespace: &str, name: &str) -> Markup {
    html! {
        form.ask method="post" action={ "/events/" (namespace) "/" (name) "/explain" } {
            label for="contact" { "Explain one contact: its HubSpot id or e-mail address" }
            input id="contact" name="contact" type="text" required maxlength="320" autocomplete="off";
            button type="submit" { "Explain" }
        }
    }
}

/// A state as a word with a colour; the word tells it alone.
pub(super) fn state_mark(ready: &str) -> Markup {
    let (class, word) = match ready {
        "True" => ("good", "Ready"),
        "False" => ("bad", "Not ready"),
        _ => ("unknown", "Unknown"),
    };
    html! { span class={ "state " (class) } { (word) } }
}

#[cfg(test)]
mod tests {
    use super::in_query;

    #[test]
    fn a_text_stays_one_value() {
        assert_eq!(in_query("a/b&c=d e\u{e9}"), "a%2Fb%26c%3Dd%20e%C3%A9");
    }
}
