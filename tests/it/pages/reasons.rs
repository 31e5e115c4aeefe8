//! The page of everything that has a name in a status, a Kubernetes Event or `/metrics`.

use std::collections::BTreeSet;
use std::fmt::Write;

use adconversion_operator::api::reasons::{Explained, condition, event, reason, row};
use adconversion_operator::domain::outcome::Outcome;
use adconversion_operator::domain::{refusals, transitions};
use adconversion_operator::ops::metrics::advice::ADVICE;

use super::{cell, fresh, head};
use crate::metrics::exposed;

fn code(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn conditions() -> String {
    let mut out = "## Conditions\n\n| condition | on | True means | what to do |\n|---|---|---|---|\n".to_owned();
    for about in condition::ALL {
        let (on, meaning, remedy) = (about.of.join(", "), cell(about.meaning()), cell(about.remedy));
        writeln!(out, "| `{}` | {on} | {meaning} | {remedy} |", about.name).unwrap();
    }
    out
}

fn reasons() -> String {
    let mut out = "## Reasons of conditions\n\nThe message of a condition is about the object at hand, and says more than this table.\n\n\
                   | reason | conditions | what it means | what to do |\n|---|---|---|---|\n"
        .to_owned();
    for about in reason::ALL {
        let (on, meaning, remedy) = (code(about.of), cell(about.meaning()), cell(about.remedy));
        writeln!(out, "| `{}` | {on} | {meaning} | {remedy} |", about.name).unwrap();
    }
    out
}

/// All that a status may say under `status.sync.reasons`.
fn of_conversions() -> String {
    let mut out = "## Reasons of conversions\n\nThey are in `status.sync.reasons` with their counts, and in `status.sync.lastErrors`.\n".to_owned();
    let about = [
        (Outcome::Pending, "They will be sent later."),
        (
            Outcome::Processing,
            "Google has accepted them and has not reported their result yet.",
        ),
        (
            Outcome::Skipped,
            "They are not sent. Where an answer of Google was lost before, one may have counted all the same.",
        ),
        (
            Outcome::Rejected,
            "Google refused them for good. The reason is Google's own code; the message names it as Google writes it. Other codes than these are explained in Google's documentation.",
        ),
    ];
    for (outcome, meaning) in about {
        write!(
            out,
            "\n### {outcome}\n\n{meaning}\n\n| reason | what it means, and what to do |\n|---|---|\n"
        )
        .unwrap();
        for reason in row::ALL.iter().filter(|reason| reason.outcome == outcome.as_str()) {
            writeln!(out, "| `{}` | {} |", reason.name, cell(reason.message)).unwrap();
        }
        if outcome == Outcome::Rejected {
            for (codes, message) in refusals::EXPLAINED {
                writeln!(out, "| {} | {} |", code(codes), cell(message)).unwrap();
            }
        }
    }
    write!(
        out,
        "\n`{}` stands for several reasons of one outcome: {}\n",
        row::OTHER,
        row::OTHER_MESSAGE
    )
    .unwrap();
    out
}

fn events() -> String {
    let mut watched = transitions::WATCHED.map(|(type_, _)| type_);
    watched.sort_unstable();
    let mut out = format!(
        "## Kubernetes Events\n\nA Kubernetes Event is published when one of the conditions {} gets a reason that needs attention: a \
         Warning with the reason and the message of that condition. When the condition is well again, a Normal one follows. These \
         are published besides:\n\n| reason | type | what it means | what to do |\n|---|---|---|---|\n",
        code(&watched)
    );
    for about in event::ALL {
        let (type_, meaning, remedy) = (about.of.join(", "), cell(about.meaning()), cell(about.remedy));
        writeln!(out, "| `{}` | {type_} | {meaning} | {remedy} |", about.name).unwrap();
    }
    out
}

/// Names of metrics with their help, from the text for Prometheus.
fn helps() -> Vec<(String, String)> {
    let text = exposed();
    let helps = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    helps.map(|(name, help)| (name.to_owned(), help.to_owned())).collect()
}

fn metrics() -> String {
    let mut out = "## Metrics\n\nTypes and labels are in [metrics.md](metrics.md).\n\n\
                   | metric | what it means | what to do |\n|---|---|---|\n"
        .to_owned();
    for (name, help) in helps() {
        let advice = ADVICE.iter().find(|(metric, _)| *metric == name);
        let (_, advice) = advice.unwrap_or_else(|| panic!("src/ops/metrics/advice.rs says nothing about {name}"));
        writeln!(out, "| `{name}` | {} | {} |", cell(&help), cell(advice)).unwrap();
    }
    out
}

#[test]
fn the_page_of_conditions_and_reasons_is_fresh() {
    let source = "src/api/reasons.rs, src/domain/refusals.rs and src/ops/metrics";
    let mut page = head("Conditions, reasons, Kubernetes Events, metrics", source);
    page += "Everything that has a name in `kubectl describe` or `/metrics`: what it means, and what to do.\n\n";
    page += &[conditions(), reasons(), of_conversions(), events(), metrics()].join("\n");
    fresh("conditions-and-reasons.md", &page);
}

/// The tables are made of the constants themselves; this is for what they say.
#[test]
fn every_name_is_explained_once_in_whole_sentences() {
    for table in [condition::ALL, reason::ALL, event::ALL] {
        let names: BTreeSet<_> = table.iter().map(|about| about.name).collect();
        assert_eq!(names.len(), table.len(), "a name stands twice");
        for about in table {
            let Explained { name, of, remedy, .. } = about;
            for text in [about.meaning(), remedy] {
                assert!(text.ends_with('.') && text.len() > 4, "{name}: {text:?}");
                assert!(
                    text.starts_with(|c: char| c.is_uppercase() || c == '`'),
                    "{name}: {text:?}"
                );
            }
            assert!(!of.is_empty(), "{name} stands nowhere");
        }
    }
    for reason in row::ALL {
        let known = Outcome::ALL.iter().any(|outcome| outcome.as_str() == reason.outcome);
        assert!(known && reason.message.ends_with('.'), "{}", reason.name);
    }
    for about in reason::ALL {
        let known = |type_: &&str| condition::ALL.iter().any(|condition| condition.name == *type_);
        assert!(about.of.iter().all(known), "{}", about.name);
    }
}

#[test]
fn advice_is_about_metrics_that_are_there() {
    let there: BTreeSet<String> = helps().into_iter().map(|(name, _)| name).collect();
    let advised: BTreeSet<String> = ADVICE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(advised, there);
}
