//! Commands of kubectl that stand on pages, in the notes of the
//! chart and in what the demo prints: they must work as they are.

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

/// Commands about the operator's own objects that leave open in which namespace: at night they would answer `NotFound`.
fn without_a_namespace(text: &str) -> Vec<String> {
    let about_the_operator = [
        "scale ",
        "patch lease",
        "rollout ",
        "logs",
        "edit ",
        "get lease",
        "get pods",
        "describe pod",
        "port-forward ",
    ];
    let mut found = Vec::new();
    for (at, _) in text.match_indices("kubectl ") {
        // A command ends with its line in a block, and with a backtick in a sentence, over the end of a line too.
        let ends = if text[..at].ends_with('`') { "`" } else { "\n" };
        let command: Vec<&str> = text[at..]
            .split(ends)
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let command = command.join(" ");
        let rest = command.trim_start_matches("kubectl ");
        let named = ["--namespace", " -n ", "--all-namespaces"]
            .iter()
            .any(|flag| command.contains(flag));
        if !named && about_the_operator.iter().any(|start| rest.starts_with(start)) {
            found.push(command);
        }
    }
    found
}

#[test]
fn commands_about_the_operator_name_its_namespace() {
    for page in [
        "docs/operations.md",
        "docs/ledger.md",
        "docs/try-it.md",
        "docs/gitops.md",
        "docs/faq.md",
        "docs/corporate-networks.md",
    ] {
        let found = without_a_namespace(&fs::read_to_string(root().join(page)).unwrap());
        assert!(found.is_empty(), "{page}: {found:#?}");
    }
    let text = "`kubectl logs --previous`, `kubectl scale deployment x\n  --namespace y`\nkubectl rollout restart x\nkubectl get pods -n y\n";
    assert_eq!(
        without_a_namespace(text),
        ["kubectl logs --previous", "kubectl rollout restart x"]
    );
}
