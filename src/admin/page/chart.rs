//! Conversions by day as a picture, with the same numbers as a table for those who do not see it.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use maud::{Markup, html};

use crate::admin::events::{Day, field_of};
use crate::domain::outcome::Outcome;

/// Days of the picture, the latest ones: so many at least, and at most.
const FEWEST: i64 = 30;
const DAYS: i64 = 60;
/// Measures, in units of the picture.
const HEIGHT: u64 = 160;
const STEP: usize = 12;
const BAR: usize = 9;

/// From the ground up.
const ORDER: [Outcome; 5] = [
    Outcome::Uploaded,
    Outcome::Processing,
    Outcome::Pending,
    Outcome::Skipped,
    Outcome::Rejected,
];

fn total(day: &Day) -> u64 {
    day.by_outcome.values().sum()
}

/// The picture and its table.
pub(super) fn days_chart(days: &[Day]) -> Markup {
    let days = &every_day(days);
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return html! { p { "No conversions yet." } };
    };
    let most = days.iter().map(total).max().unwrap_or(1).max(1);
    let width = days.len() * STEP;
    let says = format!(
        "Conversions by day from {} to {}; the highest day has {most}.",
        first.day, last.day
    );
    html! {
        figure {
            svg.chart role="img" aria-label=(says) viewBox={ "0 0 " (width) " " (HEIGHT) } width=(width.min(900)) height=(HEIGHT)
                preserveAspectRatio="none" {
                @for (place, day) in days.iter().enumerate() { (bar(place, day, most)) }
            }
            figcaption {
                (says) " "
                @for outcome in ORDER { span class={ "key " (field_of(outcome)) } { (outcome) } " " }
            }
        }
        details { summary { "The numbers" } (numbers(days)) }
    }
}

/// The last days, those without conversions too.
fn every_day(days: &[Day]) -> Vec<Day> {
    let date = |day: &Day| day.day.parse::<Date>().ok();
    let (Some(first), Some(last)) = (days.first().and_then(date), days.last().and_then(date)) else {
        return Vec::new();
    };
    let back = |days: i64| last.saturating_sub((days - 1).days());
    let mut filled = Vec::new();
    let mut day = first.clamp(back(DAYS), back(FEWEST));
    while day <= last && filled.len() < usize::try_from(DAYS).unwrap_or_default() {
        let name = day.to_string();
        let known = days.iter().find(|known| known.day == name);
        filled.push(known.cloned().unwrap_or_else(|| Day {
            day: name,
            by_outcome: BTreeMap::new(),
        }));
        day = day.saturating_add(1.days());
    }
    filled
}

fn bar(place: usize, day: &Day, most: u64) -> Markup {
    let mut parts = Vec::new();
    let mut below: u64 = 0;
    for outcome in ORDER {
        let count = day.by_outcome.get(field_of(outcome)).copied().unwrap_or(0);
        let scaled = |count: u64| count.saturating_mul(HEIGHT) / most;
        let (from, to) = (scaled(below), scaled(below + count));
        // What is there is to be seen.
        let height = (to - from).max(u64::from(count > 0));
        below += count;
        if count > 0 {
            parts.push((field_of(outcome), HEIGHT.saturating_sub(from + height), height));
        }
    }
    html! {
        g {
            title { (day.day) ": " (total(day)) }
            @for (class, y, height) in parts {
                rect class=(class) x=(place * STEP) y=(y) width=(BAR) height=(height) {}
            }
        }
    }
}

fn numbers(days: &[Day]) -> Markup {
    html! {
        div.wide role="region" aria-label="Conversions by day" tabindex="0" {
            table {
                caption.hidden { "Conversions by day (UTC) and outcome" }
                thead { tr { th scope="col" { "Day" } @for outcome in ORDER { th.number scope="col" { (outcome) } } } }
                tbody {
                    @for day in days.iter().rev() {
                        tr {
                            th scope="row" { (day.day) }
                            @for outcome in ORDER {
                                td.number { (day.by_outcome.get(field_of(outcome)).copied().unwrap_or(0)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(name: &str) -> Day {
        Day {
            day: name.to_owned(),
            by_outcome: BTreeMap::from([("uploaded", 1)]),
        }
    }

    #[rstest::rstest]
    #[case::one(&["2026-11-27"], "2026-10-29", 30)]
    #[case::gap(&["2026-10-13", "2026-11-27"], "2026-10-13", 46)]
    #[case::long(&["2026-01-01", "2026-11-01", "2026-11-27"], "2026-09-29", 60)]
    fn days_without_conversions_have_their_place(#[case] days: &[&str], #[case] first: &str, #[case] count: usize) {
        let days: Vec<_> = days.iter().map(|name| day(name)).collect();
        let filled = every_day(&days);
        assert_eq!(filled.len(), count);
        assert_eq!(filled[0].day, first);
        assert_eq!(filled.last().map(total), Some(1));
    }

    #[test]
    fn nothing_is_no_picture() {
        assert!(every_day(&[]).is_empty());
    }
}
