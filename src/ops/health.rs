//! `/livez`, `/readyz` and `/metrics`.
//!
//! Alive means that work moves on: every loop that has announced itself has shown a sign of life within its limit. Ready
//! means that every gate is open: caches synced, ledger open.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;

use super::exposition::Format;
use super::metrics::Metrics;
use super::scrapes::Scrapes;
use crate::ports::pulse::Watchdog;

/// Signs of life and open gates of the process. Shared by everything that has to report.
#[derive(Debug, Default)]
pub struct Probes {
    /// Why a gate is closed, in words or empty; `None` where it is open.
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Probes {
    /// Opens or closes a gate. The process is ready while every gate it knows is open.
    pub fn gate(&self, name: &'static str, open: bool) {
        lock(&self.gates).insert(name, (!open).then(String::new));
    }

    /// Closes a gate and says why, and what to do.
    pub fn close(&self, name: &'static str, why: impl Into<String>) {
        lock(&self.gates).insert(name, Some(why.into()));
    }

    /// Something worth knowing while the process is ready; `None`: no longer. True where there was something before.
    pub fn remark(&self, about: &str, what: Option<String>) -> bool {
        let mut remarks = lock(&self.remarks);
        match what {
            Some(what) => remarks.insert(about.to_owned(), what).is_some(),
            None => remarks.remove(about).is_some(),
        }
    }

    /// A sign of life of a loop. From now on the process is alive only while the next comes within `limit`.
    pub fn beat(&self, name: &str, limit: Duration) {
        let beat = Beat {
            last: Instant::now(),
            limit,
        };
        let mut beats = lock(&self.beats);
        if let Some(known) = beats.get_mut(name) {
            *known = beat;
        } else {
            beats.insert(name.to_owned(), beat);
        }
    }

    /// A loop has ended on purpose: no more signs are expected.
    pub fn retire(&self, name: &str) {
        lock(&self.beats).remove(name);
    }

    /// The gates that are closed, and why. A process without any gate is not ready: it has not begun.
    pub fn closed(&self) -> Vec<String> {
        let gates = lock(&self.gates);
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
    pub fn stuck(&self) -> Vec<String> {
        let beats = lock(&self.beats);
        beats
            .iter()
            .filter(|(_, beat)| beat.last.elapsed() > beat.limit)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The loops that are expected to show signs of life.
    pub fn watched(&self) -> Vec<String> {
        lock(&self.beats).keys().cloned().collect()
    }
}

impl Watchdog for Probes {
    fn sign(&self, name: &str, within: Duration) {
        self.beat(name, within);
    }

    fn retire(&self, name: &str) {
        Self::retire(self, name);
    }

    /// Counted where there are metrics: see [`Watch`].
    fn broke(&self, _: &'static str) {}
}

/// The signs of life of the sync loops, and the metric of those that end unexpectedly.
pub struct Watch {
    /// Told of the signs of life.
    pub probes: Arc<Probes>,
    /// Counts the others.
    pub metrics: Arc<Metrics>,
}

impl Watchdog for Watch {
    fn sign(&self, name: &str, within: Duration) {
        self.probes.beat(name, within);
    }

    fn retire(&self, name: &str) {
        self.probes.retire(name);
    }

    fn broke(&self, kind: &'static str) {
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
pub fn router(probes: Arc<Probes>, metrics: Arc<Metrics>) -> Router {
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
    let stuck = shared.probes.stuck();
    if !stuck.is_empty() {
        // Who asks may restart the process: the log says why.
        tracing::error!(loops = stuck.join(", "), "no sign of life in time");
    }
    verdict(&stuck, "no progress")
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let closed = shared.probes.closed();
    let remarks = lock(&shared.probes.remarks).clone();
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
    let format = Format::asked(&accepted.collect::<Vec<_>>().join(","));
    let metrics = Arc::clone(&shared.metrics);
    let make = move || metrics.encode(format, Timestamp::now());
    match shared.scrapes.text(format, make).await {
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
        assert_eq!(probes.closed(), ["start"]);
        probes.gate("caches", false);
        probes.gate("ledger", true);
        assert_eq!(probes.closed(), ["caches"]);
        probes.close("ledger", "it is in use: stop the other one");
        assert_eq!(probes.closed(), ["caches", "ledger: it is in use: stop the other one"]);
        probes.gate("ledger", true);
        probes.gate("caches", true);
        assert!(probes.closed().is_empty());
    }

    #[test]
    fn alive_while_every_loop_keeps_its_limit() {
        let probes = Probes::default();
        assert!(probes.stuck().is_empty());
        probes.beat("controllers", Duration::from_mins(10));
        assert!(probes.stuck().is_empty());
        probes.beat("feed", Duration::ZERO);
        while probes.stuck().is_empty() {
            std::hint::spin_loop();
        }
        assert_eq!(probes.stuck(), ["feed"]);
        probes.retire("feed");
        assert!(probes.stuck().is_empty());
    }
}
