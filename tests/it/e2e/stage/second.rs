//! A second process beside the operator: another operator on the same ledger, or a command.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xtask::lab::operator::admin_address;
use xtask::process::{self, Output};
use xtask::supervisor::State;

use super::{LIMIT, Stage, binary};

const NAME: &str = "second";

/// A GET of an operator's port, with more header lines, each ended: status line, headers and body; empty where nobody
/// answers.
pub(super) fn get(port: u16, path: &str, headers: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return String::new();
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a limit");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map(|_| answer).unwrap_or_default()
}

/// Another operator with the flags of the first, on the same ledger, namespace and upstream services.
pub struct Second<'a> {
    stage: &'a Stage,
    port: u16,
}

impl Second<'_> {
    /// A GET of its own port.
    pub fn http(&self, path: &str) -> String {
        get(self.port, path, "")
    }

    /// Where its admin API listens, once it says so.
    pub fn admin_address(&self) -> Option<String> {
        admin_address(&std::fs::read_to_string(self.stage.directory.join("second.log")).unwrap_or_default())
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&self) -> State {
        let stopped = self.stage.supervisor.stop(NAME, Duration::from_secs(40));
        stopped.expect("the end of the second operator")
    }
}

impl Stage {
    /// Starts a second operator.
    pub fn start_second(&self) -> Second<'_> {
        let port = xtask::ports::free(1).expect("a port")[0];
        let mut spec = self.operator(port);
        NAME.clone_into(&mut spec.name);
        spec.log = self.directory.join("second.log");
        self.supervisor.run(spec).expect("the second operator");
        Second { stage: self, port }
    }

    /// Runs another command of the operator's binary as the cluster's administrator.
    pub fn command(&self, arguments: &[&str]) -> Output {
        Self::command_as(self.plane.admin_kubeconfig(), arguments)
    }

    /// As [`Self::command`], with the rights of another kubeconfig.
    pub fn command_as(kubeconfig: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("ADCONVERSION_BIN", "adconversion"));
        command.args(arguments).arg("--kubeconfig").arg(kubeconfig);
        process::run(command, None, LIMIT).expect("the command ends")
    }

    /// Where HubSpot and Google are, for a command that asks them.
    pub fn endpoints(&self) -> Vec<String> {
        let upstream = &self.sandbox.upstream;
        let bases = ["hubspot", "google-ads", "data-manager"];
        let flags = bases.iter().map(|base| format!("--{base}-endpoint={upstream}"));
        flags
            .chain([format!("--google-token-endpoint={upstream}/token")])
            .collect()
    }

    /// A service account of the stage's namespace without any right; its kubeconfig.
    pub fn stranger(&self, name: &str) -> PathBuf {
        self.kubectl(&["create", "serviceaccount", name]);
        let file = self.directory.join(format!("{name}.kubeconfig"));
        let client = self.plane.client();
        let written = client.write_service_account_kubeconfig(&self.namespace, name, &file);
        written.expect("a kubeconfig of the service account");
        file
    }

    /// Writes a file for a command to read; its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.directory.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    }
}
