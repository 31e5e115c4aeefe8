//! The image's operator, started in its file system against a control plane and the image's sandbox.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::browser::as_root;
use crate::control_plane::{ControlPlane, Options};
use crate::lab::install;
use crate::process::{self, say};
use crate::{Error, ports, tools};

/// Who the programs run as, as the Dockerfile says.
pub(super) const USER: &str = "65532:65532";
const SCRIPT: &str = include_str!("start.sh");
/// Seconds after which the script and all that it started are ended.
const SCRIPT_LIMIT: &str = "120";
const LIMIT: Duration = Duration::from_mins(3);

/// Starts the operator in the image's file system at `mount` with the rights that the chart gives it, and says after
/// which time it is ready. It must find the accounts of `examples/` in the sandbox, and end by itself when it is asked
/// to. Logs go to a directory below `directory`.
pub(super) fn check(root: &Path, directory: &Path, mount: &str) -> Result<(), Error> {
    let plane = ControlPlane::start(&Options {
        controller_manager: false,
        ..Options::default()
    })?;
    let result = run(root, directory, mount, &plane);
    plane.stop()?;
    result
}

fn run(root: &Path, directory: &Path, mount: &str, plane: &ControlPlane) -> Result<(), Error> {
    let kubectl = plane.client();
    let installed = install::install(kubectl, &install::helm(false)?, root)?;
    let examples = root.join("examples");
    let manifests = ["accounts.yaml", "sandbox/credentials.yaml"].map(|name| examples.join(name).display().to_string());
    let [accounts, credentials] = &manifests;
    kubectl.must(&["apply", "--filename", accounts, "--filename", credentials])?;
    let kubeconfig = plane.service_account_kubeconfig(install::NAMESPACE, &installed.service_account)?;
    let logs = directory.join("logs");
    fs::create_dir_all(&logs).map_err(|source| Error::path("create", &logs, source))?;
    let addresses: Vec<String> = ports::free(3)?.iter().map(|port| format!("127.0.0.1:{port}")).collect();
    let paths = [
        logs.as_path(),
        &kubeconfig,
        &tools::kubectl()?,
        plane.admin_kubeconfig(),
    ];
    let [logs, kubeconfig, kubectl, administrator] = paths.map(|path| path.display().to_string());
    let shell = ["timeout", "--kill-after=10", SCRIPT_LIMIT, "sh", "-c", SCRIPT, "start"];
    let given = [mount, &logs, USER, &kubeconfig, &kubectl, &administrator];
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let arguments = [&shell[..], &given[..], &addresses[..]].concat();
    let said = process::run(as_root(&arguments), None, LIMIT)?.ok()?;
    let ready = said.lines().last().unwrap_or_default();
    say(&format!(
        "   adconversion run in the image: {ready}, ended when it was asked to"
    ));
    Ok(())
}
