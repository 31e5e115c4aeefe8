//! What commands print, as it stands in documents.

use std::fs;
use std::path::Path;

/// As [`page_shows`], of the README.
pub fn readme_shows(command: &str, printed: &str) {
    page_shows("README.md", command, printed);
}

/// Compares what a command printed with the block of this page that begins with it; `UPDATE_DOCS=1` writes it there.
pub fn page_shows(page: &str, command: &str, printed: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
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
