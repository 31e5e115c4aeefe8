//! A real Kubernetes control plane on loopback: etcd, kube-apiserver and, unless
//! declined, kube-controller-manager. RBAC is on. Pods stay pending, as there is
//! no kubelet.
//!
//! It ends with the value that stands for it, and with the process that holds
//! that value even after `kill -9`; nothing of it stays on disk.

mod layout;

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::Error;
use crate::kubectl::Kubectl;
use crate::process::{self, Output};
use crate::supervisor::{Spec, State, Supervisor};
use crate::tools::{self, Tool};
use layout::Layout;

/// Limit for the API server to become ready.
pub const READY_LIMIT: Duration = Duration::from_mins(1);
/// Another program may take a port between the moment it was found free and its use.
const ATTEMPTS: usize = 3;
const POLL: Duration = Duration::from_millis(100);
const STOP_GRACE: Duration = Duration::from_secs(2);

const ETCD: &str = "etcd";
const APISERVER: &str = "kube-apiserver";
const CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// How a control plane is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether kube-controller-manager runs too. Without it there is no garbage
    /// collection of owned objects, no namespace deletion and no default service
    /// account. Default: true.
    pub controller_manager: bool,
    /// Additional flags of kube-apiserver. Default: none.
    pub apiserver_flags: Vec<String>,
    /// The xtask executable, which supervises the processes; found when absent.
    pub supervisor: Option<PathBuf>,
    /// Whether the directory with data and logs stays after the end. Default: false.
    pub keep_files: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controller_manager: true,
            apiserver_flags: Vec::new(),
            supervisor: None,
            keep_files: false,
        }
    }
}

/// A running control plane.
pub struct ControlPlane {
    supervisor: Supervisor,
    layout: Layout,
    kubectl: Kubectl,
    apiserver: Spec,
    processes: Vec<&'static str>,
}

impl ControlPlane {
    /// Starts a control plane and waits until it serves requests (at most 60 s,
    /// after the binaries were built: see [`tools`]).
    pub fn start(options: &Options) -> Result<Self, Error> {
        let mut wanted = vec![Tool::Etcd, Tool::KubeApiserver, Tool::Kubectl];
        if options.controller_manager {
            wanted.push(Tool::KubeControllerManager);
        }
        tools::ensure(&wanted)?;
        let mut attempt = 1;
        loop {
            match Self::try_start(options) {
                Err(Error::Ended { log, .. }) if attempt < ATTEMPTS && log.contains("address already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn try_start(options: &Options) -> Result<Self, Error> {
        let directory = new_directory()?;
        let (layout, supervisor) = match prepare(&directory, options) {
            Ok(prepared) => prepared,
            Err(error) => {
                // Nobody else removes it, as there is no supervisor.
                fs::remove_dir_all(&directory).map_err(|source| Error::path("remove", &directory, source))?;
                return Err(error);
            }
        };
        let apiserver = layout.apiserver(tools::kube_apiserver()?, &options.apiserver_flags);
        let mut plane = Self {
            kubectl: Kubectl::for_kubeconfig(
                tools::kubectl()?,
                layout.admin_kubeconfig(),
                layout.directory.join("kubectl-cache"),
            ),
            processes: vec![ETCD, APISERVER],
            supervisor,
            layout,
            apiserver,
        };
        plane.supervisor.run(plane.layout.etcd(tools::etcd()?))?;
        plane.supervisor.run(plane.apiserver.clone())?;
        plane.wait_ready()?;
        if options.controller_manager {
            let program = tools::kube_controller_manager()?;
            plane.supervisor.run(plane.layout.controller_manager(program))?;
            plane.processes.push(CONTROLLER_MANAGER);
            plane.wait_for_default_service_account()?;
        }
        Ok(plane)
    }

    /// kubectl as the administrator of this control plane.
    pub fn client(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Runs kubectl as administrator. A failing exit code is no error here.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.kubectl.run(arguments)
    }

    /// Runs kubectl as administrator with input, such as `apply -f -`.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<Output, Error> {
        self.kubectl
            .run_with(arguments, Some(input), crate::kubectl::CALL_LIMIT)
    }

    /// The kubeconfig of an administrator.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.layout.admin_kubeconfig
    }

    /// Base URL of the API server.
    pub fn url(&self) -> String {
        self.layout.url()
    }

    /// Directory with the logs (`<process>.log`), the keys and the data.
    pub fn directory(&self) -> &Path {
        &self.layout.directory
    }

    /// The supervisor: what else should end with this process can run under it.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// A new kubeconfig that authenticates as an existing service account for 24
    /// hours, with nothing but the permissions bound to it.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf, Error> {
        let file = format!("{namespace}.{name}.kubeconfig");
        let file = self.layout.directory.join(file);
        self.kubectl.write_service_account_kubeconfig(namespace, name, &file)?;
        Ok(file)
    }

    /// Process id of a running process (`etcd`, `kube-apiserver`,
    /// `kube-controller-manager`).
    pub fn pid(&self, name: &str) -> Result<Option<u32>, Error> {
        Ok(match self.supervisor.state(name)? {
            State::Running(pid) => Some(pid),
            State::Ended(_) | State::Unknown => None,
        })
    }

    /// [`Error::Ended`] when one of the processes ended by itself.
    pub fn check(&self) -> Result<(), Error> {
        for name in &self.processes {
            if let State::Ended(status) = self.supervisor.state(name)? {
                return Err(self.ended(name, &status));
            }
        }
        Ok(())
    }

    /// Stops kube-apiserver; the data stays.
    pub fn stop_apiserver(&self) -> Result<(), Error> {
        self.supervisor.stop(APISERVER, STOP_GRACE).map(drop)
    }

    /// Starts kube-apiserver again at the same address and waits until it serves.
    pub fn start_apiserver(&self) -> Result<(), Error> {
        self.supervisor.run(self.apiserver.clone())?;
        self.wait_ready()
    }

    /// Restarts kube-apiserver: watches break and resume.
    pub fn restart_apiserver(&self) -> Result<(), Error> {
        self.stop_apiserver()?;
        self.start_apiserver()
    }

    /// Ends all processes and removes the directory. Dropping the value does the
    /// same and only prints errors.
    pub fn stop(self) -> Result<(), Error> {
        self.supervisor.end()
    }

    fn wait_ready(&self) -> Result<(), Error> {
        self.wait("kube-apiserver to become ready", || {
            // The server writes its certificate before it listens.
            if !self.layout.certificate().is_file() {
                return Ok(Err(String::new()));
            }
            let limit = Duration::from_secs(10);
            let arguments = ["get", "--raw", "/readyz", "--request-timeout", "5s"];
            match self.kubectl.run_with(&arguments, None, limit) {
                Ok(output) if output.success() && output.stdout.trim() == "ok" => Ok(Ok(())),
                Ok(output) => Ok(Err(output.stdout + &output.stderr)),
                Err(Error::Timeout { detail, .. }) => Ok(Err(detail)),
                Err(error) => Err(error),
            }
        })
    }

    fn wait_for_default_service_account(&self) -> Result<(), Error> {
        self.wait("kube-controller-manager to create service accounts", || {
            let arguments = ["get", "serviceaccount", "default", "--namespace", "default"];
            let output = self.kubectl.run(&arguments)?;
            Ok(if output.success() { Ok(()) } else { Err(output.stderr) })
        })
    }

    /// Waits until `probe` holds; what it saw instead goes into the error.
    fn wait(&self, what: &str, probe: impl Fn() -> Result<Result<(), String>, Error>) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            self.check()?;
            let seen = match probe()? {
                Ok(()) => return Ok(()),
                Err(seen) => seen,
            };
            if start.elapsed() >= READY_LIMIT {
                let log = self.layout.log_tail(APISERVER);
                return Err(Error::Timeout {
                    what: what.to_owned(),
                    seconds: READY_LIMIT.as_secs(),
                    detail: format!("; seen: {}\nlog:\n{log}", process::tail(&seen, 10)),
                });
            }
            thread::sleep(POLL);
        }
    }

    fn ended(&self, name: &str, status: &str) -> Error {
        Error::Ended {
            name: format!("{name} ({status})"),
            log: self.layout.log_tail(name),
        }
    }
}

fn prepare(directory: &Path, options: &Options) -> Result<(Layout, Supervisor), Error> {
    let layout = Layout::create(directory.to_owned())?;
    let executable = options.supervisor.as_deref();
    let supervisor = Supervisor::start(executable, directory, options.keep_files)?;
    Ok((layout, supervisor))
}

/// Tells directories of one process apart: two threads may see the same time.
static NEXT_DIRECTORY: AtomicU32 = AtomicU32::new(0);

/// A new private directory for temporary files.
pub fn new_directory() -> Result<PathBuf, Error> {
    let nanos = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let number = NEXT_DIRECTORY.fetch_add(1, Ordering::Relaxed);
    let name = format!("adconversion-{}-{nanos}-{number}", std::process::id());
    let base = env::temp_dir();
    let path = fs::canonicalize(&base)
        .map_err(|source| Error::path("find", &base, source))?
        .join(name);
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(|source| Error::path("create", &path, source))?;
    Ok(path)
}
