//! The process and the network around it: a proxy, certificates, IP families.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use xtask::process;

use crate::support::wait::until_blocking;

const LIMIT: Duration = Duration::from_mins(1);

/// A kubeconfig for an API server at this address.
fn kubeconfig(directory: &Path, server: &str) -> PathBuf {
    let path = directory.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {"token": "x"}}],
    });
    fs::write(&path, config.to_string()).unwrap();
    path
}

/// `adconversion run` in a directory of its own.
fn operator(server: &str, listen: &str) -> Command {
    let directory = xtask::control_plane::new_directory().unwrap();
    let mut command = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")));
    command
        .arg("run")
        .arg(format!(
            "--ledger-url=sqlite://{}",
            directory.join("ledger.db").display()
        ))
        .arg(format!("--listen={listen}"))
        .arg("--admin-listen=")
        .env("KUBECONFIG", kubeconfig(&directory, server));
    for name in [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "NO_PROXY",
        "no_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(name);
    }
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = process::kill(&mut self.0);
    }
}

fn start(mut command: Command) -> Running {
    Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

#[test]
fn the_kubernetes_api_is_asked_through_the_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = operator("https://kube.example:6443", "127.0.0.1:0");
    let credentials = format!("http://user:pass@{}", proxy.local_addr().unwrap());
    command.env("HTTPS_PROXY", credentials);
    let mut running = start(command);
    let (stream, _) = proxy.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let lines: Vec<String> = BufReader::new(stream)
        .lines()
        .map(|line| line.unwrap())
        .take_while(|line| !line.is_empty())
        .collect();
    assert_eq!(lines[0], "CONNECT kube.example:6443 HTTP/1.1");
    let authorized = |line: &String| line.eq_ignore_ascii_case("Proxy-Authorization: Basic dXNlcjpwYXNz");
    assert!(lines.iter().any(authorized), "{lines:?}");
    // It hung up on the operator, which goes on trying.
    proxy.accept().unwrap();
    assert!(running.0.try_wait().unwrap().is_none(), "the process has ended");
}

#[test]
fn an_api_server_on_this_host_is_asked_directly() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = operator(&format!("http://{}", server.local_addr().unwrap()), "127.0.0.1:0");
    // Nobody is there.
    command.env("HTTPS_PROXY", "http://127.0.0.1:9");
    let _running = start(command);
    let (stream, _) = server.accept().unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("GET /apis/adconversion.dev/v1alpha1/"), "{line}");
}

/// As kubectl asks a cluster of kind or minikube.
#[test]
fn a_command_asks_an_api_server_on_this_host_directly() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = xtask::control_plane::new_directory().unwrap();
    let mut command = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")));
    command
        .args(["suspend", "adce", "x"])
        .env(
            "KUBECONFIG",
            kubeconfig(&directory, &format!("http://{}", server.local_addr().unwrap())),
        )
        // Nobody is there.
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    let _running = start(command);
    server.set_nonblocking(true).unwrap();
    let (stream, _) = until_blocking("a call", LIMIT, || server.accept());
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("GET /apis/adconversion.dev/v1alpha1/"), "{line}");
}

/// Neither the client of the Kubernetes API nor that of HubSpot and Google can be made.
#[test]
fn without_certificates_it_says_how_to_get_some() {
    // With verification switched off the first client needs none, the other still does.
    for verified in [true, false] {
        let mut command = operator("https://127.0.0.1:9", "127.0.0.1:0");
        if verified {
            let path = command
                .get_envs()
                .find(|(name, _)| *name == "KUBECONFIG")
                .unwrap()
                .1
                .unwrap();
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, text.replace("\"insecure-skip-tls-verify\":true,", "")).unwrap();
        }
        command
            .env("SSL_CERT_FILE", "/nowhere.pem")
            .env("SSL_CERT_DIR", "/nowhere");
        let output = process::run(command, None, LIMIT).unwrap();
        assert!(!output.success());
        for word in ["No CA certificates", "ca-certificates", "SSL_CERT_FILE"] {
            assert!(output.stderr.contains(word), "{word} is not in {}", output.stderr);
        }
    }
}

#[test]
fn health_is_told_over_both_ip_families() {
    let port = xtask::ports::free(1).unwrap()[0];
    let _running = start(operator("https://127.0.0.1:9", &format!("[::]:{port}")));
    let mut stream = until_blocking("the port", LIMIT, || TcpStream::connect(("127.0.0.1", port)));
    if std::net::UdpSocket::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", port)).unwrap();
    }
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
