//! What the pages for users show is true: the first manifests, the chart's values, the files that prove a defence.

use serde::Deserialize;
use serde_json::{Value, json};
use xtask::go_tools::GoTool;

use crate::support::cluster::{LONG_CALL, cluster, namespace};

fn page(name: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_first_manifests_are_taken() {
    let readme = page("README.md");
    let (_, block) = readme.split_once("```yaml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let namespace = namespace("readme");
    let manifests: Vec<Value> = serde_yaml::Deserializer::from_str(block)
        .map(|document| {
            let mut manifest = Value::deserialize(document).unwrap();
            manifest["metadata"]["namespace"] = json!(namespace);
            manifest
        })
        .collect();
    assert_eq!(manifests.len(), 3);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests}).to_string();
    let apply = ["apply", "--validate=strict", "--filename", "-"];
    let output = cluster().client().run_with(&apply, Some(&list), LONG_CALL).unwrap();
    assert!(output.success(), "{}", output.stderr);
}

/// The page about security says by which files a defence is shown.
#[test]
fn the_tests_that_the_security_page_names_are_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| code.starts_with("tests/") || code.starts_with("src/"))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for path in named {
        assert!(root.join(path).is_file(), "{path} is not there");
    }
}

/// The chart's README as helm-docs makes it.
fn made_readme() -> String {
    let charts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
    let mut command = GoTool::HelmDocs.command();
    command.arg("--chart-search-root").arg(charts);
    command.args(["--sort-values-order", "file", "--dry-run"]);
    xtask::process::run(command, None, LONG_CALL).unwrap().ok().unwrap()
}

/// `UPDATE_DOCS=1 cargo test --test it chart::readme` writes it again.
#[test]
fn the_charts_readme_is_fresh() {
    let path = super::chart().join("README.md");
    let made = format!("{}\n", made_readme().trim());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "the chart's README.md is stale: run UPDATE_DOCS=1 cargo test --test it chart::readme"
    );
    let (_, table) = made.split_once("## Values").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 100, "{} rows", rows.len());
    let silent: Vec<&&str> = rows.iter().filter(|row| row.ends_with("|  |")).collect();
    assert!(silent.is_empty(), "values without a word: {silent:?}");
}
