//! A gate that parks one upstream request, so that a driver can kill the operator between two calls.

use axum::http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::edge::Service;

/// Where the request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    /// Before the simulated service sees it.
    Before,
    /// After it was applied, before the answer is sent.
    After,
}

/// What the driver asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GateRequest {
    /// Only requests to this service count; all if absent.
    pub service: Option<Service>,
    /// Only requests whose path contains this text count.
    pub path: Option<String>,
    /// Count only requests that change something.
    #[serde(default)]
    pub mutating: bool,
    /// The n-th counted request is parked (starting at 1, from the moment the gate is armed).
    pub number: u64,
    /// Before or after the request is applied.
    pub when: When,
}

/// The gate; at most one is armed.
#[derive(Debug, Default)]
pub struct Gate {
    armed: Option<Armed>,
}

#[derive(Debug)]
struct Armed {
    request: GateRequest,
    seen: u64,
    reached: bool,
    /// Dropping it lets the parked request go on.
    open: watch::Sender<()>,
}

/// The parked request's view of the gate.
#[derive(Debug)]
pub struct Ticket {
    /// Where to wait.
    pub when: When,
    opened: watch::Receiver<()>,
}

impl Gate {
    /// Arms the gate; one armed before is opened.
    ///
    /// # Errors
    /// Number 0 is refused: counting starts at 1.
    pub fn arm(&mut self, request: GateRequest) -> Result<(), String> {
        if request.number == 0 {
            return Err("number starts at 1".to_owned());
        }
        self.armed = Some(Armed {
            request,
            seen: 0,
            reached: false,
            open: watch::channel(()).0,
        });
        Ok(())
    }

    /// Opens and disarms the gate.
    pub fn open(&mut self) {
        self.armed = None;
    }

    /// Counts a request; a ticket means that it has to wait.
    pub fn count(&mut self, service: Service, method: &Method, path: &str) -> Option<Ticket> {
        let armed = self.armed.as_mut()?;
        let request = &armed.request;
        let counts = request.service.is_none_or(|s| s == service)
            && request.path.as_ref().is_none_or(|part| path.contains(part.as_str()))
            && (!request.mutating || mutates(service, method, path));
        if !counts {
            return None;
        }
        armed.seen += 1;
        (armed.seen == request.number).then(|| Ticket {
            when: request.when,
            opened: armed.open.subscribe(),
        })
    }

    /// Notes that the parked request stands at the gate.
    pub fn reached(&mut self) {
        if let Some(armed) = &mut self.armed {
            armed.reached = true;
        }
    }

    /// The gate as JSON: armed, how many requests counted, reached.
    pub fn to_json(&self) -> Value {
        match &self.armed {
            None => json!({"armed": false, "reached": false, "seen": 0}),
            Some(armed) => {
                json!({"armed": true, "reached": armed.reached, "seen": armed.seen, "number": armed.request.number})
            }
        }
    }
}

impl Ticket {
    /// Waits until the gate is opened or armed anew.
    pub async fn wait(mut self) {
        while self.opened.changed().await.is_ok() {}
    }
}

/// Whether a request changes something at the service. HubSpot is only read, tokens are not state.
pub fn mutates(service: Service, method: &Method, path: &str) -> bool {
    let reads = [":search", ":searchStream", ":listAccessibleCustomers", ":retrieve"];
    match service {
        Service::GoogleAds | Service::DataManager => {
            method == Method::POST && !reads.iter().any(|verb| path.ends_with(verb))
        }
        Service::HubSpot | Service::Token | Service::Other => false,
    }
}
