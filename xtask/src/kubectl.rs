//! kubectl bound to one cluster.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Error;
use crate::process::{self, Output};

/// Limit of a call, unless the caller gives one.
pub const CALL_LIMIT: Duration = Duration::from_mins(1);
/// Longer than kubectl waits itself.
const ESTABLISHED_LIMIT: Duration = Duration::from_secs(70);

/// kubectl with everything that binds it to one cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    cluster: Cluster,
}

#[derive(Debug, Clone)]
enum Cluster {
    Kubeconfig { file: PathBuf, cache: PathBuf },
    Context(String),
}

impl Kubectl {
    /// For a kubeconfig file; what kubectl caches goes to `cache`.
    pub fn for_kubeconfig(program: PathBuf, file: PathBuf, cache: PathBuf) -> Self {
        Self {
            program,
            cluster: Cluster::Kubeconfig { file, cache },
        }
    }

    /// For a context of the user's own kubeconfig, with kubectl from `PATH`.
    pub fn for_context(context: &str) -> Self {
        Self {
            program: PathBuf::from("kubectl"),
            cluster: Cluster::Context(context.to_owned()),
        }
    }

    /// Runs kubectl. A failing exit code is no error here: see [`Output::ok`].
    pub fn run(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.run_with(arguments, None, CALL_LIMIT)
    }

    /// Runs kubectl with optional input and a limit, at which it is killed.
    pub fn run_with(&self, arguments: &[&str], input: Option<&str>, limit: Duration) -> Result<Output, Error> {
        let mut command = self.command();
        command.args(arguments);
        process::run(command, input, limit)
    }

    /// Runs kubectl and returns what it printed; a failing exit code is an error.
    pub fn must(&self, arguments: &[&str]) -> Result<String, Error> {
        self.run(arguments)?.ok()
    }

    /// Applies manifests (YAML or JSON).
    pub fn apply(&self, manifests: &str) -> Result<String, Error> {
        let arguments = ["apply", "--filename", "-"];
        self.run_with(&arguments, Some(manifests), CALL_LIMIT)?.ok()
    }

    /// Waits until the API server serves these definitions (`crd/NAME`), at most a minute.
    pub fn wait_established(&self, definitions: &[&str]) -> Result<(), Error> {
        let wait = [&["wait", "--for=condition=Established", "--timeout=60s"], definitions].concat();
        let start = Instant::now();
        loop {
            let output = self.run_with(&wait, None, ESTABLISHED_LIMIT)?;
            // That is how kubectl fails on a definition whose conditions
            // are null, as they are for a moment once it is created.
            if !output.stderr.contains(".status.conditions accessor error") || start.elapsed() > CALL_LIMIT {
                return output.ok().map(drop);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs kubectl with `-o json` and parses what it printed.
    pub fn json(&self, arguments: &[&str]) -> Result<Value, Error> {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        parse(&self.must(&all)?)
    }

    /// Writes a self-contained kubeconfig that authenticates as a service account
    /// for 24 hours. Missing permissions then show as they would in a pod.
    pub fn write_service_account_kubeconfig(&self, namespace: &str, name: &str, file: &Path) -> Result<(), Error> {
        let token = self.must(&["create", "token", name, "--namespace", namespace, "--duration", "24h"])?;
        let mut config = self.json(&["config", "view", "--minify", "--flatten", "--raw"])?;
        set_user(&mut config, namespace, token.trim())?;
        let mut target = fs::File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(file)
            .map_err(|source| Error::path("create", file, source))?;
        target
            .write_all(config.to_string().as_bytes())
            .map_err(|source| Error::path("write", file, source))
    }

    /// The command with nothing but what binds it to the cluster, for callers that
    /// add arguments themselves.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        // A user's aliases and default flags have no place here.
        command.env("KUBECTL_KUBERC", "false");
        match &self.cluster {
            Cluster::Kubeconfig { file, cache } => {
                command
                    .env_remove("KUBECONFIG")
                    .env("KUBECACHEDIR", cache)
                    .arg("--kubeconfig")
                    .arg(file);
            }
            Cluster::Context(context) => {
                command.arg("--context").arg(context);
            }
        }
        command
    }

    /// The same binding for helm, given helm's path.
    pub fn helm_command(&self, helm: &Path) -> Command {
        let mut command = Command::new(helm);
        match &self.cluster {
            Cluster::Kubeconfig { file, .. } => {
                command.env_remove("KUBECONFIG").arg("--kubeconfig").arg(file);
            }
            Cluster::Context(context) => {
                command.arg("--kube-context").arg(context);
            }
        }
        command
    }
}

fn parse(text: &str) -> Result<Value, Error> {
    serde_json::from_str(text).map_err(|error| Error::Failed(format!("kubectl printed no valid JSON: {error}")))
}

/// Replaces the only user of a minified kubeconfig by a token.
fn set_user(config: &mut Value, namespace: &str, token: &str) -> Result<(), Error> {
    let unusable = || Error::Failed("the kubeconfig has no current context".to_owned());
    let context = config
        .pointer_mut("/contexts/0/context")
        .and_then(Value::as_object_mut)
        .ok_or_else(unusable)?;
    context.insert("user".to_owned(), json!("service-account"));
    context.insert("namespace".to_owned(), json!(namespace));
    let config = config.as_object_mut().ok_or_else(unusable)?;
    let user = json!([{"name": "service-account", "user": {"token": token}}]);
    config.insert("users".to_owned(), user);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_replaced_and_nothing_of_it_stays() {
        let mut config = json!({
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "admin"}}],
            "users": [{"name": "admin", "user": {"client-key-data": "secret"}}],
            "current-context": "x",
        });
        set_user(&mut config, "ops", "abc").unwrap();
        assert_eq!(config.pointer("/users/0/user/token"), Some(&json!("abc")));
        assert_eq!(config.pointer("/contexts/0/context/namespace"), Some(&json!("ops")));
        assert!(!config.to_string().contains("admin"));
        assert!(!config.to_string().contains("secret"));
    }

    #[test]
    fn a_config_without_context_is_refused() {
        assert!(set_user(&mut json!({}), "ops", "abc").is_err());
    }
}
