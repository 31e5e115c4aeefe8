//! The sandbox as the demo uses it: started, filled, asked for what it counted.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http;
use crate::Error;
use crate::supervisor::{Spec, State, Supervisor};

/// Name of the process among the children of its supervisor.
pub const NAME: &str = "sandbox";
const START_LIMIT: Duration = Duration::from_secs(15);

/// A running sandbox.
pub struct Sandbox {
    /// Base URL of the simulated `HubSpot` and Google.
    pub upstream: String,
    /// Base URL of the admin port.
    pub admin: String,
    address: SocketAddr,
}

/// What Google counts for one conversion action, as the sandbox tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Conversions, each counted once.
    pub conversions: u64,
    /// Uploads that only repeated an earlier one.
    pub repeated: u64,
    /// Uploads that changed the value of an earlier one.
    pub adjusted: u64,
}

impl Sandbox {
    /// Starts it on free ports, with further `options`, and waits until it says which (at most 15 s).
    pub fn start(supervisor: &Supervisor, program: PathBuf, directory: &Path, options: &[&str]) -> Result<Self, Error> {
        let log = directory.join("sandbox.log");
        let arguments = ["--listen=127.0.0.1:0", "--admin=127.0.0.1:0"].iter().chain(options);
        supervisor.run(Spec {
            name: NAME.to_owned(),
            program,
            arguments: arguments.map(|a| (*a).to_owned()).collect(),
            environment: BTreeMap::new(),
            log: log.clone(),
        })?;
        let start = Instant::now();
        loop {
            let text = fs::read_to_string(&log).map_err(|source| Error::path("read", &log, source))?;
            if let Some(sandbox) = text.lines().find_map(announced) {
                return Ok(sandbox);
            }
            if let State::Ended(status) = supervisor.state(NAME)? {
                let name = format!("the sandbox ({status})");
                return Err(Error::Ended { name, log: text });
            }
            if start.elapsed() >= START_LIMIT {
                return Err(Error::Timeout {
                    what: "the sandbox to name its addresses".to_owned(),
                    seconds: START_LIMIT.as_secs(),
                    detail: format!("; its log:\n{text}"),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Generates contacts that stand somewhere before the last stage.
    pub fn generate(&self, count: u32) -> Result<(), Error> {
        let stages = ["lead", "marketingqualifiedlead", "salesqualifiedlead"];
        let plan = json!({"count": count, "stages": stages});
        self.post("/admin/hubspot/generate", &plan).map(drop)
    }

    /// Moves contacts one stage on; returns how many moved.
    pub fn advance(&self, count: u32) -> Result<usize, Error> {
        let answer = self.post("/admin/hubspot/tick", &json!({"count": count}))?;
        let moved = answer.get("moved").and_then(Value::as_array);
        moved
            .map(Vec::len)
            .ok_or_else(|| Error::Failed("the sandbox does not say what it moved".to_owned()))
    }

    /// How many entries into a stage the contacts' histories hold since a time.
    pub fn expected(&self, stage: &str, since: &str) -> Result<u64, Error> {
        let path = format!("/admin/hubspot/expected?stage={stage}&since={since}");
        let answer = http::call(self.address, "GET", &path, None)?;
        let entries = answer.as_array().map(Vec::len);
        entries
            .and_then(|count| u64::try_from(count).ok())
            .ok_or_else(|| Error::Failed("the sandbox does not say what it expects".to_owned()))
    }

    /// What Google counts, by id of the conversion action.
    pub fn tally(&self) -> Result<BTreeMap<String, Tally>, Error> {
        let answer = http::call(self.address, "GET", "/admin/google/tally?summary=true", None)?;
        tally(&answer).ok_or_else(|| Error::Failed(format!("the sandbox's tally is not understood: {answer}")))
    }

    /// Makes Google have a conversion action that a person created.
    pub fn create_action(&self, name: &str, category: &str) -> Result<(), Error> {
        let action = json!({"customerId": "1234567890", "type": "UPLOAD_CLICKS", "name": name, "category": category});
        self.post("/admin/google/actions", &action).map(drop)
    }

    /// Posts to the admin port.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.call("POST", path, Some(body))
    }

    /// Reads from the admin port.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        self.call("GET", path, None)
    }

    /// Any call of the admin port.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        http::call(self.address, method, path, body)
    }
}

/// The line the sandbox prints at start: `{"listen":"http://…","admin":"http://…"}`.
fn announced(line: &str) -> Option<Sandbox> {
    let value: Value = serde_json::from_str(line).ok()?;
    let at = |name| Some(value.get(name)?.as_str()?.trim_end_matches('/').to_owned());
    let admin = at("admin")?;
    let address = admin.strip_prefix("http://")?.parse().ok()?;
    Some(Sandbox {
        upstream: at("listen")?,
        admin,
        address,
    })
}

fn tally(answer: &Value) -> Option<BTreeMap<String, Tally>> {
    let actions = answer.get("actions")?.as_array()?;
    let row = |action: &Value| {
        let number = |name| action.get(name).and_then(Value::as_u64);
        let tally = Tally {
            conversions: number("conversions")?,
            repeated: number("repeated")?,
            adjusted: number("adjusted")?,
        };
        Some((action.get("conversionActionId")?.as_str()?.to_owned(), tally))
    };
    actions.iter().map(row).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_names_both_addresses() {
        let line = r#"{"listen":"http://127.0.0.1:4000","admin":"http://127.0.0.1:4001"}"#;
        let sandbox = announced(line).unwrap();
        assert_eq!(sandbox.upstream, "http://127.0.0.1:4000");
        assert_eq!(sandbox.address, SocketAddr::from(([127, 0, 0, 1], 4001)));
        assert!(announced("starting").is_none());
    }

    #[test]
    fn the_tally_is_by_conversion_action() {
        let action = json!({
            "conversionActionId": "7", "conversions": 5, "acceptedCount": 6, "repeated": 1, "adjusted": 0, "failed": 2,
        });
        let counted = tally(&json!({"actions": [action]})).unwrap();
        let expected = Tally {
            conversions: 5,
            repeated: 1,
            adjusted: 0,
        };
        assert_eq!(counted, BTreeMap::from([("7".to_owned(), expected)]));
        assert_eq!(tally(&json!({"actions": [{"conversions": 5}]})), None);
    }
}
