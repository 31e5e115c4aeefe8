//! HubSpot's endpoints and limits, and its names in errors and metrics.

use std::time::Duration;

/// The `service` of every error of this module, and the name in messages.
pub const SERVICE: &str = "HubSpot";
/// The name of this API in metrics.
pub const API: &str = "hubspot";

/// HubSpot's endpoints, and the limits of calls to it.
#[derive(Debug, Clone)]
pub struct HubSpotConfig {
    /// Base without version path, e.g. `https://api.hubapi.com`.
    pub endpoint: String,
    /// Dated API version, e.g. `2026-09`.
    pub version: String,
    /// Full URL of the OAuth token endpoint; `None`: `{endpoint}/oauth/{version}/token`.
    pub token_endpoint: Option<String>,
    /// Limit of one HTTP attempt, from connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Limit of searches at the beginning.
    pub search: CallLimit,
    /// Highest limit of searches, reached while none is refused. HubSpot allows 5 a second per portal, for all
    /// integrations together.
    pub most_searches: u32,
    /// Limit of all other calls, until HubSpot states its own. On its smallest tier it allows 100 in 10 seconds.
    pub other: CallLimit,
    /// Waits inside one call.
    pub waits: RetryWaits,
}

impl Default for HubSpotConfig {
    fn default() -> Self {
        Self {
            endpoint: "https://api.hubapi.com".to_owned(),
            version: "2026-09".to_owned(),
            token_endpoint: None,
            timeout: Duration::from_secs(30),
            search: CallLimit {
                calls: 4,
                per: Duration::from_secs(1),
            },
            most_searches: 5,
            other: CallLimit {
                calls: 95,
                per: Duration::from_secs(10),
            },
            waits: RetryWaits::default(),
        }
    }
}

impl HubSpotConfig {
    /// The OAuth token endpoint in effect.
    pub(super) fn token_url(&self) -> String {
        self.token_endpoint
            .clone()
            .unwrap_or_else(|| self.url_of(&format!("/oauth/{}/token", self.version)))
    }

    pub(super) fn url_of(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint.trim_end_matches('/'))
    }
}

/// At most this many calls reach HubSpot within any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimit {
    /// Number of calls; 0 counts as 1.
    pub calls: u32,
    /// Length of the window.
    pub per: Duration,
}

/// Quick retries inside one call. If a retry would have to wait longer, the caller gets the error with `retry_after`.
#[derive(Debug, Clone)]
pub struct RetryWaits {
    /// Retries after the first attempt.
    pub retries: u32,
    /// After a lost connection or a 500, 502, 503, 504: this times the number of the attempt.
    pub server: Duration,
    /// After 423 (record locked): this times the number of the attempt. HubSpot asks for at least 2 s.
    pub locked: Duration,
    /// After 429 SECONDLY: this times the number of the attempt.
    pub secondly: Duration,
    /// After 429 `TEN_SECONDLY_ROLLING`, or a short limit of unknown name.
    pub ten_secondly: Duration,
    /// The longest single wait slept through for a retry or for the `Retry-After` gate.
    pub longest: Duration,
    /// The longest wait for a turn at the limiter.
    pub queue: Duration,
    /// How long one search looks for the contact because of which it fails, besides the call under way. The next search
    /// continues.
    pub hunt: Duration,
    /// The longest pause before a property that HubSpot withholds is asked for again.
    pub again: Duration,
}

impl Default for RetryWaits {
    fn default() -> Self {
        Self {
            retries: 2,
            server: Duration::from_millis(500),
            locked: Duration::from_secs(2),
            secondly: Duration::from_secs(1),
            ten_secondly: Duration::from_secs(10),
            longest: Duration::from_secs(15),
            queue: Duration::from_mins(1),
            hunt: Duration::from_mins(1),
            again: Duration::from_mins(5),
        }
    }
}
