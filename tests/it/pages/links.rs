//! Links between pages lead somewhere: to a file that is there, and to a heading that it has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::root;

/// Pages that people read: the ones at the root, those of `docs/`, and those beside what they are about.
pub fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = [
        "",
        "docs",
        "docs/reference",
        "examples/sandbox",
        "charts/adconversion-operator",
        "deploy",
    ]
    .into_iter()
    .flat_map(|directory| fs::read_dir(root().join(directory)).unwrap())
    .map(|entry| entry.unwrap().path())
    .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
    .collect();
    pages.sort();
    pages
}

/// The lines of a page that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !fence && !code
    })
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|line| line.strip_prefix('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// Where the links of a page lead, without those to other hosts.
fn targets(text: &str) -> Vec<String> {
    // A link may be broken over two lines.
    let text: Vec<&str> = prose(text).map(str::trim).collect();
    let text = text.join(" ");
    let ends = text.match_indices("](").map(|(at, _)| at + 2);
    ends.filter_map(|at| text[at..].split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// Why a link of a page leads nowhere.
fn fault(page: &Path, target: &str) -> Option<String> {
    let (file, wanted) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap().join(file),
    };
    if !path.exists() {
        return Some(format!("{}: {target} is not there", page.display()));
    }
    if wanted.is_empty() {
        return None;
    }
    let text = fs::read_to_string(&path).unwrap();
    (!anchors(&text).contains(wanted)).then(|| format!("{}: no heading for {target}", page.display()))
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut links = 0;
    let mut faults = Vec::new();
    for page in pages() {
        for target in targets(&fs::read_to_string(&page).unwrap()) {
            links += 1;
            faults.extend(fault(&page, &target));
        }
    }
    assert!(links > 150, "{links} links were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_of_docs_is_in_the_readme() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let targets = targets(&readme);
    for page in pages() {
        let name = page.strip_prefix(root()).unwrap().to_str().unwrap();
        if name.starts_with("docs/") {
            assert!(
                targets.iter().any(|target| target == name),
                "{name} is not in the README"
            );
        }
    }
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = root().join("docs/concepts.md");
    assert!(fault(&page, "nowhere.md").is_some() && fault(&page, "limits.md#nowhere").is_some());
    assert!(fault(&page, "limits.md#versions").is_none() && fault(&page, "#the-words").is_none());
    assert_eq!(anchor(" A proxy: `--x`, twice?"), "a-proxy---x-twice");
}
