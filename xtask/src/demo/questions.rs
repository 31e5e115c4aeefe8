//! What the operator's own commands answer about the demo, and its page.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Error;
use crate::lab::operator;
use crate::process;

const LIMIT: Duration = Duration::from_mins(2);

/// Asks the demo's operator.
pub(super) struct Questions {
    program: PathBuf,
    /// Where the admin API and the page are.
    url: String,
    namespace: &'static str,
}

impl Questions {
    /// Of the operator whose log is in this directory. `program`: the path of `adconversion`.
    pub(super) fn find(program: PathBuf, directory: &Path, namespace: &'static str) -> Result<Self, Error> {
        let log = directory.join("operator.log");
        let text = fs::read_to_string(&log).map_err(|source| Error::path("read", &log, source))?;
        let address = operator::admin_address(&text)
            .ok_or_else(|| Error::Failed("the operator's log does not name the port of its admin API".to_owned()))?;
        Ok(Self {
            program,
            url: format!("http://{address}/"),
            namespace,
        })
    }

    fn command(&self, question: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(question)
            .args(["--namespace", self.namespace, "--operator-url", &self.url]);
        command
    }

    /// `adconversion explain` of one contact: the question and the
    /// answer. An answer that explains no conversion is an error.
    pub(super) fn explain(&self, event: &str, contact: &str) -> Result<String, Error> {
        let question = ["explain", event, "--contact", contact];
        let output = process::run(self.command(&question), None, LIMIT)?;
        let asked = format!("$ adconversion {}", question.join(" "));
        Ok(format!("{asked}\n{}", output.ok()?))
    }

    /// How to ask HubSpot and Google oneself, as `check`, `plan` and `import` do: of the simulation, not the real ones.
    pub(super) fn check_hint(&self, upstream: &str) -> String {
        let mut variables: Vec<String> = ["HUBSPOT", "GOOGLE_ADS", "DATA_MANAGER"]
            .map(|service| format!("ADCONVERSION_{service}_ENDPOINT={upstream}"))
            .into();
        variables.push(format!("ADCONVERSION_GOOGLE_TOKEN_ENDPOINT={upstream}/token"));
        format!(
            "{} {} check --namespace {}   # plan and import likewise",
            variables.join(" "),
            self.program.display(),
            self.namespace
        )
    }

    /// How to ask while the demo runs.
    pub(super) fn hints(&self, event: &str, contact: &str) -> String {
        let line = |question: &[&str]| process::display(&self.command(question));
        [
            format!("{}   # the page of all events, in a browser", self.url),
            line(&["explain", event, "--contact", contact]),
            line(&["conversions", event, "--outcome", "Skipped"]),
        ]
        .join("\n")
    }
}
