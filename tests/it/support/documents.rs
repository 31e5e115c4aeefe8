//! What commands print, as it stands in documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn path_of(page: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(page)
}

/// The section of a page that has this heading, without what is printed in it.
fn section_of(page: &str, heading: &str) -> String {
    let text = fs::read_to_string(path_of(page)).expect("the page");
    let (_, rest) = text
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("{page} has no section {heading:?}"));
    let section = rest.split("\n## ").next().unwrap_or_default();
    section.split("```").step_by(2).collect()
}

fn fields_of<'a>(answer: &'a Value, found: &mut BTreeSet<&'a str>) {
    match answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name);
                fields_of(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| fields_of(value, found)),
        _ => {}
    }
}

/// Every field of a command's answer for programs is named in this section of the page.
pub fn section_names_fields(page: &str, heading: &str, answer: &Value) {
    let section = section_of(page, heading);
    let code = section.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> = code
        .flat_map(|code| code.split(|c: char| !c.is_alphanumeric()))
        .collect();
    let mut fields = BTreeSet::new();
    fields_of(answer, &mut fields);
    let unnamed: Vec<_> = fields.difference(&named).collect();
    assert!(unnamed.is_empty(), "{page}, {heading}: does not name {unnamed:?}");
}

/// As [`page_shows`], of the README.
pub fn readme_shows(command: &str, printed: &str) {
    page_shows("README.md", command, printed);
}

/// Compares what a command printed with the block of this page that begins with it; `UPDATE_DOCS=1` writes it there.
pub fn page_shows(page: &str, command: &str, printed: &str) {
    let path = path_of(page);
    let text = fs::read_to_string(&path).expect("the page");
    let begin = format!("```\n$ {command}\n");
    let start = text
        .find(&begin)
        .unwrap_or_else(|| panic!("{page} has no block that begins with {begin:?}"));
    let body = start + begin.len();
    let end = body + text[body..].find("```").expect("the end of the block");
    let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
    let wanted = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let whole = [&text[..body], &wanted, &text[end..]].concat();
        return fs::write(&path, whole).expect("the page is written");
    }
    assert_eq!(
        &text[body..end],
        wanted,
        "{page} is stale: run the test with UPDATE_DOCS=1"
    );
}
