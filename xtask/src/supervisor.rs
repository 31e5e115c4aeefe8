//! A process that starts other processes and ends them when it is told to, or
//! when the one that asked for them is gone, however it went (`kill -9` too).
//!
//! The executable runs itself as `xtask supervise --directory DIR`, with a pipe on
//! its standard input. Requests and replies are JSON lines. End of input means:
//! kill every child, remove the directory, end.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::process;

/// Names the executable that supervises; `cargo xtask test` sets it.
pub const XTASK_BIN: &str = "XTASK_BIN";
/// A file that marks a directory as one that a supervisor may remove.
const MARKER: &str = ".supervised";
const REPLY_LIMIT: Duration = Duration::from_secs(30);
const END_LIMIT: Duration = Duration::from_secs(10);

/// A process to be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// Its name among the children of one supervisor.
    pub name: String,
    /// Path of the program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables added to the environment.
    pub environment: BTreeMap<String, String>,
    /// File to which both its outputs are appended.
    pub log: PathBuf,
}

/// What is known of a child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It runs, with this process id.
    Running(u32),
    /// It ended; how, in words.
    Ended(String),
    /// No such child was started, or it was stopped.
    Unknown,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    Start(Spec),
    Stop { name: String, grace: Duration },
    State { name: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Reply {
    Done(State),
    Failed(String),
}

/// The asking side: dropping it, or ending the process that holds it, ends all
/// children.
pub struct Supervisor {
    connection: Mutex<Option<Connection>>,
    child: Mutex<Child>,
}

struct Connection {
    requests: ChildStdin,
    replies: Receiver<String>,
}

impl Supervisor {
    /// Starts a supervisor for a directory, which it removes at its end unless
    /// `keep`. `executable`: the xtask binary, found by itself when `None`.
    pub fn start(executable: Option<&Path>, directory: &Path, keep: bool) -> Result<Self, Error> {
        let executable = match executable {
            Some(path) => path.to_owned(),
            None => find_executable()?,
        };
        let marker = directory.join(MARKER);
        fs::write(&marker, "").map_err(|source| Error::path("create", &marker, source))?;
        let mut command = Command::new(&executable);
        command.arg("supervise").arg("--directory").arg(directory);
        if keep {
            command.arg("--keep");
        }
        let mut child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| Error::path("start", &executable, source))?;
        let (Some(requests), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Failed("the supervisor has no pipes".to_owned()));
        };
        let (sender, replies) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            connection: Mutex::new(Some(Connection { requests, replies })),
            child: Mutex::new(child),
        })
    }

    /// Process id of the supervisor.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Starts a child and returns its process id.
    pub fn run(&self, spec: Spec) -> Result<u32, Error> {
        let name = spec.name.clone();
        match self.ask(&Request::Start(spec))? {
            State::Running(pid) => Ok(pid),
            other => Err(Error::Failed(format!("{name} was not started: {other:?}"))),
        }
    }

    /// Ends a child: a request to end (`TERM`) first, a kill after `grace` (at
    /// most 20 s; zero kills at once). Returns how it ended.
    pub fn stop(&self, name: &str, grace: Duration) -> Result<State, Error> {
        self.ask(&Request::Stop {
            name: name.to_owned(),
            grace: grace.min(Duration::from_secs(20)),
        })
    }

    /// What is known of a child.
    pub fn state(&self, name: &str) -> Result<State, Error> {
        self.ask(&Request::State { name: name.to_owned() })
    }

    /// Ends all children and the supervisor, and waits for it (at most 10 s).
    pub fn end(&self) -> Result<(), Error> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        drop(connection.take());
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        match process::wait(&mut child, END_LIMIT)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(Error::Failed(format!("the supervisor failed ({status})"))),
            None => {
                process::kill(&mut child)?;
                Err(Error::Timeout {
                    what: "end of the supervisor".to_owned(),
                    seconds: END_LIMIT.as_secs(),
                    detail: "; it was killed".to_owned(),
                })
            }
        }
    }

    fn ask(&self, request: &Request) -> Result<State, Error> {
        let mut guard = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = guard
            .as_mut()
            .ok_or_else(|| Error::Failed("the control plane was stopped".to_owned()))?;
        let gone = |error: String| Error::Failed(format!("the supervisor is gone: {error}"));
        let line = serde_json::to_string(request).map_err(|error| gone(error.to_string()))?;
        writeln!(connection.requests, "{line}").map_err(|error| gone(error.to_string()))?;
        let line = connection
            .replies
            .recv_timeout(REPLY_LIMIT)
            .map_err(|error| gone(error.to_string()))?;
        match serde_json::from_str(&line).map_err(|error| gone(error.to_string()))? {
            Reply::Done(state) => Ok(state),
            Reply::Failed(text) => Err(Error::Failed(text)),
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let ended = self.connection.lock().unwrap_or_else(PoisonError::into_inner).is_none();
        if !ended && let Err(error) = self.end() {
            process::say(&error.to_string());
        }
    }
}

/// The supervising side: serves requests until the end of its input.
///
/// Children are started by this thread alone, because the kernel ties them to the
/// thread that started them.
pub fn serve(directory: &Path, keep: bool) -> Result<(), Error> {
    if !directory.join(MARKER).is_file() {
        return Err(Error::Failed(format!(
            "{} was not made for a supervisor",
            directory.display()
        )));
    }
    let mut children: Vec<(String, Child)> = Vec::new();
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        // An unreadable request or an unreachable asker ends the service.
        let Ok(request) = line.map(|line| serde_json::from_str::<Request>(&line)) else {
            break;
        };
        let reply = match request
            .map_err(|error| Error::Failed(format!("request not understood: {error}")))
            .and_then(|request| answer(&mut children, request))
        {
            Ok(state) => Reply::Done(state),
            Err(error) => Reply::Failed(error.to_string()),
        };
        let Ok(line) = serde_json::to_string(&reply) else {
            break;
        };
        if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
            break;
        }
    }
    let mut result = Ok(());
    for (_, child) in children.iter_mut().rev() {
        let killed = process::kill(child).map(drop);
        result = result.and(killed);
    }
    if !keep {
        let removed = fs::remove_dir_all(directory).map_err(|source| Error::path("remove", directory, source));
        result = result.and(removed);
    }
    result
}

fn answer(children: &mut Vec<(String, Child)>, request: Request) -> Result<State, Error> {
    match request {
        Request::Start(spec) => {
            if let Some(child) = find(children, &spec.name)
                && let State::Running(_) = state(child)?
            {
                return Err(Error::Failed(format!("{} runs already", spec.name)));
            }
            children.retain(|(name, _)| *name != spec.name);
            let child = spawn(&spec)?;
            let pid = child.id();
            children.push((spec.name, child));
            Ok(State::Running(pid))
        }
        Request::Stop { name, grace } => {
            let Some(child) = find(children, &name) else {
                return Ok(State::Unknown);
            };
            let ended = stop(child, grace);
            children.retain(|(other, _)| *other != name);
            ended
        }
        Request::State { name } => find(children, &name).map_or(Ok(State::Unknown), state),
    }
}

fn find<'a>(children: &'a mut [(String, Child)], name: &str) -> Option<&'a mut Child> {
    children
        .iter_mut()
        .find_map(|(other, child)| (other == name).then_some(child))
}

fn state(child: &mut Child) -> Result<State, Error> {
    let status = child
        .try_wait()
        .map_err(|source| Error::io("look at a child process", source))?;
    Ok(status.map_or(State::Running(child.id()), |status| State::Ended(status.to_string())))
}

fn stop(child: &mut Child, grace: Duration) -> Result<State, Error> {
    if let State::Ended(status) = state(child)? {
        return Ok(State::Ended(status));
    }
    if !grace.is_zero() {
        process::signal("TERM", child.id(), false)?;
    }
    let status = match process::wait(child, grace)? {
        Some(status) => status,
        None => process::kill(child)?,
    };
    Ok(State::Ended(status.to_string()))
}

fn spawn(spec: &Spec) -> Result<Child, Error> {
    let open = || {
        File::options()
            .create(true)
            .append(true)
            .open(&spec.log)
            .map_err(|source| Error::path("open", &spec.log, source))
    };
    process::tied(&spec.program)
        .args(&spec.arguments)
        .envs(&spec.environment)
        .stdin(Stdio::null())
        .stdout(open()?)
        .stderr(open()?)
        .spawn()
        .map_err(|source| Error::path("start", &spec.program, source))
}

/// The xtask executable: `XTASK_BIN`, else this very program, else what cargo
/// builds (integration tests of other packages run from their own executable).
pub fn find_executable() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os(XTASK_BIN).filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let own = env::current_exe().map_err(|source| Error::io("find this program", source))?;
    if let Some(path) = own_executable(&own) {
        return Ok(path);
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--package", "xtask", "--bin", "xtask"])
        .arg("--message-format=json-render-diagnostics");
    let messages = process::run(command, None, Duration::from_mins(10))?.ok()?;
    built_executable(&messages)
        .ok_or_else(|| Error::Setup(format!("cargo built no xtask; set {XTASK_BIN} to its path")))
}

/// This program's path if it is xtask itself. A build that replaces a running
/// program leaves its old path with a suffix; the new one serves as well.
fn own_executable(own: &Path) -> Option<PathBuf> {
    let text = own.to_str()?;
    let path = PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(text));
    let is_xtask = path.file_name().is_some_and(|name| name == "xtask");
    (is_xtask && path.is_file()).then_some(path)
}

fn built_executable(messages: &str) -> Option<PathBuf> {
    messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let executable = message.get("executable")?.as_str()?;
        Some(PathBuf::from(executable))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_executable_out_of_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
             {\"reason\":\"compiler-artifact\",\"executable\":\"/t/debug/xtask\"}\n\
             {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(built_executable(messages), Some("/t/debug/xtask".into()));
        assert_eq!(built_executable("{}"), None);
    }

    #[test]
    fn only_xtask_itself_is_its_own_supervisor() {
        assert_eq!(own_executable(Path::new("/bin/sh")), None);
        assert_eq!(own_executable(Path::new("/nowhere/xtask")), None);
    }

    #[test]
    fn refuses_a_directory_that_is_not_its_own() {
        let directory = env::temp_dir();
        assert!(serve(&directory, false).is_err());
        assert!(directory.is_dir());
    }
}
