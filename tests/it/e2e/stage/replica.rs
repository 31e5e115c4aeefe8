//! Replicas with leader election: operators of one stage, each with a port, a log and perhaps a network of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::lab::install;
use xtask::process;
use xtask::supervisor::State;

use super::second::get;
use super::{Stage, service_account};

/// Name of the Lease, in the stage's namespace.
pub const LEASE: &str = "replicas";

/// One of several operators.
pub struct Replica<'a> {
    stage: &'a Stage,
    pub name: &'static str,
    port: u16,
}

impl Stage {
    /// Makes the Lease and lets the operators use it, and nothing beyond, as the chart does.
    pub fn make_lease(&self) {
        let metadata = json!({"name": LEASE});
        let rule = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE],
            "verbs": ["get", "watch", "update"]});
        let account = json!({"kind": "ServiceAccount", "name": service_account(), "namespace": install::NAMESPACE});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": LEASE});
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
                "roleRef": role, "subjects": [account]}]});
        self.apply(&objects.to_string());
    }

    /// Who holds the Lease; empty: nobody.
    pub fn lease_holder(&self) -> String {
        let lease = self.get(&format!("lease/{LEASE}"));
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// Starts an operator of this name with leader election and more flags,
    /// which reaches the API server by this kubeconfig where one is named.
    pub fn start_replica(&self, name: &'static str, flags: &[(&str, &str)], kubeconfig: Option<&Path>) -> Replica<'_> {
        let port = xtask::ports::free(1).expect("a port")[0];
        self.start_replica_on(port, name, flags, kubeconfig);
        Replica {
            stage: self,
            name,
            port,
        }
    }

    fn start_replica_on(&self, port: u16, name: &str, flags: &[(&str, &str)], kubeconfig: Option<&Path>) {
        let mut spec = self.operator(port);
        let lease = [
            ("lease-name", LEASE),
            ("lease-namespace", &self.namespace),
            ("leader-elect", "true"),
            // Each look at a request, so that what a failed test leaves tells
            // whether its leader looked; and each try to open the ledger.
            (
                "log-level",
                "warn,adconversion_operator=info,adconversion_operator::sync=debug,adconversion_operator::cli::open_ledger=debug",
            ),
        ];
        for (flag, value) in lease.iter().chain(flags) {
            let prefix = format!("--{flag}=");
            spec.arguments.retain(|argument| !argument.starts_with(&prefix));
            spec.arguments.push(format!("{prefix}{value}"));
        }
        name.clone_into(&mut spec.name);
        spec.log = self.replica_log(name);
        spec.environment.insert("POD_NAME".to_owned(), name.to_owned());
        if let Some(kubeconfig) = kubeconfig {
            let path = kubeconfig.display().to_string();
            spec.environment.insert("KUBECONFIG".to_owned(), path);
        }
        self.supervisor.run(spec).expect("a replica");
    }

    /// A kubeconfig like the operator's that leads to another address.
    pub fn kubeconfig_through(&self, address: &str) -> PathBuf {
        let path = self.directory.join("through.kubeconfig");
        // Copied first, so that the token is as well kept as before.
        std::fs::copy(&self.kubeconfig, &path).expect("a kubeconfig");
        let text = std::fs::read_to_string(&path).expect("a kubeconfig");
        let mut config: Value = serde_json::from_str(&text).expect("JSON");
        config["clusters"][0]["cluster"]["server"] = json!(format!("https://{address}"));
        std::fs::write(&path, config.to_string()).expect("a kubeconfig");
        path
    }

    /// Host and port of the API server.
    pub fn api_server(&self) -> String {
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let config: Value = serde_json::from_str(&text).expect("JSON");
        let server = config["clusters"][0]["cluster"]["server"].as_str().expect("an address");
        server.trim_start_matches("https://").trim_end_matches('/').to_owned()
    }

    fn replica_log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }
}

impl Replica<'_> {
    /// A GET of its port.
    pub fn http(&self, path: &str) -> String {
        get(self.port, path, "")
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.stage.replica_log(self.name)).unwrap_or_default()
    }

    /// Whether it says that it works; `None` where it does not answer.
    pub fn leads(&self) -> Option<bool> {
        let metrics = self.http("/metrics");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("adconversion_leader "))?;
        Some(line.trim() == "1")
    }

    pub fn is_ready(&self) -> bool {
        self.http("/readyz").starts_with("HTTP/1.1 200")
    }

    /// The port of health and metrics.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ends it in order, if it runs, and starts it again without further flags, on the same port.
    pub fn restart(&self) {
        let ended = self.stage.supervisor.stop(self.name, Duration::from_secs(40));
        ended.expect("its end");
        self.stage.start_replica_on(self.port, self.name, &[], None);
    }

    /// Waits until it works; how long that took.
    pub fn wait_leads(&self, limit: Duration) -> Duration {
        self.wait_until("it leads", limit, || self.leads() == Some(true))
    }

    /// Waits until it is ready to take over.
    pub fn wait_stands_by(&self) {
        self.wait_until("it stands by", Duration::from_secs(40), || {
            self.is_ready() && self.leads() == Some(false)
        });
        assert!(self.http("/livez").starts_with("HTTP/1.1 200"));
    }

    fn wait_until(&self, what: &str, limit: Duration, done: impl Fn() -> bool) -> Duration {
        self.wait_for(what, limit, || done().then_some(())).1
    }

    /// What `look` finds within the limit, and how long that took.
    fn wait_for<T>(&self, what: &str, limit: Duration, look: impl Fn() -> Option<T>) -> (T, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return (found, begun.elapsed());
            }
            if begun.elapsed() >= limit {
                let (name, log) = (self.name, process::tail(&self.log(), 30));
                panic!("{name}: waited {limit:?} until {what}: {}\n{log}", self.http("/readyz"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends it a signal, which it may not notice at once.
    pub fn signal(&self, name: &str) {
        let State::Running(pid) = self.stage.supervisor.state(self.name).expect("state") else {
            panic!("{} does not run:\n{}", self.name, process::tail(&self.log(), 30));
        };
        assert!(process::signal(name, pid, false).expect("a signal"));
    }

    /// Waits until it has ended by itself; how, and how long that took.
    pub fn wait_ended(&self, limit: Duration) -> (String, Duration) {
        self.wait_for("it ends", limit, || {
            let state = self.stage.supervisor.state(self.name).expect("state");
            (!matches!(state, State::Running(_))).then(|| format!("{state:?}"))
        })
    }
}
