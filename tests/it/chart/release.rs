//! What the workflow `release` changes in the chart, the plugin's manifest and the names of its files.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

use super::{LIMIT, container, of_kind, parse, read, the};

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

/// Carries out the step that makes the chart, in a copy of it, but for what is pushed and signed. The package's page.
fn packaged_readme() -> String {
    const STUBS: &str = r#"
        go() { (cd "$ROOT/xtask/checks" && shift 2 && command go "$@"); }
        helm() { if [ "$1" = push ]; then echo "Digest: sha256:0a"; else "$HELM" "$@"; fi; }
        cosign() { :; }
    "#;
    let workflow: Value = serde_yaml::from_str(&file(".github/workflows/release.yaml")).unwrap();
    let steps = workflow["jobs"]["publish"]["steps"].as_array().unwrap();
    let step = steps
        .iter()
        .find(|step| step["name"] == "The chart, which names this image");
    let script = format!("{STUBS}\n{}", step.unwrap()["run"].as_str().unwrap());
    let root = env!("CARGO_MANIFEST_DIR");
    let directory = xtask::control_plane::new_directory().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&directory);
        command.envs([("ROOT", root), ("CGO_ENABLED", "0"), ("GOWORK", "off")]);
        command.envs([("VERSION", env!("CARGO_PKG_VERSION")), ("DIGEST", "sha256:0b")]);
        command.envs([
            ("IMAGE", "ghcr.io/acme/adconversion-operator"),
            ("CHARTS", "ghcr.io/acme/charts"),
        ]);
        command.envs([
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "Acme/ads"),
        ]);
        command.envs([
            ("GITHUB_REF_NAME", "v1"),
            ("HELM", xtask::tools::helm().unwrap().to_str().unwrap()),
        ]);
        xtask::process::run(command, None, LIMIT).unwrap().ok().unwrap()
    };
    run("cp", &["--recursive", &format!("{root}/charts"), "."]);
    run("mkdir", &["dist"]);
    run("bash", &["-e", "-o", "pipefail", "-c", &script]);
    let package = format!("dist/adconversion-operator-{}.tgz", env!("CARGO_PKG_VERSION"));
    let page = run(
        "tar",
        &[
            "--extract",
            "--to-stdout",
            "--file",
            &package,
            "adconversion-operator/README.md",
        ],
    );
    fs::remove_dir_all(&directory).unwrap();
    page
}

/// Who has the chart from its registry has no source tree beside it.
#[test]
fn the_page_of_a_released_chart_is_about_the_release() {
    let page = packaged_readme();
    let version = env!("CARGO_PKG_VERSION");
    for part in [
        &format!("oci://ghcr.io/acme/charts/adconversion-operator --version {version}"),
        &format!("https://github.com/Acme/ads/releases/download/v{version}/examples.yaml"),
        "| image.repository | string | `\"ghcr.io/acme/adconversion-operator\"` |",
        "| prometheusRule.runbookUrl | string | `\"https://github.com/Acme/ads/blob/v1/docs/operations.md\"` |",
        "(https://github.com/Acme/ads/blob/v1/docs/operations.md#uninstall)",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for part in ["OWNER", "](..", "REPOSITORY/"] {
        assert!(!page.contains(part), "{part}");
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

/// The text of a document that the workflow writes in place.
fn written_by_the_workflow(name: &str) -> String {
    let workflow = file(".github/workflows/release.yaml");
    let (_, rest) = workflow.split_once(&format!("cat > {name} << EOF\n")).unwrap();
    let (lines, _) = rest.split_once("          EOF\n").unwrap();
    let lines = lines.lines().map(|line| line.trim_start_matches("          "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// `install.yaml` is what docs/gitops.md says of it: deploy/kustomize with the image of the release.
#[test]
fn install_yaml_is_the_base_of_kustomize_with_the_image() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let text = written_by_the_workflow("install/kustomization.yaml")
        .replace("$IMAGE", "ghcr.io/owner/adconversion-operator")
        .replace("$DIGEST", &digest);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Beside the sources, as Kustomize takes relative paths only.
    let directory = root.join("target").join(format!("install-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    fs::write(
        directory.join("kustomization.yaml"),
        text.replace("../deploy", "../../deploy"),
    )
    .unwrap();
    let mut kubectl = Command::new(xtask::tools::kubectl().unwrap());
    kubectl.arg("kustomize").arg(&directory);
    let made = xtask::process::run(kubectl, None, LIMIT).unwrap().ok().unwrap();
    fs::remove_dir_all(&directory).unwrap();
    assert!(!made.contains("helm"), "nothing of Helm's");
    let objects = parse(&made);
    let image = format!("ghcr.io/owner/adconversion-operator@{digest}");
    assert_eq!(container(&objects)["image"], image);
    assert_eq!(of_kind(&objects, "CustomResourceDefinition").len(), 3);
    assert_eq!(the(&objects, "Namespace")["metadata"]["name"], "adconversion-system");
}

#[test]
fn a_failed_step_of_a_pipe_ends_the_workflow() {
    let workflow: Value = serde_yaml::from_str(&file(".github/workflows/release.yaml")).unwrap();
    // GitHub's own default has no pipefail; the shell that is named has.
    assert_eq!(workflow["defaults"]["run"]["shell"], "bash");
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        for step in job["steps"].as_array().unwrap() {
            assert!(step["shell"].is_null(), "{name}: {step}");
            if step["uses"]
                .as_str()
                .is_some_and(|action| action.starts_with("actions/setup-go@"))
            {
                assert_eq!(step["with"]["check-latest"], true, "{name}");
            }
        }
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
