//! What can go wrong in the developer tooling.

use std::io;
use std::path::Path;

/// An error of the developer tooling. The text is meant to be read by a person.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program or a setting of this machine is missing; the text names the ways out.
    #[error("{0}")]
    Setup(String),
    /// A file or a process could not be used.
    #[error("{action}: {source}")]
    Io {
        /// What was being done, with the path or the program.
        action: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A command ended with a failure.
    #[error("`{command}` failed ({status})\n{output}")]
    Command {
        /// Program and arguments.
        command: String,
        /// Exit status in words.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// Something did not happen within its limit.
    #[error("{what}: not within {seconds} s{detail}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// The limit, in seconds.
        seconds: u64,
        /// The last thing seen, starting with a separator; may be empty.
        detail: String,
    },
    /// A process of the control plane ended although it should run.
    #[error("{name} ended although it should run; the end of its log:\n{log}")]
    Ended {
        /// Name of the process.
        name: String,
        /// The last lines of its log.
        log: String,
    },
    /// A check did not hold.
    #[error("{0}")]
    Failed(String),
}

impl Error {
    /// An input/output error with what was being done.
    pub fn io(action: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            action: action.into(),
            source,
        }
    }

    /// An input/output error on a path.
    pub fn path(verb: &str, path: &Path, source: io::Error) -> Self {
        Self::io(format!("{verb} {}", path.display()), source)
    }
}
