//! The table with which the README begins: what `kubectl get adce` says once the examples count.

use std::{env, fs, path::Path};

use xtask::kubectl::Kubectl;

use crate::support::documents::readme_shows;

const COMMAND: &str = "kubectl get adce --namespace marketing";

/// Compares what kubectl prints with the README, but for counts and times; `UPDATE_DOCS=1` writes it there.
pub fn stands_in_the_readme(kubectl: &Kubectl) {
    let arguments: Vec<&str> = COMMAND.split(' ').skip(1).collect();
    let printed = kubectl.must(&arguments).unwrap();
    if env::var_os("UPDATE_DOCS").is_some() {
        return readme_shows(COMMAND, &printed);
    }
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, block) = readme.split_once(&format!("```\n$ {COMMAND}\n")).unwrap();
    let (block, _) = block.split_once("```").unwrap();
    assert_eq!(lasting(block), lasting(&printed), "{printed}");
}

/// The cells of a table of kubectl's, with what changes from one moment to the next as the kind of it.
fn lasting(table: &str) -> Vec<Vec<String>> {
    let header = table.lines().next().unwrap();
    let words = header.split_whitespace();
    // Each column begins where its name does.
    let begins: Vec<usize> = words.map(|word| header.find(word).unwrap()).collect();
    let cells = |line: &str| -> Vec<String> {
        let ends = begins.iter().skip(1).copied().chain([line.len()]);
        let cell =
            |(begin, end): (&usize, usize)| kind(line.get(*begin..end.min(line.len())).unwrap_or_default().trim());
        begins.iter().zip(ends).map(cell).collect()
    };
    table.lines().map(cells).collect()
}

fn kind(cell: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if digits(cell) {
        return "a count".to_owned();
    }
    let time = cell
        .split_inclusive(['s', 'm', 'h', 'd'])
        .all(|part| digits(&part[..part.len() - 1]));
    if time && !cell.is_empty() {
        "a time".to_owned()
    } else {
        cell.to_owned()
    }
}

#[test]
fn a_table_is_compared_by_what_lasts() {
    let one = "NAME     READY   ACTION         UPLOADED   AGE\nfirst    True    HubSpot - A    7          1m2s\nsecond   False   B                         3s\n";
    let other = "NAME     READY   ACTION        UPLOADED   AGE\nfirst    True    HubSpot - A   70         5s\nsecond   False   B                        1h\n";
    let expected = [
        ["NAME", "READY", "ACTION", "UPLOADED", "AGE"],
        ["first", "True", "HubSpot - A", "a count", "a time"],
        ["second", "False", "B", "", "a time"],
    ];
    assert_eq!(lasting(one), expected);
    assert_eq!(lasting(other), expected);
    assert_ne!(lasting(&other.replace("True", "False")), expected);
}
