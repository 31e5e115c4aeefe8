//! The operator as the demo runs it: every wait shortened, against the sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::sandbox::Sandbox;
use crate::supervisor::Spec;

pub(super) const NAME: &str = "operator";

/// The operator's process.
pub(super) fn spec(program: PathBuf, directory: &Path, kubeconfig: &Path, port: u16, sandbox: &Sandbox) -> Spec {
    let ledger = format!("sqlite://{}", directory.join("ledger.db").display());
    let mut arguments = vec!["run".to_owned()];
    for (flag, value) in flags(&ledger, port, &sandbox.upstream) {
        arguments.push(format!("--{flag}={value}"));
    }
    let kubeconfig = kubeconfig.display().to_string();
    Spec {
        name: NAME.to_owned(),
        program,
        arguments,
        environment: BTreeMap::from([("KUBECONFIG".to_owned(), kubeconfig)]),
        log: directory.join("operator.log"),
    }
}

fn flags(ledger: &str, port: u16, upstream: &str) -> Vec<(&'static str, String)> {
    let mut flags = vec![
        ("ledger-url", ledger.to_owned()),
        ("listen", format!("127.0.0.1:{port}")),
        ("log-format", "text".to_owned()),
        ("hubspot-endpoint", upstream.to_owned()),
        ("google-ads-endpoint", upstream.to_owned()),
        ("data-manager-endpoint", upstream.to_owned()),
        ("google-token-endpoint", format!("{upstream}/token")),
    ];
    let waits = [
        ("min-interval", "1s"),
        ("upload-interval", "2s"),
        ("status-interval", "1s"),
        ("settle-delay", "2s"),
        ("click-grace", "5s"),
        ("overlap", "2m"),
        ("new-action-hold", "0s"),
        ("too-recent-wait", "0s"),
        ("create-settle", "2s"),
        ("diagnostics-first-poll", "3s"),
        ("diagnostics-max-poll", "5s"),
        ("google-refresh-interval", "10s"),
        ("account-check-interval", "5s"),
        ("stalled-probe-interval", "5s"),
        ("attribution-interval", "10s"),
        ("backoff-max", "5s"),
    ];
    flags.extend(waits.map(|(flag, value)| (flag, value.to_owned())));
    flags
}
