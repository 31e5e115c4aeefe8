//! Running other programs with a limit on time, so that nothing hangs and
//! nothing is left behind.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;

const POLL: Duration = Duration::from_millis(10);
/// How long the rest of an ended program's output is waited for.
const DRAIN: Duration = Duration::from_secs(5);

/// What a program answered.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command as a person would type it.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
}

impl Output {
    /// Whether the program ended with exit code 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Standard output, or [`Error::Command`] when the program failed.
    pub fn ok(self) -> Result<String, Error> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(Error::Command {
            command: self.command,
            status: self.status.to_string(),
            output: tail(&self.stderr, 30),
        })
    }
}

/// Runs a command to its end, with optional input, and kills it at the limit
/// ([`Error::Timeout`]). A failing exit code is no error here: see [`Output::ok`].
pub fn run(mut command: Command, input: Option<&str>, limit: Duration) -> Result<Output, Error> {
    let text = display(&command);
    let stdin = input.map_or_else(Stdio::null, |_| Stdio::piped());
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::io(format!("start `{text}`"), source))?;
    if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
        let input = input.to_owned();
        // A program may end without reading its input: its exit code says what happened.
        thread::spawn(move || drop(pipe.write_all(input.as_bytes())));
    }
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let Some(status) = wait(&mut child, limit)? else {
        kill(&mut child)?;
        let seen = stderr.recv_timeout(DRAIN).unwrap_or_default();
        return Err(Error::Timeout {
            what: format!("`{text}`"),
            seconds: limit.as_secs(),
            detail: detail(&seen),
        });
    };
    let drained = |pipe: Receiver<String>| {
        pipe.recv_timeout(DRAIN).map_err(|_| Error::Timeout {
            what: format!("output of `{text}`"),
            seconds: DRAIN.as_secs(),
            detail: String::new(),
        })
    };
    Ok(Output {
        status,
        stdout: drained(stdout)?,
        stderr: drained(stderr)?,
        command: text,
    })
}

/// Waits for a child to end; `None` at the limit.
pub fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, Error> {
    let start = Instant::now();
    loop {
        let status = child
            .try_wait()
            .map_err(|source| Error::io("wait for a child process", source))?;
        if status.is_some() {
            return Ok(status);
        }
        if start.elapsed() >= limit {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

/// Kills a child and reaps it. A child that has ended already is fine.
pub fn kill(child: &mut Child) -> Result<ExitStatus, Error> {
    child
        .kill()
        .and_then(|()| child.wait())
        .map_err(|source| Error::io("kill a child process", source))
}

/// Sends a signal (`TERM`, `KILL`) to a process, or to a process group when
/// `group`. Through the shell, as the standard library knows only `KILL` for
/// single children.
pub fn signal(name: &str, pid: u32, group: bool) -> Result<bool, Error> {
    let target = if group { format!("-{pid}") } else { pid.to_string() };
    Command::new("sh")
        .args(["-c", "kill -s \"$0\" -- \"$1\"", name, &target])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(|status| status.success())
        .map_err(|source| Error::io(format!("signal process {target}"), source))
}

/// A command that the kernel kills when the thread that started it ends, where
/// `setpriv` of util-linux exists; elsewhere the plain command.
pub fn tied(program: &Path) -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let usable = SETPRIV.get_or_init(|| {
        let mut probe = Command::new("setpriv");
        probe.args(["--pdeathsig", "KILL", "true"]);
        run(probe, None, Duration::from_secs(5)).is_ok_and(|output| output.success())
    });
    if !usable {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// Runs a command with our own input and output closed resp. inherited, as the
/// leader of its own process group. The whole group is killed at the limit, and
/// also when this process ends, however it ends.
pub fn run_group(mut command: Command, limit: Duration) -> Result<ExitStatus, Error> {
    let text = display(&command);
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|source| Error::io(format!("start `{text}`"), source))?;
    let guard = Guard::watch(child.id());
    let status = wait(&mut child, limit);
    if !matches!(status, Ok(Some(_))) {
        signal("KILL", child.id(), true)?;
        kill(&mut child)?;
    }
    drop(guard?);
    status?.ok_or_else(|| Error::Timeout {
        what: format!("`{text}`"),
        seconds: limit.as_secs(),
        detail: "; it and its children were killed".to_owned(),
    })
}

/// A shell that kills a process group once our end of its pipe closes.
struct Guard(Child);

impl Guard {
    fn watch(group: u32) -> Result<Self, Error> {
        Command::new("sh")
            .args(["-c", "read -r _; kill -s KILL -- \"-$0\" 2>/dev/null"])
            .arg(group.to_string())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map(Self)
            .map_err(|source| Error::io("start the guard of a process group", source))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The guard goes first: closing its pipe would make it act.
        if let Err(error) = kill(&mut self.0) {
            eprintln!("{error}");
        }
    }
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A command as a person would type it.
pub fn display(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        // Writing to a string cannot fail.
        let _ = write!(text, " {}", argument.to_string_lossy());
    }
    text
}

fn detail(seen: &str) -> String {
    let seen = tail(seen, 10);
    if seen.is_empty() {
        seen
    } else {
        format!("; seen:\n{seen}")
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let result = pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        if let Err(error) = result {
            let _ = write!(text, "\n(output cut: {error})");
        }
        // Nobody waits any more when the command timed out.
        drop(sender.send(text));
    });
    receiver
}

/// Prints a line of progress; a closed terminal is no reason to stop.
pub fn say(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn returns_both_outputs_input_and_status() {
        let limit = Duration::from_secs(10);
        let output = run(sh("cat; echo no >&2; exit 3"), Some("yes"), limit).unwrap();
        assert_eq!(output.stdout, "yes");
        assert_eq!(output.stderr, "no\n");
        assert_eq!(output.status.code(), Some(3));
        let error = output.ok().unwrap_err().to_string();
        assert!(error.contains("cat; echo no") && error.ends_with("no"), "{error}");
    }

    #[test]
    fn kills_at_the_limit() {
        let start = Instant::now();
        let error = run(sh("exec sleep 60"), None, Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn kills_the_whole_group_at_the_limit() {
        // The grandchild holds a pipe open: it reads end-of-file once it is gone.
        let (mut reader, writer) = io::pipe().unwrap();
        let mut command = sh("sleep 60 & sleep 60");
        command.stdout(writer);
        let error = run_group(command, Duration::from_millis(200)).unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        let start = Instant::now();
        reader.read_to_end(&mut Vec::new()).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn leaves_an_ended_group_alone() {
        let status = run_group(sh("exit 4"), Duration::from_secs(10)).unwrap();
        assert_eq!(status.code(), Some(4));
    }

    #[test]
    fn tail_keeps_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
        assert_eq!(tail("", 2), "");
    }
}
