//! Faults that a test arms: errors, lost answers, delays, cut bodies.

use std::{collections::BTreeMap, time::Duration};

use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{edge::Service, gate::Gate, random::Random};

/// A fault as it is armed through the admin port.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRequest {
    /// Name of the fault in lists and in the request log; given by the sandbox if absent.
    pub id: Option<String>,
    /// The service it concerns.
    pub service: Service,
    /// Only requests of this method.
    pub method: Option<String>,
    /// Only requests whose path and query contain this text.
    pub path: Option<String>,
    /// Only requests whose body contains this text.
    pub body_contains: Option<String>,
    /// Matching requests that pass first.
    #[serde(default)]
    pub skip: u64,
    /// How many times it fires; 0 means for ever.
    #[serde(default = "once")]
    pub count: u64,
    /// What happens.
    pub action: ActionRequest,
}

fn once() -> u64 {
    1
}

/// The action as written in JSON: exactly one of `status`, `dropBefore`,
/// `dropAfter`, `hangBefore`, `hangAfter`, `delayMs`, `truncate`, `html`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActionRequest {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    drop_before: Option<bool>,
    drop_after: Option<bool>,
    hang_before: Option<bool>,
    hang_after: Option<bool>,
    delay_ms: Option<u64>,
    truncate: Option<usize>,
    html: Option<bool>,
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Answers with this status; the request is not applied.
    Status {
        /// Status code.
        status: StatusCode,
        /// Extra headers.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// Text, or JSON; the service's usual error body if absent.
        body: Option<Value>,
    },
    /// Closes the connection; the request is not applied.
    DropBefore,
    /// Applies the request, then closes the connection without an answer.
    DropAfter,
    /// Does nothing at all, until the client gives up.
    HangBefore,
    /// Applies the request, then does nothing more, until the client gives up.
    HangAfter,
    /// Waits, then goes on.
    Delay(Duration),
    /// Applies the request, sends this many bytes of the body, then closes the connection.
    Truncate(usize),
    /// Answers 502 with an HTML page; the request is not applied.
    Html,
}

#[derive(Debug)]
struct Fault {
    id: String,
    request: FaultRequest,
    action: Action,
    seen: u64,
    fired: u64,
}

/// What has to be done to one request.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Time to wait first.
    pub delay: Duration,
    /// Name of the last fault that fired.
    pub id: Option<String>,
    /// What to do; `None` lets the request pass.
    pub action: Option<Action>,
}

/// All armed faults, the random ones and the gate.
#[derive(Debug)]
pub struct Faults {
    /// The gate that parks one request.
    pub gate: Gate,
    armed: Vec<Fault>,
    next_id: u64,
    flaky_percent: u8,
    random: Random,
}

impl Faults {
    /// No faults armed; `flaky_percent` of all requests fail at random.
    pub fn new(flaky_percent: u8, seed: u64) -> Self {
        Self {
            gate: Gate::default(),
            armed: Vec::new(),
            next_id: 1,
            flaky_percent,
            random: Random::new(seed),
        }
    }

    /// Arms a fault and returns its id; one with the same id is replaced.
    ///
    /// # Errors
    /// The action must be exactly one of the known ones, with a valid status and valid headers.
    pub fn arm(&mut self, request: FaultRequest) -> Result<String, String> {
        let action = request.action.clone().parse()?;
        let id = request.id.clone().unwrap_or_else(|| format!("fault-{}", self.next_id));
        self.next_id += 1;
        self.armed.retain(|fault| fault.id != id);
        self.armed.push(Fault {
            id: id.clone(),
            request,
            action,
            seen: 0,
            fired: 0,
        });
        Ok(id)
    }

    /// Disarms all faults, or the one of that id.
    pub fn clear(&mut self, id: Option<&str>) {
        self.armed.retain(|fault| id.is_some_and(|id| id != fault.id));
    }

    /// Changes the share of requests that fail at random, in percent.
    pub fn set_flaky(&mut self, percent: u8) {
        self.flaky_percent = percent;
    }

    /// Armed faults with how often each fired.
    pub fn to_json(&self) -> Value {
        let row = |fault: &Fault| {
            json!({"id": fault.id, "service": fault.request.service, "skip": fault.request.skip, "count": fault.request.count,
                   "seen": fault.seen, "fired": fault.fired})
        };
        Value::Array(self.armed.iter().map(row).collect())
    }

    /// Decides what happens to a request. Delays add up; the first other fault that matches wins.
    pub fn decide(&mut self, service: Service, method: &Method, path: &str, body: &[u8]) -> Verdict {
        let mut verdict = Verdict::default();
        for fault in &mut self.armed {
            if !fault.fires(service, method, path, body) {
                continue;
            }
            verdict.id = Some(fault.id.clone());
            if let Action::Delay(delay) = fault.action {
                verdict.delay += delay;
            } else {
                verdict.action = Some(fault.action.clone());
                return verdict;
            }
        }
        if self.random.chance(f64::from(self.flaky_percent) / 100.0) {
            let statuses = [
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ];
            let status = self
                .random
                .pick(&statuses)
                .copied()
                .unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            verdict.id = Some("flaky".to_owned());
            verdict.action = Some(Action::Status {
                status,
                headers: Vec::new(),
                body: None,
            });
        }
        verdict
    }
}

impl Fault {
    fn fires(&mut self, service: Service, method: &Method, path: &str, body: &[u8]) -> bool {
        let wanted = &self.request;
        let spent = wanted.count != 0 && self.fired >= wanted.count;
        let matches = wanted.service == service
            && wanted
                .method
                .as_ref()
                .is_none_or(|m| m.eq_ignore_ascii_case(method.as_str()))
            && wanted.path.as_ref().is_none_or(|part| path.contains(part.as_str()))
            && wanted
                .body_contains
                .as_ref()
                .is_none_or(|part| contains(body, part.as_bytes()));
        if spent || !matches {
            return false;
        }
        self.seen += 1;
        let fires = self.seen > wanted.skip;
        self.fired += u64::from(fires);
        fires
    }
}

impl ActionRequest {
    fn parse(self) -> Result<Action, String> {
        let mut found = Vec::new();
        if let Some(code) = self.status {
            let status = StatusCode::from_u16(code).map_err(|e| e.to_string())?;
            let headers = self
                .headers
                .iter()
                .map(|(n, v)| header(n, v))
                .collect::<Result<_, _>>()?;
            found.push(Action::Status {
                status,
                headers,
                body: self.body.clone(),
            });
        } else if self.body.is_some() || !self.headers.is_empty() {
            return Err("headers and body go with status".to_owned());
        }
        found.extend(self.delay_ms.map(|ms| Action::Delay(Duration::from_millis(ms))));
        found.extend(self.truncate.map(Action::Truncate));
        let switches = [
            (self.drop_before, Action::DropBefore),
            (self.drop_after, Action::DropAfter),
            (self.hang_before, Action::HangBefore),
            (self.hang_after, Action::HangAfter),
            (self.html, Action::Html),
        ];
        found.extend(
            switches
                .into_iter()
                .filter(|(on, _)| *on == Some(true))
                .map(|(_, action)| action),
        );
        match <[Action; 1]>::try_from(found) {
            Ok([action]) => Ok(action),
            Err(_) => Err(
                "action must be exactly one of status, dropBefore, dropAfter, hangBefore, hangAfter, delayMs, truncate, html"
                    .to_owned(),
            ),
        }
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name = name.parse::<HeaderName>().map_err(|e| e.to_string())?;
    let value = value.parse::<HeaderValue>().map_err(|e| e.to_string())?;
    Ok((name, value))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request(json: &Value) -> FaultRequest {
        serde_json::from_value(json.clone()).unwrap()
    }

    fn hit(faults: &mut Faults, path: &str, body: &str) -> Option<Action> {
        faults
            .decide(Service::HubSpot, &Method::POST, path, body.as_bytes())
            .action
    }

    #[test]
    fn skip_and_count_bound_a_fault() {
        let mut faults = Faults::new(0, 1);
        faults
            .arm(request(
                &json!({"service":"hubspot","path":"/search","skip":1,"count":2,"action":{"html":true}}),
            ))
            .unwrap();
        let fired: Vec<bool> = (0..5).map(|_| hit(&mut faults, "/x/search", "").is_some()).collect();
        assert_eq!(fired, [false, true, true, false, false]);
        assert!(hit(&mut faults, "/other", "").is_none());
        assert_eq!(faults.to_json()[0]["fired"], 2);
    }

    #[test]
    fn body_and_service_select() {
        let mut faults = Faults::new(0, 1);
        faults
            .arm(request(
                &json!({"service":"hubspot","bodyContains":"needle","count":0,"action":{"dropAfter":true}}),
            ))
            .unwrap();
        assert!(hit(&mut faults, "/a", "hay").is_none());
        assert_eq!(hit(&mut faults, "/a", "hay needle hay"), Some(Action::DropAfter));
        assert!(
            faults
                .decide(Service::GoogleAds, &Method::POST, "/a", b"needle")
                .action
                .is_none()
        );
    }

    #[test]
    fn an_action_is_exactly_one() {
        let mut faults = Faults::new(0, 1);
        for action in [
            json!({}),
            json!({"html":true,"dropAfter":true}),
            json!({"body":"x"}),
            json!({"status":99}),
        ] {
            assert!(
                faults
                    .arm(request(&json!({"service":"token","action":action})))
                    .is_err(),
                "{action}"
            );
        }
    }

    #[test]
    fn delays_add_to_another_fault() {
        let mut faults = Faults::new(0, 1);
        faults
            .arm(request(&json!({"service":"hubspot","action":{"delayMs":5}})))
            .unwrap();
        faults
            .arm(request(&json!({"service":"hubspot","action":{"dropBefore":true}})))
            .unwrap();
        let verdict = faults.decide(Service::HubSpot, &Method::GET, "/", b"");
        assert_eq!(
            (verdict.delay, verdict.action),
            (Duration::from_millis(5), Some(Action::DropBefore))
        );
    }
}
