//! `cargo xtask test`: everything that must hold before a change is merged.

mod extent;
mod step;

pub use extent::Extent;
pub use step::Step;

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Error;
use crate::browser;
use crate::checkers;
use crate::conformance;
use crate::demo;
use crate::go_tools;
use crate::image;
use crate::postgres;
use crate::process::{self, say};
use crate::prometheus;
use crate::supervisor::XTASK_BIN;
use crate::tools::{self, Tool};

/// Path of the operator's executable, for tests that run it.
pub const OPERATOR_BIN: &str = "ADCONVERSION_BIN";
/// Path of the sandbox's executable, for tests that run it.
pub const SANDBOX_BIN: &str = "ADCONVERSION_SANDBOX_BIN";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    /// What it needs can't be had here; the suite passes without it.
    Skipped,
    Failed,
    NotRun,
}

struct Report {
    step: Step,
    outcome: Outcome,
    elapsed: Duration,
}

/// Runs the chosen steps and says how each went. True when all of them passed.
pub fn run(only: &[Step], skip: &[Step], extent: Extent) -> Result<bool, Error> {
    let steps = choose(only, skip);
    if steps.is_empty() {
        return Err(Error::Failed("no step is left to run".to_owned()));
    }
    let root = repository()?;
    // The longest step needs no result of the others: it runs beside them.
    let build = steps.contains(&Step::ControlPlane).then(start_control_plane_build);
    let mut background = BTreeMap::from_iter(build.map(|build| (Step::ControlPlane, build)));
    let mut reports: Vec<Report> = Vec::new();
    for step in steps.iter().copied() {
        let start = Instant::now();
        if step == Step::Postgres && steps.contains(&Step::Demo) && !is_blocked(Step::Demo, &reports) {
            // Both wait more than they work.
            let root = root.clone();
            let demo = thread::spawn(move || check_demo(&root, Step::Demo.limit()));
            background.insert(Step::Demo, demo);
        }
        let outcome = if is_blocked(step, &reports) {
            say(&format!("== {step}: not run, as a step before it failed"));
            Outcome::NotRun
        } else {
            match run_step(step, extent, &root, &mut background) {
                Ok(outcome) => outcome,
                Err(error) => {
                    say(&format!("== {step} failed: {error}"));
                    Outcome::Failed
                }
            }
        };
        let elapsed = start.elapsed();
        reports.push(Report { step, outcome, elapsed });
    }
    say("== summary");
    for report in &reports {
        say(&line(report));
    }
    Ok(reports
        .iter()
        .all(|report| matches!(report.outcome, Outcome::Passed | Outcome::Skipped)))
}

fn choose(only: &[Step], skip: &[Step]) -> Vec<Step> {
    Step::ALL
        .into_iter()
        .filter(|step| {
            if only.is_empty() {
                !Step::ON_DEMAND.contains(step)
            } else {
                only.contains(step)
            }
        })
        .filter(|step| !skip.contains(step))
        .collect()
}

fn is_blocked(step: Step, reports: &[Report]) -> bool {
    reports
        .iter()
        .any(|report| step.needs().contains(&report.step) && report.outcome != Outcome::Passed)
}

fn line(report: &Report) -> String {
    let outcome = match report.outcome {
        Outcome::Passed => "ok",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "FAILED",
        Outcome::NotRun => "not run",
    };
    let seconds = report.elapsed.as_secs_f64();
    format!("{outcome:<8}{:<14}{seconds:>7.1} s", report.step.name())
}

/// What runs beside the steps before it.
type Background = BTreeMap<Step, JoinHandle<Result<(), Error>>>;

fn start_control_plane_build() -> JoinHandle<Result<(), Error>> {
    thread::spawn(|| {
        // Small beside the rest, and the tests need them.
        browser::chromium()?;
        prometheus::promtool()?;
        prometheus::server()?;
        go_tools::ensure_for_tests()?;
        tools::ensure(&Tool::ALL)
    })
}

fn run_step(step: Step, extent: Extent, root: &Path, background: &mut Background) -> Result<Outcome, Error> {
    let limit = step.limit() * extent.factor();
    let command = match step {
        Step::Fmt => cargo(root, &["fmt", "--all", "--", "--check"]),
        Step::Clippy => cargo(
            root,
            &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ),
        Step::Build => cargo(root, &["build", "--workspace"]),
        Step::ControlPlane => return finish_control_plane(background.remove(&step)).map(|()| Outcome::Passed),
        Step::Test => test_command(root, extent)?,
        Step::Postgres => return postgres::test(root, extent, limit).map(|()| Outcome::Passed),
        Step::Demo => {
            let demo = background.remove(&step);
            return demo
                .map_or_else(|| check_demo(root, limit), joined)
                .map(|()| Outcome::Passed);
        }
        Step::Conformance => return check_conformance(root).map(|()| Outcome::Passed),
        Step::ImageStage => return check_image_stage(root).map(|()| Outcome::Passed),
        Step::Image => return check_image(root).map(|()| Outcome::Passed),
        Step::Spelling => checkers::spelling(root)?,
        Step::Workflows => checkers::workflows(root)?,
        Step::Dependencies => checkers::dependencies(root)?,
        Step::Advisories => match checkers::advisories(root)? {
            Ok(command) => command,
            Err(reason) => {
                say(&format!("== {step}: skipped: {reason}"));
                return Ok(Outcome::Skipped);
            }
        },
    };
    let text = short(&command);
    let text = text.split(" -- --skip").next().unwrap_or_default();
    say(&format!("== {step}: {text} (limit {} min)", limit.as_secs() / 60));
    let status = process::run_group(command, limit)?;
    if status.success() {
        return Ok(Outcome::Passed);
    }
    Err(Error::Failed(format!("`{text}` ended with {status}")))
}

fn check_demo(root: &Path, limit: Duration) -> Result<(), Error> {
    say(&format!(
        "== {}: cargo xtask demo, and what documents show of it (limit {} min)",
        Step::Demo,
        limit.as_secs() / 60
    ));
    demo::check(root, limit)
}

fn check_conformance(root: &Path) -> Result<(), Error> {
    say(&format!(
        "== {}: requests of the tests and normalisation, by Google's classes",
        Step::Conformance
    ));
    conformance::run(root, None)
}

fn check_image_stage(root: &Path) -> Result<(), Error> {
    say(&format!(
        "== {}: the Dockerfile's last stage with the programs of the tests, which run in it",
        Step::ImageStage
    ));
    image::check_last_stage(root)
}

fn check_image(root: &Path) -> Result<(), Error> {
    say(&format!(
        "== {}: a release build, the Dockerfile's last stage, and an end-to-end test with its programs",
        Step::Image
    ));
    image::check(root)
}

fn finish_control_plane(background: Option<JoinHandle<Result<(), Error>>>) -> Result<(), Error> {
    let limit = Step::ControlPlane.limit();
    say(&format!(
        "== {}: binaries of Kubernetes {} (limit {} min)",
        Step::ControlPlane,
        tools::kubernetes_version(),
        limit.as_secs() / 60
    ));
    let Some(build) = background else {
        return tools::ensure(&Tool::ALL);
    };
    let start = Instant::now();
    while !build.is_finished() {
        if start.elapsed() >= limit {
            return Err(Error::Timeout {
                what: "the control plane's binaries".to_owned(),
                seconds: limit.as_secs(),
                detail: String::new(),
            });
        }
        thread::sleep(Duration::from_millis(100));
    }
    joined(build)
}

/// What a step found that ran beside others; it has a limit of its own.
fn joined(step: JoinHandle<Result<(), Error>>) -> Result<(), Error> {
    step.join().map_err(|_| Error::Failed("it broke off".to_owned()))?
}

fn test_command(root: &Path, extent: Extent) -> Result<Command, Error> {
    let mut command = cargo(root, &["test", "--workspace"]);
    for (variable, path) in programs_of_tests(root)? {
        command.env(variable, path);
    }
    command.env(conformance::REQUEST_LOG, conformance::prepare(root)?);
    extent.set(&mut command);
    command.arg("--").args(extent.left_out());
    Ok(command)
}

/// What end-to-end tests run, by the variables that name it.
pub(crate) fn programs_of_tests(root: &Path) -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let target = target_directory(root)?.join("debug");
    let programs = [
        (XTASK_BIN, "xtask"),
        (OPERATOR_BIN, "adconversion"),
        (SANDBOX_BIN, "adconversion-sandbox"),
    ];
    let path = |(variable, name): (&'static str, &str)| {
        let path = target.join(name);
        if path.is_file() {
            return Ok((variable, path));
        }
        let missing = path.display();
        Err(Error::Setup(format!(
            "{missing} does not exist: run the step `build` first"
        )))
    };
    programs.into_iter().map(path).collect()
}

/// cargo in the workspace, without the user's cluster.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(root)
        .args(arguments)
        // No test may reach a cluster that the user works with.
        .env_remove("KUBECONFIG");
    command
}

/// The command without the directories of its program.
fn short(command: &Command) -> String {
    let text = process::display(command);
    let program = command.get_program().to_string_lossy();
    let name = Path::new(command.get_program()).file_name();
    let name = name.map_or_else(|| program.clone(), |name| name.to_string_lossy());
    text.replacen(program.as_ref(), &name, 1)
}

/// The directory of the workspace.
pub(crate) fn repository() -> Result<PathBuf, Error> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .filter(|root| root.join("Cargo.toml").is_file())
        .map(Path::to_owned)
        .ok_or_else(|| Error::Setup(format!("{} is not in its repository", here.display())))
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory(root: &Path) -> Result<PathBuf, Error> {
    let metadata = cargo(root, &["metadata", "--format-version", "1", "--no-deps"]);
    let text = process::run(metadata, None, Duration::from_mins(2))?.ok()?;
    serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|value| Some(PathBuf::from(value.get("target_directory")?.as_str()?)))
        .ok_or_else(|| Error::Failed("cargo metadata names no target directory".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(step: Step, outcome: Outcome) -> Report {
        Report {
            step,
            outcome,
            elapsed: Duration::from_millis(1500),
        }
    }

    #[test]
    fn steps_keep_their_order() {
        assert_eq!(choose(&[], &[]), Step::ALL[..13], "without what takes too long");
        assert_eq!(choose(&[Step::Image], &[]), [Step::Image]);
        assert_eq!(choose(&[Step::Test, Step::Fmt], &[]), [Step::Fmt, Step::Test]);
        assert_eq!(
            choose(&[], &[Step::ControlPlane, Step::Clippy, Step::Test]),
            [
                Step::Fmt,
                Step::Spelling,
                Step::Workflows,
                Step::Dependencies,
                Step::Advisories,
                Step::Build,
                Step::Postgres,
                Step::Demo,
                Step::Conformance,
                Step::ImageStage
            ]
        );
        assert_eq!(choose(&[Step::Fmt], &[Step::Fmt]), []);
    }

    #[test]
    fn tests_are_blocked_by_what_they_need_only() {
        assert!(is_blocked(Step::Test, &[report(Step::Build, Outcome::Failed)]));
        assert!(!is_blocked(Step::Test, &[report(Step::Clippy, Outcome::Failed)]));
        assert!(is_blocked(Step::ImageStage, &[report(Step::Build, Outcome::NotRun)]));
        assert!(!is_blocked(Step::Test, &[report(Step::Build, Outcome::Passed)]));
        assert!(!is_blocked(Step::Build, &[report(Step::Fmt, Outcome::Failed)]));
    }

    #[test]
    fn a_summary_line_says_how_and_how_long() {
        assert_eq!(
            line(&report(Step::Fmt, Outcome::Failed)),
            "FAILED  fmt               1.5 s"
        );
        assert_eq!(
            line(&report(Step::Advisories, Outcome::Skipped)),
            "skipped advisories        1.5 s"
        );
    }
}
