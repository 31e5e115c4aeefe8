//! `/livez`, `/readyz` and `/metrics`.
//!
//! Alive means that work moves on: every loop that has announced itself has shown a sign of life within its limit.
//! Ready means that every gate is open: caches synced, ledger open.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::exposition::Format;
use super::metrics::Metrics;
use super::scrapes::Scrapes;
use crate::ports::pulse::Watchdog;

/// Signs of life and open gates of the process. Shared by everything that has to report.
#[derive(Debug, Default)]
pub struct Probes {
    /// Why a gate is closed, in words or empty; `None` if it is open.
    gates: Mutex<BTreeMap<&'static str, Option<String>>>,
    beats: Mutex<BTreeMap<String, Beat>>,
    /// What is worth knowing while the process is ready, by what it is about.
    remarks: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Copy)]
struct Beat {
    last: Instant,
    limit: Duration,
}

impl Probes {
    /// Opens or closes a gate. The process is ready while every gate it knows is open.
    pub fn set_gate(&self, name: &'static str, open: bool) {
        self.gates.lock().insert(name, (!open).then(String::new));
    }

    /// Closes a gate and says why, and what to do.
    pub fn close_gate(&self, name: &'static str, why: impl Into<String>) {
        self.gates.lock().insert(name, Some(why.into()));
    }

    /// Something worth knowing while the process is ready; `None`: no longer. True if there was something before.
    pub fn set_remark(&self, about: &str, what: Option<String>) -> bool {
        let mut remarks = self.remarks.lock();
        match what {
            Some(what) => remarks.insert(about.to_owned(), what).is_some(),
            None => remarks.remove(about).is_some(),
        }
    }

    /// A sign of life of a loop. From now on the process is alive only while the next comes within `limit`.
    pub fn record_beat(&self, name: &str, limit: Duration) {
        let beat = Beat {
            last: Instant::now(),
            limit,
        };
        let mut beats = self.beats.lock();
        if let Some(known) = beats.get_mut(name) {
            *known = beat;
        } else {
            beats.insert(name.to_owned(), beat);
        }
    }

    /// A loop has ended on purpose: no more signs are expected.
    pub fn retire_loop(&self, name: &str) {
        self.beats.lock().remove(name);
    }

    /// The gates that are closed, and why. A process without any gate is not ready: it has not begun.
    pub fn closed_gates(&self) -> Vec<String> {
        let gates = self.gates.lock();
        if gates.is_empty() {
            return vec!["start".to_owned()];
        }
        let shown = |(name, why): (&&str, &Option<String>)| match why.as_deref()? {
            "" => Some((*name).to_owned()),
            why => Some(format!("{name}: {why}")),
        };
        gates.iter().filter_map(shown).collect()
    }

    /// Loops that have shown no sign of life within their limit.
    pub fn stuck_loops(&self) -> Vec<String> {
        let beats = self.beats.lock();
        beats
            .iter()
            .filter(|(_, beat)| beat.last.elapsed() > beat.limit)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The loops that are expected to show signs of life.
    pub fn watched_loops(&self) -> Vec<String> {
        self.beats.lock().keys().cloned().collect()
    }
}

impl Watchdog for Probes {
    fn sign_of_life(&self, name: &str, within: Duration) {
        self.record_beat(name, within);
    }

    fn loop_ended(&self, name: &str) {
        Self::retire_loop(self, name);
    }

    /// Counted if there are metrics: see [`Watch`].
    fn loop_broke(&self, _: &'static str) {}
}

/// The signs of life of the sync loops, and the metric of those that end unexpectedly.
pub struct Watch {
    /// Gets the signs of life.
    pub probes: Arc<Probes>,
    /// Counts loops that end unexpectedly.
    pub metrics: Arc<Metrics>,
}

impl Watchdog for Watch {
    fn sign_of_life(&self, name: &str, within: Duration) {
        self.probes.record_beat(name, within);
    }

    fn loop_ended(&self, name: &str) {
        self.probes.retire_loop(name);
    }

    fn loop_broke(&self, kind: &'static str) {
        self.metrics.loop_broke(kind);
    }
}

#[derive(Clone)]
struct Shared {
    probes: Arc<Probes>,
    metrics: Arc<Metrics>,
    scrapes: Arc<Scrapes>,
}

/// The three routes.
pub fn probe_router(probes: Arc<Probes>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(serve_metrics))
        .with_state(Shared {
            probes,
            metrics,
            scrapes: Arc::default(),
        })
}

fn verdict(failed: &[impl Display], what: &str) -> Response {
    if failed.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    let mut text = String::new();
    for name in failed {
        let _ = writeln!(text, "{what}: {name}");
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn livez(State(shared): State<Shared>) -> Response {
    let stuck = shared.probes.stuck_loops();
    if !stuck.is_empty() {
        // Who asks may restart the process: the log says why.
        tracing::error!(loops = stuck.join(", "), "no sign of life in time");
    }
    verdict(&stuck, "no progress")
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let closed = shared.probes.closed_gates();
    let remarks = shared.probes.remarks.lock().clone();
    if closed.is_empty() && !remarks.is_empty() {
        let lines: Vec<_> = remarks.into_values().collect();
        return (StatusCode::OK, format!("ok\n{}\n", lines.join("\n"))).into_response();
    }
    verdict(&closed, "not ready")
}

async fn serve_metrics(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accepted = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let format = Format::from_accept(&accepted.collect::<Vec<_>>().join(","));
    let metrics = Arc::clone(&shared.metrics);
    let make = move || metrics.encode(format, Timestamp::now());
    match shared.scrapes.current_text(format, make).await {
        Ok(text) => ([(header::CONTENT_TYPE, format.media_type())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_every_gate_is_open() {
        let probes = Probes::default();
        assert_eq!(probes.closed_gates(), ["start"]);
        probes.set_gate("caches", false);
        probes.set_gate("ledger", true);
        assert_eq!(probes.closed_gates(), ["caches"]);
        probes.close_gate("ledger", "it is in use: stop the other one");
        assert_eq!(
            probes.closed_gates(),
            ["caches", "ledger: it is in use: stop the other one"]
        );
        probes.set_gate("ledger", true);
        probes.set_gate("caches", true);
        assert!(probes.closed_gates().is_empty());
    }

    #[test]
    fn alive_while_every_loop_keeps_its_limit() {
        let probes = Probes::default();
        assert!(probes.stuck_loops().is_empty());
        probes.record_beat("controllers", Duration::from_mins(10));
        assert!(probes.stuck_loops().is_empty());
        probes.record_beat("feed", Duration::ZERO);
        while probes.stuck_loops().is_empty() {
            std::hint::spin_loop();
        }
        assert_eq!(probes.stuck_loops(), ["feed"]);
        probes.retire_loop("feed");
        assert!(probes.stuck_loops().is_empty());
    }
}
