//! What commands do for people at a terminal and not in pipes: a line on stderr that says what takes long, and a
//! browser for the page. `script` of util-linux lends the terminal.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::json;
use wiremock::matchers::{path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};
use xtask::process::{self, Output};

const LIMIT: Duration = Duration::from_mins(3);
const ACCOUNTS: &str = include_str!("e2e/accounts.yaml");
const EVENT: &str = "
---
apiVersion: adconversion.dev/v1alpha1
kind: AdConversionEvent
metadata: {name: won}
spec:
  googleAdsAccountRef: {name: acme}
  hubSpotAccountRef: {name: acme}
  trigger: {lifecycleStage: {stage: customer}}
";

/// On a terminal, or in a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Terminal,
    Pipe,
}

/// `adconversion ARGUMENTS`, none of which has blanks.
fn command(place: Place, arguments: &[String]) -> Command {
    let program = env!("CARGO_BIN_EXE_adconversion");
    let mut command = match place {
        Place::Terminal => {
            let line = format!("{program} {}", arguments.join(" "));
            let mut command = Command::new("/usr/bin/script");
            command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
            command.env("TERM", "xterm");
            command
        }
        Place::Pipe => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
    };
    command.env("KUBECONFIG", "/dev/null");
    command
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn run(command: Command) -> Output {
    process::run(command, None, LIMIT).unwrap()
}

/// Whoever has it asked takes connections and says nothing, like a process that is stopped.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }
}

#[test]
fn an_operator_that_hangs_is_told_soon() {
    let operator = Silent::new();
    let url = operator.url();
    for question in ["explain won --contact 51", "conversions won", "dashboard"] {
        let line = format!("{question} --namespace marketing --operator-url {url}");
        let begun = Instant::now();
        let done = run(command(Place::Pipe, &words(&line)));
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{question}: {:?}",
            begun.elapsed()
        );
        assert_eq!((done.status.code(), done.stdout.as_str()), (Some(2), ""), "{question}");
        for part in [
            "error: the operator does not answer",
            "did not answer in time",
            "--operator-url",
        ] {
            assert!(done.stderr.contains(part), "{question}: no {part:?} in {}", done.stderr);
        }
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    }
    drop(operator);
    let line = format!("explain won --contact 51 --namespace marketing --operator-url {url}");
    let done = run(command(Place::Pipe, &words(&line)));
    assert!(
        done.stderr.contains("does not answer: connection refused."),
        "{}",
        done.stderr
    );
    assert!(
        !done.stderr.contains("127.0.0.1") && !done.stderr.contains("51"),
        "{}",
        done.stderr
    );
}

/// What a look at files says of a cluster that nobody has named.
const UNASKED: [(&str, &str); 3] = [
    ("check ", "–  manifest"),
    (
        "plan ",
        "No API server was asked, so types, unknown fields, enums and bounds are judged, but none of the definition's rules",
    ),
    (
        "plan ",
        "It is not known whether another event has the same conversion action. The events of namespace marketing are not known: ",
    ),
];

#[test]
fn what_takes_long_is_said_at_a_terminal_alone() {
    let silent = Silent::new();
    let url = silent.url();
    let directory = xtask::control_plane::new_directory().unwrap();
    let file = directory.join("manifests.yaml");
    fs::write(&file, format!("{ACCOUNTS}{EVENT}")).unwrap();
    let operator = format!("--namespace marketing --operator-url {url}");
    let look = format!(
        "--namespace marketing --filename {} --call-timeout 3s --hubspot-endpoint {url} --google-ads-endpoint {url} \
         --data-manager-endpoint {url} --google-token-endpoint {url}",
        file.display()
    );
    let cases = [
        (
            format!("explain won --contact 51 {operator}"),
            "Looking for the operator",
        ),
        (format!("conversions won {operator}"), "Looking for the operator"),
        (format!("check {look}"), "Checking HubSpotAccount marketing/acme"),
        (format!("plan {look}"), "Reading the accounts"),
        (
            format!("import --google-ads-account acme {look}"),
            "Reading the conversion actions",
        ),
    ];
    for done in at_both(&cases) {
        let Done { line, place, output } = &done;
        let said = done.said();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        let unasked = UNASKED.iter().filter(|(command, _)| line.starts_with(command));
        for (_, part) in unasked.filter(|_| *place == Place::Pipe) {
            assert!(said.contains(part), "{line}: no {part:?} in {said}");
        }
    }
}

/// How a command ended at a place.
struct Done {
    line: String,
    place: Place,
    output: Output,
}

impl Done {
    fn said(&self) -> String {
        format!("{}{}", self.output.stdout, self.output.stderr)
    }
}

/// Runs each command line at a terminal and in a pipe, all at once.
/// What belongs to it is said at the terminal, and there alone.
fn at_both(cases: &[(String, &str)]) -> Vec<Done> {
    let begin = |line: &str, place: Place| {
        let line = line.to_owned();
        thread::spawn(move || {
            let output = run(command(place, &words(&line)));
            Done { line, place, output }
        })
    };
    let runs: Vec<_> = cases
        .iter()
        .flat_map(|(line, says)| [Place::Terminal, Place::Pipe].map(|place| (begin(line, place), *says)))
        .collect();
    let (mut ended, mut wrong) = (Vec::new(), Vec::new());
    for (run, says) in runs {
        let done = run.join().unwrap();
        if done.said().contains(says) != (done.place == Place::Terminal) {
            wrong.push(format!("{:?}, {}: {}", done.place, done.line, done.said()));
        }
        ended.push(done);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    ended
}

/// An API server that has an event nobody looks at, and takes its time to list.
async fn slow_cluster() -> MockServer {
    let server = MockServer::start().await;
    let event = json!({
        "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
        "metadata": {"name": "won", "namespace": "marketing", "generation": 2},
        "spec": {}, "status": {"observedGeneration": 1},
    });
    Mock::given(path_regex("/adconversionevents/won$"))
        .respond_with(ResponseTemplate::new(200).set_body_json(event))
        .mount(&server)
        .await;
    let none =
        json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {}, "items": []});
    let listed = ResponseTemplate::new(200).set_body_json(none);
    Mock::given(path_regex("/namespaces/marketing/[a-z]+$"))
        .respond_with(listed.set_delay(Duration::from_secs(2)))
        .mount(&server)
        .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_at_a_terminal_is_told_what_for() {
    let server = slow_cluster().await;
    let file = xtask::control_plane::new_directory().unwrap().join("kubeconfig");
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server.uri()}}], "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": "marketing"}}],
    });
    fs::write(&file, kubeconfig.to_string()).unwrap();
    let cluster = format!("--kubeconfig {}", file.display());
    let copy = file.with_file_name("ledger.db");
    tokio::task::spawn_blocking(move || {
        let silent = Silent::new();
        let url = silent.url();
        let database = url.replace("http://", "postgres://user@");
        let (waits, waiting) = ("--wait --timeout 4s", "Waiting for the operator");
        let cases = [
            (format!("suspend adce/won {waits} {cluster}"), waiting, 1),
            (format!("resume adce/won {waits} {cluster}"), waiting, 1),
            (format!("reconcile adce/won {waits} {cluster}"), waiting, 1),
            (format!("uninstall {cluster}"), "Looking for events and accounts", 0),
            (
                format!("ready --timeout 4s --url {url}"),
                "Waiting until the operator is ready",
                2,
            ),
            (
                format!("dashboard --namespace marketing --operator-url {url}"),
                "Looking for the operator",
                2,
            ),
            (
                format!("ledger copy --from {database}/ledger --to sqlite://{}", copy.display()),
                "Opening both ledgers",
                2,
            ),
        ];
        let lines: Vec<_> = cases.iter().map(|(line, says, _)| (line.clone(), *says)).collect();
        for done in at_both(&lines) {
            let (_, _, code) = cases.iter().find(|(line, ..)| *line == done.line).unwrap();
            assert_eq!(done.output.status.code(), Some(*code), "{}: {}", done.line, done.said());
        }
    })
    .await
    .unwrap();
}

/// A directory in which a program takes the page for a browser.
struct Browser(PathBuf);

impl Browser {
    fn new(script: &str) -> Self {
        let directory = xtask::control_plane::new_directory().unwrap();
        let program = directory.join("xdg-open");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(directory)
    }

    /// `dashboard` with nothing but this browser, on a screen.
    fn dashboard(&self, place: Place, line: &str, screen: &str) -> Output {
        let mut command = command(place, &words(&format!("dashboard --namespace marketing {line}")));
        command.env("PATH", &self.0).env("DISPLAY", screen);
        for other in ["WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"] {
            command.env_remove(other);
        }
        let done = run(command);
        assert!(done.success(), "{}{}", done.stdout, done.stderr);
        assert!(
            done.stdout.contains("The page is at http://127.0.0.1:"),
            "{}",
            done.stdout
        );
        done
    }

    /// What it was told to open.
    fn opened(&self) -> Option<String> {
        fs::read_to_string(opened_in(&self.0)).ok()
    }
}

fn opened_in(directory: &Path) -> PathBuf {
    directory.join("opened")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_opened_for_whoever_sits_at_a_terminal() {
    let operator = MockServer::start().await;
    let listed = ResponseTemplate::new(200).set_body_json(json!({"events": [], "total": 0}));
    Mock::given(path("/v1/events"))
        .respond_with(listed)
        .mount(&operator)
        .await;
    let url = operator.uri();
    let asked = format!("--operator-url {url}");
    tokio::task::spawn_blocking(move || {
        let browser = Browser::new("echo \"$1\" > \"${0%/*}/opened\"");
        let silent = format!("{asked} --no-browser");
        browser.dashboard(Place::Pipe, &asked, ":0");
        browser.dashboard(Place::Terminal, &asked, "");
        browser.dashboard(Place::Terminal, &silent, ":0");
        assert_eq!(browser.opened(), None);
        let done = browser.dashboard(Place::Terminal, &asked, ":0");
        assert!(!done.stdout.contains("No browser"), "{}", done.stdout);
        assert_eq!(
            browser.opened().as_deref().map(str::trim),
            Some(format!("{url}/").as_str())
        );
        // That it cannot be opened is no error.
        let broken = Browser::new("exit 3");
        let done = broken.dashboard(Place::Terminal, &asked, ":0");
        assert!(done.stdout.contains("No browser could be opened"), "{}", done.stdout);
    })
    .await
    .unwrap();
}
