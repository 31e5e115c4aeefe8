//! What is measured: a control plane, a sandbox and an operator, each in a cgroup of its own where there are any.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::control_plane::{ControlPlane, Options, new_directory};
use xtask::lab::install;
use xtask::lab::operator;
use xtask::lab::sandbox::Sandbox;
use xtask::supervisor::{Spec, State, Supervisor};
use xtask::tools;

/// Most memory of API server and etcd, and of the operator.
const PLANE_MEMORY: u64 = 8 << 30;
const OPERATOR_MEMORY: u64 = 1 << 30;

/// The flags that differ from the operator's defaults, for figures that hold for the defaults.
const FLAGS: [(&str, &str); 2] = [("status-interval", "1s"), ("log-format", "text")];

/// Everything that runs.
pub struct Stand {
    /// HubSpot and Google.
    pub sandbox: Sandbox,
    plane: ControlPlane,
    supervisor: Supervisor,
    directory: PathBuf,
    kubeconfig: PathBuf,
    port: u16,
}

impl Stand {
    /// Control plane, permissions and sandbox; the operator is started apart.
    pub fn start(options: &[&str]) -> Self {
        let sandbox = build_sandbox();
        let plane = ControlPlane::start(&Options {
            controller_manager: false,
            ..Options::default()
        })
        .expect("a control plane");
        for name in ["etcd", "kube-apiserver"] {
            let pid = plane.pid(name).expect("its state").expect("it runs");
            bound_memory("plane", pid, PLANE_MEMORY);
        }
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let helm = tools::helm().expect("helm");
        let installed = install::install(plane.client(), &helm, repository).expect("the chart's permissions");
        let directory = new_directory().expect("a directory");
        let supervisor = Supervisor::start(None, &directory, false).expect("a supervisor");
        let sandbox = Sandbox::start(&supervisor, sandbox, &directory, options).expect("the sandbox");
        let kubeconfig = directory.join("operator.kubeconfig");
        plane
            .client()
            .write_service_account_kubeconfig(install::NAMESPACE, &installed.service_account, &kubeconfig)
            .expect("a kubeconfig");
        Self {
            sandbox,
            plane,
            supervisor,
            directory,
            kubeconfig,
            port: xtask::ports::free(1).expect("a port")[0],
        }
    }

    /// The control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Starts the operator with its defaults, but for what the figures need; its process id.
    pub fn start_operator(&self, flags: &[(&str, &str)]) -> u32 {
        let ledger = format!("sqlite://{}", self.directory.join("ledger.db").display());
        let upstream = &self.sandbox.upstream;
        let mut all: BTreeMap<&str, String> = FLAGS.map(|(flag, value)| (flag, value.to_owned())).into();
        all.insert("ledger-url", ledger);
        all.insert("listen", format!("127.0.0.1:{}", self.port));
        all.insert("google-token-endpoint", format!("{upstream}/token"));
        for endpoint in ["hubspot-endpoint", "google-ads-endpoint", "data-manager-endpoint"] {
            all.insert(endpoint, upstream.clone());
        }
        all.extend(flags.iter().map(|(flag, value)| (*flag, (*value).to_owned())));
        let mut arguments = vec!["run".to_owned()];
        arguments.extend(all.iter().map(|(flag, value)| format!("--{flag}={value}")));
        let spec = Spec {
            name: operator::NAME.to_owned(),
            program: env!("CARGO_BIN_EXE_adconversion").into(),
            arguments,
            environment: BTreeMap::from([("KUBECONFIG".to_owned(), self.kubeconfig.display().to_string())]),
            log: self.directory.join("operator.log"),
        };
        let pid = self.supervisor.run(spec).expect("the operator");
        bound_memory("operator", pid, OPERATOR_MEMORY);
        pid
    }

    /// SIGTERM.
    pub fn stop_operator(&self) {
        let grace = Duration::from_secs(20);
        self.supervisor.stop(operator::NAME, grace).expect("the operator's end");
    }

    /// The end of the operator's log.
    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.join("operator.log")).unwrap_or_default();
        xtask::process::tail(&log, 40)
    }

    fn operator_pid(&self) -> u32 {
        match self.supervisor.state(operator::NAME).expect("its state") {
            State::Running(pid) => pid,
            ended => panic!("the operator ended ({ended:?}):\n{}", self.log()),
        }
    }

    /// Processor time that the operator has taken, in seconds.
    pub fn processor_time(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.operator_pid())).expect("its times");
        // Behind the name in brackets: user and system time are the 12th and 13th field, in hundredths.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Writes that the API server has served for our kinds, and for Kubernetes Events.
    pub fn kubernetes_writes(&self) -> u64 {
        let metrics = self
            .plane
            .client()
            .must(&["get", "--raw", "/metrics"])
            .expect("the API server's metrics");
        let ours = |line: &&str| line.contains("group=\"adconversion.dev\"") || line.contains("resource=\"events\"");
        let writes = |line: &&str| {
            let verbs = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];
            verbs.iter().any(|verb| line.contains(&format!("verb=\"{verb}\"")))
        };
        let counted = metrics
            .lines()
            .filter(|line| line.starts_with("apiserver_request_total{"));
        let numbers = counted
            .filter(ours)
            .filter(writes)
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let sum = numbers.sum::<f64>() as u64;
        sum
    }

    /// The statuses of all our objects, by kind and name.
    pub fn statuses(&self) -> BTreeMap<String, Value> {
        let kinds = "adconversionevents,googleadsaccounts,hubspotaccounts";
        let list = self.plane.client().must(&["get", kinds, "--output", "json"]);
        let list: Value = serde_json::from_str(&list.expect("our objects")).expect("a list");
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let name = |item: &Value| format!("{} {}", item["kind"], item["metadata"]["name"]).replace('"', "");
        items
            .into_iter()
            .map(|item| (name(&item), item["status"].clone()))
            .collect()
    }

    /// Memory of the operator in MB: what it holds now, the most it ever held, and its program's share of that.
    pub fn memory(&self) -> (f64, f64, f64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.operator_pid())).expect("its status");
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
            let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
            kilobytes / 1024.0
        };
        (line("VmRSS:"), line("VmHWM:"), line("RssFile:"))
    }

    /// Applies manifests.
    pub fn apply(&self, manifests: &str) {
        let arguments = ["apply", "--server-side", "--filename", "-"];
        let applied = self
            .plane
            .client()
            .run_with(&arguments, Some(manifests), Duration::from_mins(5));
        applied.expect("kubectl").ok().expect("applied");
    }

    /// Posts to the sandbox's admin port.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.sandbox.post(&format!("/admin{path}"), body).expect("the sandbox")
    }

    /// Calls of a service since the log was cleared, and how many
    /// of them were refused as too many, by a part of the path.
    pub fn calls(&self, service: &str, part: &str) -> (u64, u64) {
        let summary = self.sandbox.get("/admin/requests/summary").expect("the sandbox");
        let rows = summary["requests"].as_array().cloned().unwrap_or_default();
        let of = |row: &&Value| row["service"] == service && row["path"].as_str().is_some_and(|p| p.contains(part));
        rows.iter().filter(of).fold((0, 0), |(all, refused), row| {
            let number = |name: &str| row[name].as_u64().expect("a number");
            (all + number("count"), refused + number("refused"))
        })
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.sandbox
            .call("DELETE", "/admin/requests", None)
            .expect("the sandbox");
    }

    /// Waits until `look` finds something.
    pub fn wait<T>(&self, what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(
                start.elapsed() < limit,
                "waited {} s for {what}; the operator's log:\n{}",
                limit.as_secs(),
                self.log()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// The sandbox, optimised as the operator is.
fn build_sandbox() -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "build",
            "--quiet",
            "--profile",
            "bench",
            "--package",
            "adconversion-sandbox",
        ])
        .status();
    assert!(status.expect("cargo").success(), "the sandbox is built");
    Path::new(env!("CARGO_BIN_EXE_adconversion")).with_file_name("adconversion-sandbox")
}

/// Puts a process into a memory cgroup of this size, where there is the first version of them.
fn bound_memory(name: &str, pid: u32, bytes: u64) {
    let group = PathBuf::from(format!(
        "/sys/fs/cgroup/memory/adconversion-bench-{name}-{}",
        std::process::id()
    ));
    let bound = fs::create_dir_all(&group)
        .and_then(|()| fs::write(group.join("memory.limit_in_bytes"), bytes.to_string()))
        .and_then(|()| fs::write(group.join("cgroup.procs"), pid.to_string()));
    if let Err(error) = bound {
        println!("{name} is not bounded in memory: {error}");
    }
}

/// A Secret and an account of each kind.
pub fn accounts(google: &[(String, String)], interval: &str) -> String {
    let secret = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
    let account = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let client =
        json!({"clientId": "sandbox-client", "clientSecret": "sandbox-secret", "refreshToken": "sandbox-refresh"});
    let mut items = vec![
        secret("hubspot", json!({"accessToken": "pat-na1-sandbox"})),
        secret("google-ads", client),
        account(
            "HubSpotAccount",
            "acme",
            json!({"credentialsSecretRef": {"name": "hubspot"}, "interval": interval}),
        ),
    ];
    items.extend(google.iter().map(|(name, customer)| {
        let spec = json!({"customerId": customer, "credentialsSecretRef": {"name": "google-ads"}});
        account("GoogleAdsAccount", name, spec)
    }));
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}
