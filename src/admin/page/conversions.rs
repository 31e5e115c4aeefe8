//! The conversions behind a count of an event: what `adconversion conversions` lists.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Deserialize;

use super::frame::{ask_form, choice, in_query, page, pages_nav, time_mark, trail};
use super::table::{Cells, card_table};
use crate::admin::answer::AdminRefusal;
use crate::admin::conversions::{ConversionList, ConversionView, Parameters};
use crate::domain::ids::ObjectKey;
use crate::domain::outcome::Outcome;

/// Conversions of one page.
const CONVERSIONS: usize = 100;
/// Longest name of a reason.
const LONGEST_REASON: usize = 100;

/// The code only where one has a code.
const CODE: &str = "Google's code";
const COLUMNS: [(&str, Cells); 8] = [
    ("Time", Cells::Heading),
    ("Contact", Cells::Text),
    ("Outcome", Cells::Text),
    ("Reason", Cells::Text),
    (CODE, Cells::Text),
    ("Value", Cells::Number),
    ("Last change", Cells::Text),
    ("Next look", Cells::Text),
];

/// Where the conversions of an event are, of one outcome and reason if any are given, and behind a place.
pub(super) fn address(event: &ObjectKey, outcome: &str, reason: &str, after: &str) -> String {
    let parts = [("outcome", outcome), ("reason", reason), ("after", after)];
    let given = parts.iter().filter(|(_, value)| !value.is_empty());
    let query: Vec<_> = given
        .map(|(name, value)| format!("{name}={}", in_query(value)))
        .collect();
    let ObjectKey { namespace, name } = event;
    format!("/events/{namespace}/{name}/conversions?{}", query.join("&"))
}

/// Which conversions to show. A form sends what was left empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListFilter {
    outcome: String,
    reason: String,
    /// What the page before said.
    after: String,
}

impl ListFilter {
    /// As the list takes it.
    ///
    /// # Errors
    /// If the reason is no name of one: it would be shown again.
    pub(super) fn to_parameters(&self) -> Result<Parameters, AdminRefusal> {
        let is_name =
            self.reason.len() <= LONGEST_REASON && self.reason.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_name {
            return Err(AdminRefusal::Malformed(
                "reason must be the name of one, like NoClickId".to_owned(),
            ));
        }
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Ok(Parameters {
            outcome: given(&self.outcome),
            reason: given(&self.reason),
            after: given(&self.after),
            limit: Some(CONVERSIONS.to_string()),
            ..Parameters::default()
        })
    }
}

/// One page of the list of those that were asked for.
pub(super) fn conversions_page(event: &ObjectKey, list: &ConversionList, filter: &ListFilter) -> Markup {
    let ListFilter { outcome, reason, after } = filter;
    let coded = list.conversions.iter().any(|conversion| conversion.code.is_some());
    let is_shown = |(name, _): &(&str, Cells)| coded || *name != CODE;
    let columns: Vec<_> = COLUMNS.into_iter().filter(is_shown).collect();
    let rows: Vec<_> = list.conversions.iter().map(|c| row(c, coded)).collect();
    let content = html! {
        (trail(&event.namespace, Some(&event.name), "Conversions"))
        h1 { "Conversions of " (event) }
        (filter_form(event, outcome, reason))
        @if rows.is_empty() {
            p { @if list.next.is_some() { "None among those that were looked through so far." } @else { "None to show." } }
        } @else {
            (card_table("Conversions", "Conversions, in the order of contacts", &columns, &rows))
            (meanings(&list.conversions))
        }
        (pages_nav(
            (!after.is_empty()).then(|| address(event, outcome, reason, "")),
            list.next.as_ref().map(|next| address(event, outcome, reason, next)),
            "conversions",
        ))
        (ask_form(&event.namespace, &event.name))
    };
    page(&format!("Conversions of {event}"), &content)
}

fn filter_form(event: &ObjectKey, outcome: &str, reason: &str) -> Markup {
    let outcomes: Vec<_> = [("", "All")]
        .into_iter()
        .chain(Outcome::ALL.map(|outcome| (outcome.as_str(), outcome.as_str())))
        .collect();
    html! {
        form.filter method="get" action={ "/events/" (event.namespace) "/" (event.name) "/conversions" } {
            (choice("outcome", "Outcome", &outcomes, outcome))
            label for="reason" { "Reason" }
            input id="reason" name="reason" type="text" value=(reason) maxlength=(LONGEST_REASON) autocomplete="off";
            button type="submit" { "Show" }
        }
    }
}

fn row(conversion: &ConversionView, coded: bool) -> Vec<Markup> {
    let text = |text: Option<&str>| html! { @if let Some(text) = text { (text) } };
    let value = conversion.value.as_ref().zip(conversion.currency.as_ref());
    let mut cells = vec![
        time_mark(Some(conversion.time)),
        text(conversion.contact_id.as_deref()),
        text(Some(conversion.outcome)),
        text(conversion.reason.as_deref()),
    ];
    if coded {
        cells.push(text(conversion.code.as_deref()));
    }
    cells.extend([
        html! { @if let Some((value, currency)) = value { (value) " " (currency) } },
        time_mark(conversion.last_change_time),
        time_mark(conversion.next_time),
    ]);
    cells
}

/// What the reasons on this page mean, and what to do.
fn meanings(conversions: &[ConversionView]) -> Markup {
    let of = |c: &ConversionView| Some(((c.reason.clone()?, c.code.clone()), c.message.clone()?));
    let all: BTreeMap<_, _> = conversions.iter().filter_map(of).collect();
    html! {
        @if !all.is_empty() {
            h2 { "What the reasons mean, and what to do" }
            dl { @for ((reason, _), message) in &all { dt { (reason) } dd { (message) } } }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_what_is_asked_for() {
        let event = ObjectKey::new("marketing", "won");
        assert_eq!(address(&event, "", "", ""), "/events/marketing/won/conversions?");
        assert_eq!(
            address(&event, "Skipped", "NoClickId", "kept.7.hs-1"),
            "/events/marketing/won/conversions?outcome=Skipped&reason=NoClickId&after=kept.7.hs-1"
        );
    }

    #[test]
    fn what_a_form_sent_empty_is_not_asked_for() {
        let filter = ListFilter {
            reason: "NoClickId".to_owned(),
            ..ListFilter::default()
        };
        let parameters = filter.to_parameters().unwrap();
        assert_eq!((parameters.outcome, parameters.after), (None, None));
        assert_eq!(parameters.reason.as_deref(), Some("NoClickId"));
    }

    #[rstest::rstest]
    #[case("<b>")]
    #[case("a b")]
    #[case(&"x".repeat(LONGEST_REASON + 1))]
    fn what_is_no_reason_is_not_shown_again(#[case] reason: &str) {
        let filter = ListFilter {
            reason: reason.to_owned(),
            ..ListFilter::default()
        };
        let refused = filter.to_parameters().unwrap_err().message();
        assert!(!refused.contains(reason), "{refused}");
    }
}
