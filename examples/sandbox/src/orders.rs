//! Orders to the admin server out of a file: what is there at the start, and what happens again and again from then on.
//! So a sandbox in a cluster is alive without anybody who talks to its admin port.

use std::{io, path::Path, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

use crate::options::duration;

/// Longest answer that is read; only a refusal is shown.
const ANSWER: usize = 1 << 20;
/// Stands for the number of the round in the bodies of repeated orders.
const ROUND: &str = "{n}";

/// The content of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orders {
    /// Once, before the sandbox announces itself.
    #[serde(default)]
    start: Vec<Order>,
    repeat: Option<Repeat>,
}

/// Orders that are given every so often.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    #[serde(deserialize_with = "pause")]
    every: Duration,
    orders: Vec<Order>,
}

/// A `POST` to the admin server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    path: String,
    body: Value,
}

fn pause<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    match duration(&text) {
        Ok(pause) if !pause.is_zero() => Ok(pause),
        _ => Err(serde::de::Error::custom(format!("{text:?} is no pause like 5s"))),
    }
}

impl Orders {
    /// Reads the file.
    ///
    /// # Errors
    /// When it can't be read, or is not what it should be.
    pub fn read(path: &Path) -> io::Result<Self> {
        let name = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| name(&error))?;
        serde_json::from_str(&text).map_err(|error| name(&error))
    }

    /// Gives those for the start, in their order.
    ///
    /// # Errors
    /// The first that is refused.
    pub async fn begin(&self, admin: &Router) -> io::Result<()> {
        for order in &self.start {
            order.give(admin, None).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Gives the others, round after round, for ever. A refusal is printed; the next round may be taken.
    pub async fn go_on(self, admin: Router) {
        let Some(repeat) = self.repeat else {
            return;
        };
        let mut clock = tokio::time::interval(repeat.every);
        clock.tick().await;
        for round in 1_u64.. {
            clock.tick().await;
            for order in &repeat.orders {
                if let Err(error) = order.give(&admin, Some(round)).await {
                    eprintln!("{error}");
                }
            }
        }
    }
}

impl Order {
    async fn give(&self, admin: &Router, round: Option<u64>) -> Result<(), String> {
        let mut body = self.body.to_string();
        if let Some(round) = round {
            body = body.replace(ROUND, &round.to_string());
        }
        let request = Request::post(&self.path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|error| format!("{}: {error}", self.path))?;
        let Ok(response) = admin.clone().oneshot(request).await;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let answer = to_bytes(response.into_body(), ANSWER).await.unwrap_or_default();
        Err(format!("{}: {status} {}", self.path, String::from_utf8_lossy(&answer)))
    }
}
