//! One operator, one sandbox, one namespace; ends with the test.

mod evidence;
mod identity;
mod ledger;
mod manifest;
pub mod monitor;
mod neighbour;
mod process;
mod replica;
mod second;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use xtask::control_plane::ControlPlane;
use xtask::lab::operator;
use xtask::lab::sandbox::Sandbox;
use xtask::supervisor::{Spec, Supervisor};

pub(super) use self::identity::service_account;
pub use self::ledger::{execute, new_schema, query_number};
pub use self::neighbour::Neighbour;
pub use self::replica::{LEASE, Replica};
pub use super::counts::{Counts, ago, condition, reason};
use super::kube_proxy::KubeProxy;
use super::meddler::Meddler;
use crate::support::api_client::ApiClient;
use crate::support::cluster::{cluster, namespace};

/// Longest wait for something that takes seconds where nothing else runs: only what never comes waits so long.
pub const LIMIT: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(250);
const MANIFESTS: &str = include_str!("accounts.yaml");

/// Everything one test runs.
pub struct Stage {
    /// Namespace of the test's objects.
    pub namespace: String,
    /// HubSpot and Google.
    pub sandbox: Sandbox,
    plane: &'static ControlPlane,
    api: ApiClient,
    supervisor: Supervisor,
    directory: PathBuf,
    kubeconfig: PathBuf,
    port: u16,
    flags: Vec<(String, String)>,
    variables: Vec<(String, String)>,
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn binary(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test's own path");
    let built = test.ancestors().nth(2).expect("target directory").join(name);
    assert!(
        built.exists(),
        "{} is not built: cargo build --workspace",
        built.display()
    );
    built
}

impl Stage {
    /// Sandbox and operator, with accounts `acme` of both kinds and their Secrets applied.
    pub fn start(name: &str) -> Self {
        Self::with(name, &[], &[])
    }

    /// As [`Self::start`], with options of the sandbox and flags of the operator.
    pub fn with(name: &str, options: &[&str], flags: &[(&str, &str)]) -> Self {
        let stage = Self::empty(name, options, flags);
        stage.start_operator();
        stage.apply(MANIFESTS);
        stage
    }

    /// Sandbox only; the operator is not started and nothing is applied.
    pub fn empty(name: &str, options: &[&str], flags: &[(&str, &str)]) -> Self {
        Self::on(cluster(), service_account(), namespace(name), options, flags)
    }

    /// As [`Self::empty`], on a control plane of the test's own:
    /// where the permissions are in place and the namespace is.
    pub fn on(
        plane: &'static ControlPlane,
        account: &str,
        namespace: String,
        options: &[&str],
        flags: &[(&str, &str)],
    ) -> Self {
        let directory = xtask::control_plane::new_directory().expect("a directory");
        let supervisor = Supervisor::start(None, &directory, false).expect("a supervisor");
        let program = binary("ADCONVERSION_SANDBOX_BIN", "adconversion-sandbox");
        let sandbox = Sandbox::start(&supervisor, program, &directory, options).expect("the sandbox");
        let kubeconfig = directory.join("operator.kubeconfig");
        fs::write(&kubeconfig, identity::kubeconfig_of(plane, account)).expect("a kubeconfig");
        let url = ledger::new_schema().map(|url| ("ledger-url".to_owned(), url));
        let given = flags.iter().map(|(f, v)| ((*f).to_owned(), (*v).to_owned()));
        let flags = url.into_iter().chain(given).collect();
        let port = xtask::ports::free(1).expect("a port")[0];
        Self {
            namespace,
            sandbox,
            plane,
            api: ApiClient::new(plane.admin_kubeconfig()),
            supervisor,
            directory,
            kubeconfig,
            port,
            flags,
            variables: Vec::new(),
        }
    }

    /// Another flag for the operator's next start.
    pub fn flag(&mut self, flag: &str, value: &str) {
        self.flags.push((flag.to_owned(), value.to_owned()));
    }

    /// Another environment variable for the operator's next start.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// From its next start the operator reaches the API server through a proxy.
    pub fn proxied(&mut self) -> KubeProxy {
        let through = self.directory.join("proxied.kubeconfig");
        let proxy = KubeProxy::start(&self.kubeconfig, &through);
        self.kubeconfig = through;
        proxy
    }

    /// From its next start the operator reaches HubSpot and Google through a proxy that a test's rules control.
    pub fn meddled(&mut self) -> Meddler {
        let meddler = Meddler::start(&self.sandbox.upstream);
        for endpoint in ["hubspot", "google-ads", "data-manager"] {
            self.flag(&format!("{endpoint}-endpoint"), &meddler.address);
        }
        self.flag("google-token-endpoint", &format!("{}/token", meddler.address));
        meddler
    }

    /// Starts the operator, also again after a kill.
    pub fn start_operator(&self) {
        self.supervisor.run(self.operator(self.port)).expect("the operator");
    }

    /// Where the operator's admin API listens.
    pub fn admin_address(&self) -> String {
        self.wait_for("the address of the admin API", || {
            operator::admin_address(&self.log()).ok_or(Value::Null)
        })
    }

    /// Starts the operator and applies the accounts `acme`, until both are ready.
    pub fn start_with_accounts(&self) {
        self.start_operator();
        self.apply(MANIFESTS);
        self.condition("gaa/acme", "Ready", "True", "");
        self.condition("hsa/acme", "Ready", "True", "");
    }

    /// The operator's process, listening on this port.
    fn operator(&self, port: u16) -> Spec {
        let mut flags = vec![("watch-namespaces", self.namespace.as_str())];
        flags.extend(self.flags.iter().map(|(f, v)| (f.as_str(), v.as_str())));
        let mut spec = operator::spec(operator::Start {
            program: binary("ADCONVERSION_BIN", "adconversion"),
            directory: &self.directory,
            kubeconfig: &self.kubeconfig,
            port,
            upstream: &self.sandbox.upstream,
            flags: &flags,
        });
        spec.environment.extend(self.variables.iter().cloned());
        spec
    }

    /// The port of health and metrics.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The ledger's file.
    pub fn ledger(&self) -> PathBuf {
        self.directory.join("ledger.db")
    }

    /// What the operator wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("operator.log")).unwrap_or_default()
    }

    /// A GET of the operator's own port: status line and body.
    pub fn http(&self, path: &str) -> String {
        self.http_with(path, "")
    }

    /// As [`Self::http`], with more header lines, each ended.
    pub fn http_with(&self, path: &str, headers: &str) -> String {
        second::get(self.port, path, headers)
    }

    /// kubectl in the test's namespace; must succeed.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let all = [&["--namespace", self.namespace.as_str()], arguments].concat();
        self.plane.client().must(&all).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Applies manifests in the test's namespace.
    pub fn apply(&self, manifests: &str) {
        if self.api.apply(&self.namespace, manifests) {
            return;
        }
        let arguments = ["--namespace", self.namespace.as_str(), "apply", "--filename", "-"];
        let output = self
            .plane
            .client()
            .run_with(&arguments, Some(manifests), LIMIT)
            .expect("kubectl");
        output.ok().unwrap_or_else(|error| panic!("{error}"));
    }

    /// A merge patch of an object, e.g. `patch("adce/x", json!({...}))`.
    pub fn patch(&self, object: &str, patch: &Value) {
        if !self.api.patch(&self.namespace, object, patch) {
            self.kubectl(&["patch", object, "--type", "merge", "--patch", &patch.to_string()]);
        }
    }

    /// An object as JSON, or null when there is none.
    pub fn get(&self, object: &str) -> Value {
        if let Some(found) = self.api.get(&self.namespace, object) {
            return found;
        }
        let text = self.kubectl(&["get", object, "--ignore-not-found", "--output", "json"]);
        if text.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).expect("JSON")
        }
    }

    /// Waits until `found` is true of the object; panics with its last state and the log's end.
    pub fn wait(&self, object: &str, what: &str, found: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(what, || {
            let value = self.get(object);
            if found(&value) {
                Ok(value)
            } else {
                Err(value["status"].clone())
            }
        })
    }

    /// Waits until `look` is Ok; panics with what it said last.
    pub fn wait_for<T>(&self, what: &str, look: impl Fn() -> Result<T, Value>) -> T {
        self.wait_within(LIMIT, what, look)
    }

    /// As [`Self::wait_for`], with a limit of its own.
    pub fn wait_within<T>(&self, limit: Duration, what: &str, mut look: impl FnMut() -> Result<T, Value>) -> T {
        let start = Instant::now();
        loop {
            let last = match look() {
                Ok(value) => return value,
                Err(last) => last,
            };
            if start.elapsed() >= limit {
                let log = xtask::process::tail(&self.log(), 40);
                panic!("waited {} s for {what}; last: {last:#}\nlog:\n{log}", limit.as_secs());
            }
            thread::sleep(LOOK);
        }
    }

    /// Waits for a condition of an object to have this status and reason (empty: any).
    pub fn condition(&self, object: &str, type_: &str, status: &str, reason: &str) -> Value {
        let what = format!("{object} {type_}={status}/{reason}");
        let value = self.wait(object, &what, |v| {
            let c = condition(v, type_);
            c["status"] == status && (reason.is_empty() || c["reason"] == reason)
        });
        condition(&value, type_)
    }

    /// Posts to the sandbox's admin port.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.sandbox
            .post(&format!("/admin{path}"), body)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads from the sandbox's admin port.
    pub fn admin(&self, path: &str) -> Value {
        self.sandbox
            .get(&format!("/admin{path}"))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Any other call of the sandbox's admin port.
    pub fn admin_call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let path = format!("/admin{path}");
        self.sandbox
            .call(method, &path, body)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Conversion actions of the sandbox, removed ones too.
    pub fn actions(&self) -> Vec<Value> {
        let listed = self.admin("/google/actions");
        listed["actions"]
            .as_array()
            .or_else(|| listed.as_array())
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until a request stands at the gate.
    pub fn at_the_gate(&self) {
        self.wait_for("a request at the gate", || {
            let gate = self.admin("/gate");
            if gate["reached"] == true { Ok(()) } else { Err(gate) }
        });
    }

    /// Conversions the sandbox accepted for an action.
    pub fn accepted(&self, action: &str) -> Vec<Value> {
        let tally = self.admin(&format!("/google/tally?actionId={action}"));
        tally["conversions"].as_array().cloned().unwrap_or_default()
    }

    /// One contact with these lifecycle rows (`(value, timestamp)`), a click id and further properties; its id.
    pub fn contact(&self, rows: &[(&str, String)], click: Option<&str>, properties: &Value) -> String {
        let stages: Vec<_> = rows
            .iter()
            .map(|(v, t)| json!({"value": v, "timestamp": t, "sourceType": "CRM_UI"}))
            .collect();
        let mut history = json!({"lifecyclestage": stages});
        if let Some(click) = click {
            history["hs_google_click_id"] =
                json!([{"value": click, "timestamp": ago(86_400 * 9), "sourceType": "FORM"}]);
        }
        let contact = json!([{"createdAt": ago(86_400 * 10), "properties": properties, "history": history}]);
        let created = self.post("/hubspot/contacts", &contact);
        let id = created
            .pointer("/ids/0")
            .or_else(|| created.pointer("/0/id"))
            .or_else(|| created.get(0));
        id.and_then(|id| {
            id.as_str()
                .map(str::to_owned)
                .or_else(|| id.as_u64().map(|n| n.to_string()))
        })
        .unwrap_or_else(|| panic!("no id in {created}"))
    }

    /// Applies a lifecycle event of this name and stage; `more` is merged into its spec.
    pub fn event(&self, name: &str, stage: &str, more: &Value) {
        self.apply(&manifest::event(name, stage, more).to_string());
    }

    /// Waits until nothing is pending or processing and `observed` occurrences are counted; returns the event.
    pub fn settled(&self, name: &str, observed: u64) -> Value {
        self.wait(&format!("adce/{name}"), &format!("{observed} settled"), |event| {
            let sync = Counts::of(event);
            sync.conserved(event);
            sync.observed == observed && sync.pending == 0 && sync.processing == 0
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print_evidence();
        } else if let Ok(log) = self.sandbox.get("/admin/requests?since=0") {
            super::record(&log);
        }
    }
}
