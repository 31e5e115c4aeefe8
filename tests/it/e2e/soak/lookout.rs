//! Looks at everything from outside, about once a second: the counts of all events, health, memory, and whether
//! anything of a person or a token shows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cast::{self, TENANTS};
use super::faults::STRANGER;
use crate::e2e::Stage;
use crate::e2e::judge::Monotone;
use crate::e2e::stage::Neighbour;

/// How long a stranger's status may stand.
const STRANGE: Duration = Duration::from_secs(40);
/// Texts that must not show anywhere: of persons, of credentials, click ids.
const PRIVATE: [&str; 11] = [
    "@example.com",
    "Soakperson",
    "+49301",
    "click-soak",
    "invalid-soak",
    "pat-na1-",
    "soak-refresh",
    "sandbox-secret",
    "ya29.",
    "made-up",
    "Bearer ",
];

/// Panics where a text holds something of a person or a credential.
pub fn no_private(what: &str, text: &str) {
    for private in PRIVATE {
        if let Some(at) = text.find(private) {
            let near: String = text[..at]
                .chars()
                .rev()
                .take(200)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            panic!("{private} is in {what}, after: {near}");
        }
    }
}

/// Everything that was seen.
pub struct Lookout<'a> {
    tenants: Vec<Neighbour<'a>>,
    start: String,
    seen: BTreeMap<String, Monotone>,
    /// Events that are to be created again.
    gone: BTreeSet<(usize, &'static str)>,
    strange: BTreeMap<String, Instant>,
    /// The process has answered since its start.
    alive: bool,
    pub looks: usize,
    /// Resident memory in MiB, each life of the process by itself.
    pub memory: Vec<Vec<f64>>,
}

impl<'a> Lookout<'a> {
    pub fn new(tenants: Vec<Neighbour<'a>>, start: String) -> Self {
        Self {
            tenants,
            start,
            seen: BTreeMap::new(),
            gone: BTreeSet::new(),
            strange: BTreeMap::new(),
            alive: false,
            looks: 0,
            memory: vec![Vec::new()],
        }
    }

    /// Applies accounts and events.
    pub fn apply(&self) {
        for (tenant, neighbour) in TENANTS.iter().zip(&self.tenants) {
            neighbour.apply(&cast::accounts(tenant));
            for event in tenant.events {
                neighbour.apply(&cast::event(event, &self.start).to_string());
            }
        }
    }

    /// The process was started again.
    pub fn restarted(&mut self) {
        self.alive = false;
        self.memory.push(Vec::new());
    }

    /// The process has answered since it was started last.
    pub const fn is_alive(&self) -> bool {
        self.alive
    }

    /// One look at everything.
    pub fn look(&mut self, stage: &Stage) {
        self.looks += 1;
        let health = stage.http("/livez");
        assert!(
            health.starts_with("HTTP/1.1 200") || (!self.alive && health.is_empty()),
            "/livez: {health:?}"
        );
        self.alive |= !health.is_empty();
        self.memory.last_mut().expect("a life").push(stage.resident_memory());
        if self.looks.is_multiple_of(10) {
            no_private("metrics", &stage.http("/metrics"));
        }
        for tenant in 0..TENANTS.len() {
            for event in self.events(tenant) {
                self.judge(&event);
            }
            self.create_again(tenant);
        }
    }

    /// The events of a tenant that are not about to go.
    pub fn events(&self, tenant: usize) -> Vec<Value> {
        let listed = self.tenants[tenant].get("adce");
        let mut all = listed["items"].as_array().cloned().expect("a list");
        all.retain(|event| event["metadata"]["deletionTimestamp"].is_null());
        all
    }

    fn judge(&mut self, event: &Value) {
        no_private("a status", &event["status"].to_string());
        let uid = event["metadata"]["uid"].as_str().expect("a uid").to_owned();
        if event["status"]["sync"]["ledgerId"] == STRANGER {
            let since = self.strange.entry(uid).or_insert_with(Instant::now);
            assert!(
                since.elapsed() < STRANGE,
                "a stranger's status stands: {:#}",
                event["status"]
            );
            return;
        }
        self.strange.remove(&uid);
        self.seen.entry(uid).or_default().look(event);
    }

    /// True where the event is there to be changed.
    fn is_there(&self, tenant: usize, name: &str) -> bool {
        self.events(tenant)
            .iter()
            .any(|event| event["metadata"]["name"] == name)
    }

    /// A merge patch of an event, where it is there.
    pub fn patch(&self, tenant: usize, name: &str, patch: &Value) -> bool {
        let there = self.is_there(tenant, name);
        if there {
            let object = format!("adce/{name}");
            self.tenants[tenant].kubectl(&["patch", &object, "--type=merge", "--patch", &patch.to_string()]);
        }
        there
    }

    /// Replaces the whole status, and has the operator look at it.
    pub fn overwrite(&self, tenant: usize, name: &str, status: &Value) -> bool {
        let there = self.is_there(tenant, name);
        if there {
            let object = format!("adce/{name}");
            let patch = json!([{"op": "replace", "path": "/status", "value": status}]).to_string();
            let neighbour = &self.tenants[tenant];
            neighbour.kubectl(&[
                "patch",
                &object,
                "--subresource=status",
                "--type=json",
                "--patch",
                &patch,
            ]);
            let request = format!("adconversion.dev/reconcile-requested-at={}", self.looks);
            neighbour.kubectl(&["annotate", &object, "--overwrite", &request]);
        }
        there
    }

    /// Deletes an event; it is created again once it is gone.
    pub fn delete(&mut self, tenant: usize, name: &'static str) {
        let object = format!("adce/{name}");
        self.tenants[tenant].kubectl(&["delete", &object, "--ignore-not-found", "--wait=false"]);
        self.gone.insert((tenant, name));
    }

    fn create_again(&mut self, tenant: usize) {
        let due: Vec<_> = self.gone.iter().filter(|(t, _)| *t == tenant).copied().collect();
        for (_, name) in due {
            if self.tenants[tenant].get(&format!("adce/{name}")).is_null() {
                let plan = TENANTS[tenant]
                    .events
                    .iter()
                    .find(|event| event.name == name)
                    .expect("an event");
                self.tenants[tenant].apply(&cast::event(plan, &self.start).to_string());
                self.gone.remove(&(tenant, name));
            }
        }
    }

    /// Events of Kubernetes and objects of all tenants show nothing of persons and credentials.
    pub fn judge_objects(&self, hostile: &Neighbour) {
        for tenant in self.tenants.iter().chain([hostile]) {
            no_private(
                "Kubernetes Events",
                &tenant.kubectl(&["get", "events", "--output=json"]),
            );
            for kind in ["adce", "gaa", "hsa"] {
                let listed = tenant.get(kind);
                for object in listed["items"].as_array().into_iter().flatten() {
                    no_private(kind, &object["status"].to_string());
                }
            }
        }
    }
}
