//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};

use crate::admin::answer::Refused;

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

/// Why there is no page.
pub(super) fn failure_page(refused: &Refused) -> Markup {
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
