//! What commands print, as it stands in documents.

use std::fs;
use std::path::Path;

/// Compares what a command printed with the block of the README that begins with it; `UPDATE_DOCS=1` writes it there.
pub fn readme_shows(command: &str, printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&path).expect("README.md");
    let begin = format!("```\n$ {command}\n");
    let start = text
        .find(&begin)
        .unwrap_or_else(|| panic!("README.md has no block that begins with {begin:?}"));
    let body = start + begin.len();
    let end = body + text[body..].find("```").expect("the end of the block");
    let lines: Vec<_> = printed.lines().map(str::trim_end).collect();
    let wanted = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let whole = [&text[..body], &wanted, &text[end..]].concat();
        return fs::write(&path, whole).expect("README.md is written");
    }
    assert_eq!(
        &text[body..end],
        wanted,
        "README.md is stale: run the test with UPDATE_DOCS=1"
    );
}
