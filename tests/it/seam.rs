//! Where a second ad network plugs in: what sends conversions and keeps account of them names no code of Google's and
//! no type of Google's. The client that knows a code says what it means; routes come with their limits.

use std::fs;
use std::path::{Path, PathBuf};

/// Behind the ports, all networks are one.
const NEUTRAL: [&str; 11] = [
    "sync/upload",
    "sync/poll",
    "sync/prepare",
    "sync/delivery.rs",
    "ledger",
    "ports/ledger",
    "ports/sink.rs",
    "domain/batch.rs",
    "domain/codes.rs",
    "domain/evidence.rs",
    "domain/request_report.rs",
];

/// Here no code of Google's is named either; what Google's own account says is still a matter of the last.
const WITHOUT_CODES: [&str; 6] = ["sync", "ledger", "ports", "registry", "domain", "controller"];

/// The tables that tell users what a code means and what to do about it: of a conversion, and of an account.
const EXPLANATIONS: [&str; 2] = ["domain/refusals.rs", "controller/shared/account/fault.rs"];

/// Types of one network only.
const OF_GOOGLE: [&str; 10] = [
    "GoogleAccount",
    "GoogleClients",
    "GoogleSnapshot",
    "GoogleAds",
    "CustomerId",
    "ConversionAction",
    "UploadApi",
    "Uploads",
    "DataManager",
    "ads",
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Product code under a path, without comments, tests and what stands behind them.
fn code_of(path: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![sources().join(path)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("a directory")
                    .map(|e| e.expect("an entry").path()),
            );
            continue;
        }
        let name = path.to_string_lossy();
        let test = ["_tests.rs", "any_json.rs", "test_support.rs"];
        if !name.ends_with(".rs") || name.contains("/tests/") || test.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source file");
        let product = text.split("\nmod tests").next().unwrap_or_default();
        let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
        found.push((path, lines.collect::<Vec<_>>().join("\n")));
    }
    assert!(!found.is_empty(), "{path} is there");
    found
}

/// The texts in quotes.
fn texts(code: &str) -> impl Iterator<Item = &str> {
    code.split('"').skip(1).step_by(2)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Names that Google has published for rows and requests, as it writes them and as users read them.
fn codes() -> Vec<String> {
    let published = include_str!("../../src/upstream/google/codes_published.txt");
    let names = published
        .lines()
        .map(|line| line.trim_start_matches("- "))
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '[']))
        .filter_map(|line| line.split(' ').next());
    let mut codes = Vec::new();
    for name in names {
        let bare = ["PROCESSING_ERROR_REASON_", "PROCESSING_ERROR_"];
        let bare = bare.iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name);
        let camel = bare.split('_').map(|word| {
            let (first, rest) = word.split_at(1.min(word.len()));
            first.to_owned() + &rest.to_lowercase()
        });
        codes.extend([name.to_owned(), bare.to_owned(), camel.collect()]);
    }
    codes
}

#[test]
fn what_sends_and_counts_names_no_type_of_one_network() {
    for (file, code) in NEUTRAL.iter().flat_map(|path| code_of(path)) {
        let found = words(&code).find(|word| OF_GOOGLE.contains(word));
        assert_eq!(found, None, "{}", file.display());
    }
    // A route says how people call its network.
    for (file, code) in NEUTRAL
        .iter()
        .filter(|path| path.starts_with("sync"))
        .flat_map(|path| code_of(path))
    {
        let found = texts(&code).find(|text| words(text).any(|word| word == "Google"));
        assert_eq!(found, None, "{}", file.display());
    }
}

#[test]
fn no_code_of_googles_is_named_but_by_its_client_and_the_explanations() {
    let codes = codes();
    assert!(codes.len() > 500, "the test reads the codes: {}", codes.len());
    for (file, code) in WITHOUT_CODES.iter().flat_map(|path| code_of(path)) {
        if EXPLANATIONS.iter().any(|table| file.ends_with(table)) {
            continue;
        }
        // Only in quotes: a variant of ours may be called as a code is.
        let found = texts(&code)
            .flat_map(words)
            .find(|word| codes.iter().any(|code| code == word));
        assert_eq!(found, None, "{}", file.display());
        for prefix in ["PROCESSING_ERROR", "PARTIAL_SUCCESS"] {
            assert!(!code.contains(prefix), "{} names {prefix}", file.display());
        }
    }
}
