//! Commands of kubectl that stand on pages, in the notes of the chart and in what the demo prints: they must work as they are.

use std::fs;
use std::path::PathBuf;

use super::links::pages;
use super::root;

/// Where people find commands.
fn sources() -> Vec<PathBuf> {
    let others = [
        "charts/adconversion-operator/README.md.gotmpl",
        "charts/adconversion-operator/templates/NOTES.txt",
        "charts/adconversion-operator/values.yaml",
        "deploy/krew/adconversion.yaml",
        "xtask/src/demo/mod.rs",
    ];
    let mut sources = pages();
    sources.extend(others.map(|name| root().join(name)));
    sources
}

/// Commands that watch the category `adconversion`. It is three kinds, and kubectl watches one at a time only.
fn watches_of_a_category(text: &str) -> Vec<&str> {
    let watches = |line: &&str| {
        let (_, command) = line.split_once("get adconversion").unwrap_or_default();
        let mut words = command.split_whitespace();
        command.starts_with([' ', ','])
            && words.any(|word| ["-w", "--watch", "--watch-only"].contains(&word.trim_end_matches('`')))
    };
    text.lines().filter(watches).collect()
}

#[test]
fn no_command_watches_three_kinds() {
    for source in sources() {
        let text = fs::read_to_string(&source).unwrap();
        let found = watches_of_a_category(&text);
        assert!(found.is_empty(), "{}: {found:?}", source.display());
    }
    for (line, wrong) in [
        ("kubectl get adconversion --namespace marketing --watch", true),
        ("`kubectl get adconversion -n marketing -w`", true),
        ("kubectl get adconversion --namespace marketing", false),
        ("kubectl get adce --namespace marketing --watch", false),
        ("kubectl get adconversionevents --watch", false),
        ("kubectl get adconversion; adconversion run --watch-namespaces=a", false),
    ] {
        assert_eq!(!watches_of_a_category(line).is_empty(), wrong, "{line}");
    }
}
