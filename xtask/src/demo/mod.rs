//! `cargo xtask demo`: the operator at work against the sandbox, on a real
//! control plane, from the manifests in `examples/`.
//!
//! Ends with a comparison of what the events' status says with what the sandbox
//! counted; succeeds only if they agree.

mod cases;
mod check;
mod questions;
mod report;
mod shown;

pub(crate) use self::check::check;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::control_plane::{self, ControlPlane};
use crate::kubectl::Kubectl;
use crate::lab::install::{self, Installed};
use crate::lab::operator;
use crate::lab::sandbox::{self, Sandbox};
use crate::process::{self, say};
use crate::supervisor::{State, Supervisor};
use crate::{Error, ports, suite};
use questions::Questions;
use report::Report;

const CONTACTS: u32 = 400;
/// Contacts that move one stage on, and how often.
const MOVED_AT_ONCE: u32 = 25;
const WAVES: u32 = 12;
const LOOK: Duration = Duration::from_secs(3);
const BUILD_LIMIT: Duration = Duration::from_mins(25);
const READY_LIMIT: Duration = Duration::from_mins(2);
const SETTLE_LIMIT: Duration = Duration::from_mins(4);
const USERS_NAMESPACE: &str = "marketing";
/// The Secrets that `examples/accounts.yaml` names, with what the sandbox takes.
const CREDENTIALS: &str = include_str!("../../../examples/sandbox/credentials.yaml");
/// The event whose contact is explained.
const EXPLAINED: &str = "became-customer";

/// How the demo is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Leaves everything running at the end, until Ctrl-C.
    pub keep: bool,
    /// A context of the user's kubeconfig; otherwise a control plane is started.
    pub context: Option<String>,
}

/// Runs the demo. True when the status of every event agrees with the sandbox.
pub fn run(options: &Options) -> Result<bool, Error> {
    let repository = suite::repository()?;
    let bin = build(&repository)?;
    // Declared first, so that it ends last.
    let plane = match options.context {
        None => {
            say("== starting a control plane");
            Some(ControlPlane::start(&control_plane::Options::default())?)
        }
        Some(_) => None,
    };
    let kubectl = match (&plane, &options.context) {
        (Some(plane), _) => plane.client().clone(),
        (None, context) => Kubectl::for_context(context.as_deref().unwrap_or_default()),
    };
    if options.context.is_some() {
        require_free(&kubectl)?;
    }
    let stage = Stage::set(kubectl, &repository, &bin, options.context.is_some())?;
    let result = stage.play(&repository);
    if let Err(error) = &result {
        say(&format!("== the demo broke off: {error}"));
        say(&format!("== the end of the operator's log:\n{}", stage.operator_log()));
    }
    if options.keep {
        stage.keep(plane.as_ref())?;
    } else if options.context.is_some() {
        stage.clean_up(&repository)?;
    }
    result
}

/// Everything that runs during the demo.
struct Stage {
    kubectl: Kubectl,
    supervisor: Supervisor,
    directory: PathBuf,
    sandbox: Sandbox,
    installed: Installed,
    /// Where the programs are.
    bin: PathBuf,
    /// The contact that is explained at the end, once it is there.
    explained: OnceLock<String>,
}

impl Stage {
    fn set(kubectl: Kubectl, repository: &Path, bin: &Path, users_cluster: bool) -> Result<Self, Error> {
        say("== installing the definitions and the chart's permissions");
        let helm = install::helm(users_cluster)?;
        let installed = install::install(&kubectl, &helm, repository)?;
        let directory = control_plane::new_directory()?;
        let supervisor = Supervisor::start(None, &directory, false)?;
        say(&format!("== starting the sandbox with {CONTACTS} contacts"));
        let sandbox = Sandbox::start(
            &supervisor,
            bin.join("adconversion-sandbox"),
            &directory,
            &["--flaky=2", "--index-lag=1s"],
        )?;
        sandbox.generate(CONTACTS)?;
        sandbox.create_action("Sales qualified lead", "QUALIFIED_LEAD")?;
        cases::prepare(&sandbox)?;
        say("== starting the operator as the chart's service account");
        let kubeconfig = directory.join("operator.kubeconfig");
        kubectl.write_service_account_kubeconfig(install::NAMESPACE, &installed.service_account, &kubeconfig)?;
        let port = ports::free(1)?[0];
        supervisor.run(operator::spec(operator::Start {
            program: bin.join("adconversion"),
            directory: &directory,
            kubeconfig: &kubeconfig,
            port,
            upstream: &sandbox.upstream,
            flags: &[],
        }))?;
        Ok(Self {
            kubectl,
            supervisor,
            directory,
            sandbox,
            installed,
            bin: bin.to_owned(),
            explained: OnceLock::new(),
        })
    }

    fn play(&self, repository: &Path) -> Result<bool, Error> {
        say("== applying examples/*.yaml, and the sandbox's credentials");
        self.kubectl.must(&["apply", "--filename", &examples(repository)])?;
        self.kubectl.apply(CREDENTIALS)?;
        // A demo does not wait a minute between two looks at HubSpot.
        let patch = r#"{"spec":{"interval":"2s"}}"#;
        let account = ["patch", "hubspotaccount", "acme", "--namespace", USERS_NAMESPACE];
        let patch = [&account[..], &["--type", "merge", "--patch", patch]].concat();
        self.kubectl.must(&patch)?;
        self.wait("every event to be Ready", READY_LIMIT, |reports| {
            Ok(reports.iter().find_map(|report| {
                let message = report.ready.as_ref().err()?;
                Some(format!("{}: {message}", report.name))
            }))
        })?;
        say("== a form is submitted, and contacts move through their stages");
        let explained = cases::contacts(&self.sandbox)?;
        self.explained.get_or_init(|| explained);
        cases::submissions(&self.sandbox)?;
        for _ in 0..WAVES {
            let moved = self.sandbox.advance(MOVED_AT_ONCE)?;
            thread::sleep(LOOK);
            self.check()?;
            say(&format!("  {moved} contacts moved; {}", totals(&self.reports()?)));
        }
        let settled = self.wait("all that is due to be processed", SETTLE_LIMIT, |reports| {
            self.disagreement(reports)
        });
        self.finish(settled)
    }

    /// Prints what a user would look at, and the comparison.
    fn finish(&self, settled: Result<(), Error>) -> Result<bool, Error> {
        let reports = self.reports()?;
        println!("{}", self.kubectl.must(&["get", "adce", "-A"])?);
        for event in ["became-customer", "demo-request"] {
            let describe = ["describe", "adce", event, "--namespace", USERS_NAMESPACE];
            println!("{}", self.kubectl.must(&describe)?);
        }
        let tally = self.sandbox.tally()?;
        for report in &reports {
            if let (Some(form), Some(start), Some(action)) = (&report.form, &report.start, &report.action) {
                let (_, taken) = cases::counted(&self.sandbox, form, start, action)?;
                println!(
                    "{}: {}; the sandbox took {taken} enhancements",
                    report.name, report.counts
                );
                continue;
            }
            let google = report.action.as_ref().and_then(|id| tally.get(id));
            let google = google.copied().unwrap_or_default();
            println!(
                "{}: {}; the sandbox counted {} conversions ({} uploads repeated, {} adjusted)",
                report.name, report.counts, google.conversions, google.repeated, google.adjusted
            );
        }
        let agree = match settled {
            Ok(()) => self.disagreement(&reports)?,
            Err(error) => Some(error.to_string()),
        };
        match &agree {
            None => println!("The status of every event agrees with what the sandbox counted."),
            Some(difference) => println!("Status and sandbox do NOT agree: {difference}"),
        }
        if let Some(contact) = self.explained.get() {
            println!("\nWhy is contact {contact} not in Google Ads?");
            println!("{}", self.questions()?.explain(EXPLAINED, contact)?);
            println!(
                "`cargo xtask demo --keep` leaves all of it running and says where its page is; on a cluster: adconversion dashboard"
            );
        }
        Ok(agree.is_none())
    }

    fn questions(&self) -> Result<Questions, Error> {
        Questions::find(self.bin.join("adconversion"), &self.directory, USERS_NAMESPACE)
    }

    /// The first difference between status and sandbox, over all events.
    fn disagreement(&self, reports: &[Report]) -> Result<Option<String>, Error> {
        let tally = self.sandbox.tally()?;
        let mut any = 0;
        for report in reports {
            let (Some(start), Some(action)) = (&report.start, &report.action) else {
                return Ok(Some(format!("{} has no complete status", report.name)));
            };
            if let Some(form) = &report.form {
                let (submitted, taken) = cases::counted(&self.sandbox, form, start, action)?;
                if let Some(difference) = report.form_disagreement(submitted, taken, cases::WAITING) {
                    return Ok(Some(format!("{}: {difference}", report.name)));
                }
                continue;
            }
            let Some(stage) = &report.stage else {
                return Ok(Some(format!("{} names no trigger", report.name)));
            };
            let expected = self.sandbox.expected(stage, start)?;
            let google = tally.get(action).copied().unwrap_or_default();
            if let Some(difference) = report.disagreement(expected, google) {
                return Ok(Some(format!("{}: {difference}", report.name)));
            }
            any += google.conversions;
        }
        // A demo in which nothing was converted shows nothing.
        Ok((any == 0).then(|| "no conversion was uploaded at all".to_owned()))
    }

    /// Waits until `missing` names nothing, and prints the counts meanwhile.
    fn wait(
        &self,
        what: &str,
        limit: Duration,
        missing: impl Fn(&[Report]) -> Result<Option<String>, Error>,
    ) -> Result<(), Error> {
        say(&format!("== waiting for {what} (at most {} s)", limit.as_secs()));
        let start = Instant::now();
        loop {
            self.check()?;
            let reports = self.reports()?;
            let Some(missing) = missing(&reports)? else {
                return Ok(());
            };
            if start.elapsed() >= limit {
                return Err(Error::Timeout {
                    what: what.to_owned(),
                    seconds: limit.as_secs(),
                    detail: format!("; {missing}"),
                });
            }
            let seconds = start.elapsed().as_secs();
            say(&format!("  {seconds:>3} s: {}; {missing}", totals(&reports)));
            thread::sleep(LOOK);
        }
    }

    fn reports(&self) -> Result<Vec<Report>, Error> {
        let list = self.kubectl.json(&["get", "adce", "--namespace", USERS_NAMESPACE])?;
        let items = list.get("items").and_then(Value::as_array);
        let reports: Vec<Report> = items.into_iter().flatten().map(Report::of).collect();
        if reports.is_empty() {
            return Err(Error::Failed("examples/ holds no event".to_owned()));
        }
        Ok(reports)
    }

    /// Fails when the operator or the sandbox ended.
    fn check(&self) -> Result<(), Error> {
        for name in [sandbox::NAME, operator::NAME] {
            if let State::Ended(status) = self.supervisor.state(name)? {
                let log = self.directory.join(format!("{name}.log"));
                let log = fs::read_to_string(&log).map_err(|source| Error::path("read", &log, source))?;
                let name = format!("{name} ({status})");
                let log = process::tail(&log, 20);
                return Err(Error::Ended { name, log });
            }
        }
        Ok(())
    }

    fn operator_log(&self) -> String {
        let log = self.directory.join("operator.log");
        fs::read_to_string(&log).map_or_else(|error| error.to_string(), |text| process::tail(&text, 20))
    }

    /// Says how to look around, and stays until Ctrl-C.
    fn keep(&self, plane: Option<&ControlPlane>) -> Result<(), Error> {
        if let Some(plane) = plane {
            println!("export KUBECONFIG={}", plane.admin_kubeconfig().display());
        }
        let kubectl = process::display(&self.kubectl.command());
        println!("{kubectl} get adconversion -A");
        println!("{kubectl} describe adce -n {USERS_NAMESPACE}");
        println!("tail -f {}", self.directory.join("operator.log").display());
        println!(
            "curl -H 'content-type: application/json' -d '{{\"count\": 10}}' {}/admin/hubspot/tick   # 10 contacts move on",
            self.sandbox.admin
        );
        println!("curl {}/admin/google/tally   # what Google counts", self.sandbox.admin);
        if let Some(contact) = self.explained.get() {
            println!("{}", self.questions()?.hints(EXPLAINED, contact));
            println!("{}", self.questions()?.check_hint(&self.sandbox.upstream));
        }
        println!("Ctrl-C ends it.");
        loop {
            self.check()?;
            if let Some(plane) = plane {
                plane.check()?;
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Removes from a user's cluster what the demo put there, while the operator
    /// still runs and can let go of its objects. The definitions stay.
    fn clean_up(&self, repository: &Path) -> Result<(), Error> {
        say("== removing what the demo created (the definitions stay: kubectl delete -f crds/)");
        let limit = Duration::from_mins(3);
        for kind in ["adconversionevents", "googleadsaccounts", "hubspotaccounts"] {
            let arguments = [
                "delete",
                kind,
                "--all",
                "--namespace",
                USERS_NAMESPACE,
                "--timeout",
                "2m",
            ];
            self.kubectl.run_with(&arguments, None, limit)?.ok()?;
        }
        let examples = examples(repository);
        let arguments = ["delete", "--ignore-not-found", "--timeout", "2m", "--filename"];
        // The credentials go with their namespace.
        let files = [&arguments[..], &[examples.as_str()]].concat();
        self.kubectl.run_with(&files, None, limit)?.ok()?;
        let list = [&arguments[..], &["-"]].concat();
        self.kubectl
            .run_with(&list, Some(&self.installed.permissions), limit)?
            .ok()?;
        let namespace = ["delete", "namespace", install::NAMESPACE, "--timeout", "2m"];
        self.kubectl.run_with(&namespace, None, limit)?.ok().map(drop)
    }
}

/// The directory whose manifests are applied.
fn examples(repository: &Path) -> String {
    repository.join("examples").display().to_string()
}

/// Builds operator and sandbox; returns the directory they are in.
fn build(repository: &Path) -> Result<PathBuf, Error> {
    say("== building operator and sandbox");
    // The whole workspace, so that the features of shared crates, and with them
    // what is compiled, are those of the test command.
    let command = suite::cargo(repository, &["build", "--workspace"]);
    let status = process::run_group(command, BUILD_LIMIT)?;
    if !status.success() {
        return Err(Error::Failed(format!("cargo build ended with {status}")));
    }
    Ok(suite::target_directory(repository)?.join("debug"))
}

/// A user's cluster must not have the namespaces that the demo makes and removes.
fn require_free(kubectl: &Kubectl) -> Result<(), Error> {
    for namespace in [USERS_NAMESPACE, install::NAMESPACE] {
        let found = kubectl.must(&["get", "namespace", namespace, "--ignore-not-found", "--output", "name"])?;
        if !found.trim().is_empty() {
            return Err(Error::Setup(format!(
                "the cluster has a namespace {namespace} already, and the demo would remove it at its end: \
                 use another context, or delete the namespace"
            )));
        }
    }
    Ok(())
}

fn totals(reports: &[Report]) -> report::Counts {
    reports.iter().map(|report| report.counts).sum()
}
