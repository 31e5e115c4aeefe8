//! `adconversion ready`: what it says of an operator, and how long it waits.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    thread,
    time::Duration,
};

use serde_json::Value;
use xtask::process::{self, Output};

use crate::support::cluster::cluster;

/// Answers each request with the next status, the last one for ever.
fn server(statuses: &'static [u16]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut left = statuses.iter().copied().peekable();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let status = if left.len() > 1 {
                left.next()
            } else {
                left.peek().copied()
            };
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).unwrap() > 0);
            let answer = format!(
                "HTTP/1.1 {} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
                status.unwrap()
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    address
}

fn ready(address: SocketAddr, timeout: &str) -> Output {
    let mut command = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")));
    command.args(["ready", "--timeout", timeout]);
    command.arg(format!("--url=http://{address}/readyz"));
    process::run(command, None, Duration::from_mins(1)).unwrap()
}

#[test]
fn it_waits_until_the_operator_is_ready() {
    let output = ready(server(&[503, 503, 200]), "30s");
    assert!(output.success(), "{}", output.stderr);
    assert_eq!(output.stdout, "The operator is ready.\n");
}

#[test]
fn it_says_why_it_is_not() {
    let output = ready(server(&[503]), "0s");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        output.stderr.contains("is not ready") && output.stderr.contains("HTTP 503"),
        "{}",
        output.stderr
    );
    let output = ready(server(&[404]), "0s");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        output
            .stderr
            .contains("could not be asked: that address is not an operator"),
        "{}",
        output.stderr
    );
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = ready(free, "0s");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.contains("does not answer"), "{}", output.stderr);
}

/// What the chart sets for `caBundle`: a list of directories, that of the image and that of the bundle.
#[test]
fn authorities_of_a_bundle_are_trusted() {
    let plane = cluster();
    let kubeconfig = fs::read_to_string(plane.admin_kubeconfig()).unwrap();
    let kubeconfig: Value = serde_yaml::from_str(&kubeconfig).unwrap();
    let authority = kubeconfig["clusters"][0]["cluster"]["certificate-authority"]
        .as_str()
        .unwrap();
    let bundle = xtask::control_plane::new_directory().unwrap();
    fs::copy(authority, bundle.join("ca.crt")).unwrap();
    let ask = |directories: &str| {
        let mut command = process::tied(Path::new(env!("CARGO_BIN_EXE_adconversion")));
        command.args(["ready", "--timeout=0s", &format!("--url={}/readyz", plane.url())]);
        command.env_remove("SSL_CERT_FILE").env("SSL_CERT_DIR", directories);
        process::run(command, None, Duration::from_mins(1)).unwrap()
    };
    let public = "/etc/ssl/certs";
    let stranger = ask(public);
    assert_eq!(stranger.status.code(), Some(2), "{}", stranger.stdout);
    let known = ask(&format!("{public}:{}", bundle.display()));
    assert!(known.success(), "{}", known.stderr);
}
