//! Pages of `docs/` that are written from the code: the kinds, and everything that has a name in a status.

mod commands;
mod figures;
mod flags;
mod kinds;
mod kubectl;
mod limits;
mod links;
mod reasons;

use std::path::PathBuf;
use std::{env, fs};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `UPDATE_DOCS=1 cargo test --test it pages::` writes the pages again.
fn fresh(name: &str, page: &str) {
    let path = root().join("docs").join(name);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/{name} is stale: run UPDATE_DOCS=1 cargo test --test it pages::"
    );
}

/// What the head of each page says about where it comes from.
fn head(title: &str, source: &str) -> String {
    format!("<!-- Written by UPDATE_DOCS=1 cargo test --test it pages:: from {source}. -->\n\n# {title}\n\n")
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}
