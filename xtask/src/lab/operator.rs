//! The operator with every wait shortened, against the sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::supervisor::Spec;

/// Name of the process among the children of its supervisor.
pub const NAME: &str = "operator";

/// How the operator is started.
pub struct Start<'a> {
    /// Path of the `adconversion` binary.
    pub program: PathBuf,
    /// Directory of its log and ledger.
    pub directory: &'a Path,
    /// Kubeconfig it works with.
    pub kubeconfig: &'a Path,
    /// Port of health and metrics.
    pub port: u16,
    /// Base URL of the sandbox.
    pub upstream: &'a str,
    /// Flags that differ from the usual ones, or come on top, without dashes.
    pub flags: &'a [(&'a str, &'a str)],
}

/// The operator's process.
pub fn spec(start: Start<'_>) -> Spec {
    let ledger = format!("sqlite://{}", start.directory.join("ledger.db").display());
    let mut flags = usual(&ledger, start.port, start.upstream);
    for (flag, value) in start.flags {
        flags.insert((*flag).to_owned(), (*value).to_owned());
    }
    let mut arguments = vec!["run".to_owned()];
    arguments.extend(flags.iter().map(|(flag, value)| format!("--{flag}={value}")));
    Spec {
        name: NAME.to_owned(),
        program: start.program,
        arguments,
        environment: BTreeMap::from([("KUBECONFIG".to_owned(), start.kubeconfig.display().to_string())]),
        log: start.directory.join("operator.log"),
    }
}

/// Where an operator with this log has its admin API: `host:port`.
pub fn admin_address(log: &str) -> Option<String> {
    let rest = log.split("admin=").nth(1)?;
    rest.split_whitespace().next().map(str::to_owned)
}

fn usual(ledger: &str, port: u16, upstream: &str) -> BTreeMap<String, String> {
    let listen = format!("127.0.0.1:{port}");
    let token = format!("{upstream}/token");
    let flags = [
        ("ledger-url", ledger),
        ("listen", &listen),
        ("admin-listen", "127.0.0.1:0"),
        ("log-format", "text"),
        ("hubspot-endpoint", upstream),
        ("google-ads-endpoint", upstream),
        ("data-manager-endpoint", upstream),
        ("google-token-endpoint", &token),
        ("min-interval", "500ms"),
        ("upload-interval", "1s"),
        ("status-interval", "1s"),
        ("settle-delay", "1s"),
        ("click-grace", "5s"),
        ("overlap", "2m"),
        ("new-action-hold", "0s"),
        ("too-recent-wait", "0s"),
        ("create-settle", "2s"),
        ("diagnostics-first-poll", "3s"),
        ("diagnostics-max-poll", "5s"),
        ("google-refresh-interval", "5s"),
        ("account-check-interval", "2s"),
        ("stalled-probe-interval", "4s"),
        ("backoff-max", "3s"),
    ];
    flags.map(|(flag, value)| (flag.to_owned(), value.to_owned())).into()
}
