//! What the pages for users show is true: the first manifests, the chart's values, the files that prove a defence.

use adconversion_operator::cli::Cli;
use clap::Parser;
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

/// The pod that copies a ledger: complete, allowed where the level
/// "restricted" is enforced, and with arguments that the program knows.
#[test]
fn the_pod_of_the_ledgers_page_is_taken() {
    let text = page("docs/ledger.md");
    let (_, manifest) = text.split_once("<<'EOF'\n").unwrap();
    let (manifest, _) = manifest.split_once("\nEOF").unwrap();
    let mut pod: Value = serde_yaml::from_str(manifest).unwrap();
    let objects = super::render(&json!({}));
    let operators = &super::the(&objects, "Deployment")["spec"]["template"]["spec"];
    for (name, value) in pod["spec"]["securityContext"].as_object().unwrap() {
        assert_eq!(&operators["securityContext"][name], value, "{name}");
    }
    let claim = &pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"];
    assert_eq!(
        *claim,
        super::the(&objects, "PersistentVolumeClaim")["metadata"]["name"]
    );
    let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap().clone();
    let words = arguments.iter().map(|argument| argument.as_str().unwrap());
    let line = ["adconversion"]
        .into_iter()
        .chain(words)
        .chain(["--to", "sqlite:///backup/ledger.db"]);
    Cli::try_parse_from(line).expect("the program takes the arguments");
    let namespace = namespace("ledger-page");
    let kubectl = cluster().client();
    let label = "pod-security.kubernetes.io/enforce=restricted";
    kubectl.must(&["label", "namespace", &namespace, label]).unwrap();
    pod["metadata"]["namespace"] = json!(namespace);
    let create = ["create", "--dry-run=server", "--filename", "-"];
    let output = kubectl.run_with(&create, Some(&pod.to_string()), LONG_CALL).unwrap();
    assert!(output.success() && output.stderr.is_empty(), "{}", output.stderr);
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
