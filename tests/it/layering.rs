//! The direction of imports: `cli` → `controller`, `sync` → `registry` → `ports` → `domain` → `api`; `controller` and
//! `sync` don't know each other, and nothing imports the modules that implement ports but `cli`. The rules of `domain`
//! stay pure.

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import of ours.
const MAY: [(&str, &[&str]); 11] = [
    ("api", &[]),
    ("domain", &["api"]),
    ("ports", &["domain", "api"]),
    ("registry", &["ports", "domain", "api"]),
    ("ops", &["registry", "ports", "domain", "api"]),
    ("sync", &["registry", "ports", "domain", "api"]),
    ("controller", &["registry", "ports", "domain", "api", "ops"]),
    ("admin", &["registry", "ports", "domain", "api"]),
    ("upstream", &["ports", "domain", "api"]),
    ("ledger", &["ports", "domain", "api"]),
    (
        "cli",
        &[
            "controller",
            "sync",
            "admin",
            "registry",
            "ports",
            "domain",
            "api",
            "ops",
            "ledger",
            "upstream",
        ],
    ),
];

/// Words that have no place in pure rules.
const IMPURE: [&str; 8] = [
    "async fn",
    "tokio::",
    "reqwest::",
    "kube::Client",
    "Timestamp::now",
    "std::env",
    "tracing::",
    "SystemTime",
];

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A test may put the modules together as it likes.
fn is_test(file: &Path) -> bool {
    let name = file.to_string_lossy();
    let is_in_tests = file.components().any(|c| c.as_os_str() == "tests");
    is_in_tests || name.ends_with("_tests.rs") || name.contains("test_support") || name.ends_with("hostile_answers.rs")
}

/// Modules of the crate that a text names, outside comments.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().filter(|l| !l.trim_start().starts_with("//")) {
        let mut rest = line;
        while let Some(at) = rest.find("crate::") {
            rest = &rest[at + "crate::".len()..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            found.push(name);
        }
    }
    found
}

#[test]
fn modules_import_downwards_only() {
    let mut seen = 0;
    for (module, may) in MAY {
        let product = files(&sources().join(module)).into_iter().filter(|file| !is_test(file));
        for file in product {
            let text = fs::read_to_string(&file).expect("a source file");
            for import in imports(&text) {
                let known = MAY.iter().any(|(name, _)| *name == import);
                let allowed = !known || import == module || may.contains(&import.as_str());
                assert!(allowed, "{} imports crate::{import}", file.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 100, "the test reads the sources: {seen} imports seen");
}

/// What is tested beside the product is where a reader looks for it: tests of a file at its end, or beside it in
/// `x_tests.rs`; tests of a directory as a whole in its `tests/`.
#[test]
fn tests_of_the_sources_are_in_three_places() {
    let mut seen = 0;
    for file in files(&sources()) {
        let text = fs::read_to_string(&file).expect("a source file");
        for attached in text.lines().filter_map(|line| line.trim().strip_prefix("#[path = \"")) {
            let beside = attached.ends_with("_tests.rs\"]") && !attached.contains('/');
            assert!(beside, "{} attaches {attached}", file.display());
            seen += 1;
        }
        if text.contains("\nmod tests;") && !text.contains("_tests.rs\"]\nmod tests;") {
            let directory = file.with_file_name("tests");
            assert!(directory.join("mod.rs").is_file(), "{}", directory.display());
        }
    }
    assert!(seen > 50, "the test reads the sources: {seen} files of tests seen");
}

/// Whoever reads a comment has this repository: papers of those who planned it are no source.
#[test]
fn comments_cite_what_is_in_the_repository() {
    let mut seen = 0;
    for file in files(&sources()) {
        let text = fs::read_to_string(&file).expect("a source file");
        for line in text.lines().filter(|line| line.trim_start().starts_with("//")) {
            for paper in ["DESIGN", "STYLE"] {
                assert!(!line.contains(paper), "{} cites {paper}: {line}", file.display());
            }
            seen += 1;
        }
    }
    assert!(seen > 1000, "the test reads the comments: {seen} lines seen");
}

#[test]
fn the_rules_are_pure() {
    for file in files(&sources().join("domain")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for word in IMPURE {
            let used = text
                .lines()
                .any(|l| !l.trim_start().starts_with("//") && l.contains(word));
            assert!(!used, "{} uses {word}", file.display());
        }
    }
}

/// A manifest is read once, where `domain::declared` makes what it declares of it: the controller of events, and what
/// it shares with the others, never read a spec of an event a second time.
#[test]
fn nobody_reads_a_manifest_twice() {
    let reads = |text: &str, word: &str| {
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        code.filter(|line| line.contains(word)).count()
    };
    let mut made = 0;
    for file in files(&sources().join("controller/ad_conversion_event")) {
        let text = fs::read_to_string(&file).expect("a source file");
        assert_eq!(
            reads(&text, ".spec"),
            0,
            "{} reads a spec: ask Declared",
            file.display()
        );
        made += if is_test(&file) {
            0
        } else {
            reads(&text, "Declared::from_manifest(&event)")
        };
    }
    assert_eq!(made, 1, "the head of a reconcile makes it once");
    for file in files(&sources().join("controller/shared")) {
        let text = fs::read_to_string(&file).expect("a source file");
        for word in ["event.spec", "AdConversionEventSpec"] {
            assert_eq!(reads(&text, word), 0, "{} reads {word}: ask Declared", file.display());
        }
    }
}

/// What services say can be as long as they like: in the log it
/// is cut. The ways in and out of the process may speak freely.
#[test]
fn the_log_quotes_nobody_at_length() {
    for module in ["sync", "controller", "registry", "ports", "upstream", "ledger"] {
        for file in files(&sources().join(module)) {
            let text = fs::read_to_string(&file).expect("a source file");
            for word in ["%error", "%fault", "%panic", "%failure"] {
                assert!(
                    !text.contains(word),
                    "{} logs {word}: use domain::brief",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn files_stay_readable_and_nothing_unwraps() {
    for file in files(&sources()) {
        let text = fs::read_to_string(&file).expect("a source file");
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        let in_tests = is_test(&file) || file.to_string_lossy().contains("test");
        for word in [".unwrap()", ".expect("] {
            assert!(in_tests || !product.contains(word), "{} uses {word}", file.display());
        }
    }
}
