//! What the workflow `release` changes in the chart, the plugin's manifest and the names of its files.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::read;

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn the_lines_that_a_release_replaces_are_there_once() {
    let workflow = file(".github/workflows/release.yaml");
    let image = format!("image: adconversion-operator:{}", env!("CARGO_PKG_VERSION"));
    for (page, line, in_workflow) in [
        (
            "values.yaml",
            "  repository: adconversion-operator",
            "^  repository: adconversion-operator\\$,",
        ),
        (
            "values.yaml",
            "  runbookUrl: docs/operations.md",
            "^  runbookUrl: docs/operations.md\\$,",
        ),
        (
            "Chart.yaml",
            &format!("      {image}"),
            "image: adconversion-operator:$VERSION\\$,",
        ),
    ] {
        assert!(workflow.contains(in_workflow), "{in_workflow}");
        let found = read(page).lines().filter(|found| *found == line).count();
        assert_eq!(found, 1, "{line:?} in {page}");
    }
}

/// The build stage runs on the builder's own architecture: nothing but the programs themselves says for which they are.
#[test]
fn programs_are_looked_at_before_they_are_pushed() {
    let workflow = file(".github/workflows/release.yaml");
    let looked_at = workflow
        .find("readelf --file-header \"programs/linux_$name/$program\"")
        .unwrap();
    assert!(looked_at < workflow.find("--push").unwrap());
    for architecture in ["amd64 X86-64", "arm64 AArch64"] {
        assert!(workflow.contains(&format!("\"{architecture}\"")), "{architecture}");
    }
}

#[test]
fn the_plugins_manifest_names_the_archives_of_the_release() {
    let manifest: Value = serde_yaml::from_str(&file("deploy/krew/adconversion.yaml")).unwrap();
    let workflow = file(".github/workflows/release.yaml");
    let mut platforms = BTreeSet::new();
    for platform in manifest["spec"]["platforms"].as_array().unwrap() {
        let labels = &platform["selector"]["matchLabels"];
        let name = format!(
            "{}-{}",
            labels["os"].as_str().unwrap(),
            labels["arch"].as_str().unwrap()
        );
        let archive = format!("/adconversion-vVERSION-{name}.tar.gz");
        assert!(platform["uri"].as_str().unwrap().ends_with(&archive), "{name}");
        assert_eq!(platform["sha256"], format!("SHA256-{name}"));
        assert_eq!(platform["bin"], "kubectl-adconversion");
        platforms.insert(name);
    }
    let summed = workflow
        .lines()
        .find_map(|line| line.trim().strip_prefix("for platform in "))
        .unwrap();
    let summed: BTreeSet<String> = summed.trim_end_matches("; do").split(' ').map(str::to_owned).collect();
    assert_eq!(platforms, summed);
}
