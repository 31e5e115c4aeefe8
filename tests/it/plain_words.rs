//! What goes wrong between a command and what it asks or reads is told in plain
//! words with the way out, and a terminal that shows no colours gets none.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use wiremock::MockServer;
use xtask::process::{self, Output};

const LIMIT: Duration = Duration::from_mins(1);

/// `adconversion ARGUMENTS`, with this kubeconfig; it could not be done.
fn failed(arguments: &[&str], kubeconfig: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adconversion"));
    command
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .env_remove("ADCONVERSION_OPERATOR_URL");
    let Output { status, stderr, .. } = process::run(command, None, LIMIT).unwrap();
    assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
    for part in [
        "corrupt message",
        "ServiceError",
        "client error",
        "os error",
        "valid UTF-8",
    ] {
        assert!(!stderr.contains(part), "{arguments:?}: {part:?} in {stderr}");
    }
    stderr
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_with_the_wrong_scheme_is_told_with_the_way_out() {
    let server = MockServer::start().await;
    let address = server.address().to_string();
    tokio::task::spawn_blocking(move || {
        let directory = xtask::control_plane::new_directory().unwrap();
        let https = format!("https://{address}");
        let cluster = json!({"server": https, "insecure-skip-tls-verify": true});
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "x", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": cluster}],
        });
        let kubeconfig = directory.join("kubeconfig");
        fs::write(&kubeconfig, config.to_string()).unwrap();
        let kubeconfig = kubeconfig.to_str().unwrap();
        let says = "what is there does not speak TLS: perhaps its address must begin with http, not https.";
        let of_operator = [
            "conversions",
            "won",
            "--namespace",
            "marketing",
            "--operator-url",
            &https,
        ];
        let said = failed(&of_operator, "/dev/null");
        assert!(
            said.contains(&format!("the operator does not answer: {says}")),
            "{said}"
        );
        for of_cluster in [
            &["plan", "won"][..],
            &["conversions", "won"],
            &["suspend", "adce", "won"],
            &["uninstall"],
        ] {
            let said = failed(of_cluster, kubeconfig);
            assert!(said.contains(says), "{of_cluster:?}: {said}");
        }
    })
    .await
    .unwrap();
}

#[test]
fn a_file_that_is_no_text_is_told_with_the_way_out() {
    let directory = xtask::control_plane::new_directory().unwrap();
    let file = directory.join("utf16.yaml");
    let text: Vec<u8> = "\u{feff}kind: Secret\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for command in ["check", "plan"] {
        let said = failed(&[command, "-f", file], "/dev/null");
        let expected = format!("error: {file} can't be read: it is not UTF-8 text. Save it as UTF-8");
        assert!(said.starts_with(&expected), "{said}");
    }
    let said = failed(&["check", "-f", "/nowhere.yaml"], "/dev/null");
    assert_eq!(said, "error: /nowhere.yaml can't be read: there is no such file\n");
}

/// The first line of the operator's log at a terminal that calls
/// itself this. It waits for a ledger that can't be opened.
fn logged(kind: &str) -> String {
    let program = env!("CARGO_BIN_EXE_adconversion");
    let line = format!(
        "{program} run --ledger-url=sqlite:///nowhere/at/all/ledger.db --listen=127.0.0.1:0 --admin-listen=127.0.0.1:0"
    );
    let mut terminal = process::tied("/usr/bin/script".as_ref())
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("TERM", kind)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(terminal.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    process::kill(&mut terminal).unwrap();
    said
}

#[test]
fn a_dumb_terminal_gets_no_colours() {
    let said = logged("xterm");
    assert!(said.contains("INFO") && said.contains('\u{1b}'), "{said:?}");
    let said = logged("dumb");
    assert!(said.contains("INFO") && !said.contains('\u{1b}'), "{said:?}");
}

/// The port would be one of this machine, where none is opened.
#[test]
fn a_port_beside_an_address_is_refused() {
    let url = "http://127.0.0.1:9";
    let said = failed(&["dashboard", "--port", "40123", "--operator-url", url], "/dev/null");
    assert!(
        said.contains("'--port <PORT>' cannot be used with '--operator-url <URL>'"),
        "{said}"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_adconversion"));
    command
        .args(["dashboard", "--port", "40123"])
        .env("ADCONVERSION_OPERATOR_URL", url);
    let done = process::run(command, None, LIMIT).unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", done.stderr);
    assert!(done.stderr.contains("cannot be used with"), "{}", done.stderr);
}
