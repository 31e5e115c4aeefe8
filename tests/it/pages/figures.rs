//! Figures in documents and in the code, so that they can be compared.

use std::collections::BTreeSet;
use std::fs;

use adconversion_operator::api::AdConversionEvent;
use adconversion_operator::cli::Cli;
use clap::CommandFactory;
use kube::CustomResourceExt;
use serde_json::Value;

use super::root;

/// Where a figure comes from.
#[derive(Clone, Copy)]
pub enum Source {
    /// What stands behind this text in a file of `src`, as in `const MAX: usize = 32 << 10;`. `…` leaves something out.
    Code(&'static str, &'static str),
    /// The default of a flag of this command.
    Flag(&'static str, &'static str),
    /// A limit in the schema of a field: path, and the keyword.
    Event(&'static str, &'static str),
    /// What is not ours to change, or stands in no constant.
    Given(&'static str),
    /// Figures that have to be equal.
    Same(&'static [Self]),
    /// Figures that add up.
    Sum(&'static [Self]),
}

use Source::{Code, Event, Flag, Given, Same, Sum};

/// A number of things, of bytes, or of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    Count(u64),
    Bytes(u64),
    Millis(u64),
}

use Figure::{Bytes, Count, Millis};

fn with_unit(number: u64, unit: &str) -> Option<Figure> {
    Some(match unit {
        "KiB" => Bytes(number << 10),
        "MiB" => Bytes(number << 20),
        "GiB" => Bytes(number << 30),
        "ms" => Millis(number),
        "s" | "second" | "seconds" => Millis(number * 1_000),
        "m" | "min" => Millis(number * 60_000),
        "h" | "hour" | "hours" => Millis(number * 3_600_000),
        "d" | "day" | "days" => Millis(number * 86_400_000),
        _ => return None,
    })
}

/// The figures of a text: `90 days`, `23 h 45 min`, `10s`, `1h30m`,
/// `2,000`. Parts of a time that follow each other are one.
pub fn figures(text: &str) -> Vec<Figure> {
    let mut found: Vec<Figure> = Vec::new();
    let mut goes_on = false;
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let mut rest = word.trim_start_matches('(');
        if !rest.starts_with(|c: char| c.is_ascii_digit()) {
            goes_on = false;
            continue;
        }
        while rest.starts_with(|c: char| c.is_ascii_digit()) {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != ',' && c != '_');
            let (number, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let open = !number.ends_with(',');
            let digits: String = number.chars().filter(char::is_ascii_digit).collect();
            let number: u64 = digits.parse().unwrap();
            let end = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
            let (unit, behind) = behind.split_at(end);
            let ends = |unit: &str| unit.trim_end_matches([',', ';', '.', ')']).len() < unit.len();
            let next = words.peek().filter(|_| unit.is_empty() && behind.is_empty() && open);
            let next = next.map(|next| (next.trim_end_matches([',', ';', '.', ')']), ends(next)));
            let apart = next.and_then(|(unit, ends)| Some((with_unit(number, unit)?, ends)));
            let closed = match apart {
                Some((_, ends)) => words.next().is_some() && ends,
                None => !behind.is_empty() && !behind.starts_with(|c: char| c.is_ascii_digit()),
            };
            let figure = apart.map(|(figure, _)| figure).or_else(|| with_unit(number, unit));
            match (figure, found.last_mut()) {
                (Some(Millis(more)), Some(Millis(before))) if goes_on => *before += more,
                (figure, _) => found.push(figure.unwrap_or(Count(number))),
            }
            goes_on = matches!(figure, Some(Millis(_))) && !closed;
            rest = behind;
        }
    }
    found
}

/// The value of an expression like `32 << 10`, `10_000` or `Duration::from_mins(5)`. A constant in bytes is a power or
/// a multiple of 1,024 by its spelling.
fn value(expression: &str) -> Figure {
    let inner = expression.rsplit_once('(').map_or(expression, |(_, inner)| inner);
    let inner = inner.trim_end_matches([')', ' ']);
    let is_shifted = inner.contains("<<") || inner.contains("MIB") || inner.contains("KIB");
    let number = |text: &str| -> u64 {
        match text.trim() {
            "KIB" => 1 << 10,
            "MIB" => 1 << 20,
            text => text
                .replace('_', "")
                .parse()
                .unwrap_or_else(|_| panic!("{expression:?}")),
        }
    };
    let product = |text: &str| text.split('*').map(number).product::<u64>();
    let number = match inner.split_once("<<") {
        Some((number, by)) => product(number) << product(by),
        None => product(inner),
    };
    let unit = ["from_millis", "from_secs", "from_mins", "from_hours"]
        .iter()
        .position(|unit| expression.contains(unit));
    match unit {
        Some(unit) => with_unit(number, ["ms", "s", "min", "h"][unit]).unwrap(),
        None if is_shifted => Bytes(number),
        None => Count(number),
    }
}

fn in_code(file: &str, before: &str) -> Figure {
    let text = fs::read_to_string(root().join("src").join(file)).unwrap();
    let mut rest = text.as_str();
    for part in before.split('…') {
        let at = rest.find(part);
        let at =
            at.unwrap_or_else(|| panic!("src/{file} has no {before:?} any more: say where the figure comes from now"));
        rest = &rest[at + part.len()..];
    }
    let end = rest.find([';', ',', '}', '-', '\n']).unwrap();
    value(&rest[..end])
}

fn in_flag(command: &str, name: &str) -> Figure {
    let program = Cli::command();
    let command = program.find_subcommand(command).unwrap();
    let flag = command.get_arguments().find(|flag| flag.get_long() == Some(name));
    let flag = flag.unwrap_or_else(|| panic!("no flag --{name}"));
    let default = flag.get_default_values()[0].to_str().unwrap();
    let [figure] = figures(default)[..] else {
        panic!("--{name}: {default}");
    };
    figure
}

fn in_schema(path: &str, keyword: &str) -> Figure {
    let definition = serde_json::to_value(AdConversionEvent::crd()).unwrap();
    let mut schema: &Value = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for part in path.split('.') {
        schema = if part == "items" {
            &schema["items"]
        } else {
            &schema["properties"][part]
        };
    }
    let limit = schema[keyword].as_f64();
    let limit = limit.unwrap_or_else(|| panic!("{path} has no {keyword}"));
    Count(format!("{limit}").parse().unwrap())
}

pub fn of(source: Source) -> Figure {
    match source {
        Code(file, before) => in_code(file, before),
        Flag(command, name) => in_flag(command, name),
        Event(path, keyword) => in_schema(path, keyword),
        Given(text) => figures(text)[0],
        Same(sources) => {
            let all: BTreeSet<Figure> = sources.iter().map(|source| of(*source)).collect();
            assert_eq!(all.len(), 1, "they are to be equal: {all:?}");
            of(sources[0])
        }
        Sum(sources) => sources.iter().fold(Bytes(0), |sum, source| match (sum, of(*source)) {
            (Bytes(sum), Bytes(more)) => Bytes(sum + more),
            other => panic!("{other:?}"),
        }),
    }
}

#[test]
fn figures_are_read_as_people_do() {
    let minute = 60_000;
    for (text, expected) in [
        (
            "100 pages of 50, or 20 seconds",
            vec![Count(100), Count(50), Millis(20_000)],
        ),
        (
            "sent within 23 h 45 min (`--x`); none after 24 hours",
            vec![Millis(1_425 * minute), Millis(1_440 * minute)],
        ),
        ("30 s to HubSpot, 1 min to Google", vec![Millis(30_000), Millis(minute)]),
        ("1h30m", vec![Millis(90 * minute)]),
        ("8 KiB; `x` 64 KiB", vec![Bytes(8 << 10), Bytes(64 << 10)]),
        (
            "a code 1,024 characters, at most 24h; (10s)",
            vec![Count(1_024), Millis(1_440 * minute), Millis(10_000)],
        ),
        ("`0-9`, ISO 4217", vec![Count(4217)]),
    ] {
        assert_eq!(figures(text), expected, "{text}");
    }
}
