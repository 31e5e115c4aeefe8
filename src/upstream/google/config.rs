//! Google's endpoints, and the time limits of calls to them.

use std::path::PathBuf;
use std::time::Duration;

/// The ad network's name in messages.
pub(crate) const NETWORK: &str = "Google";

/// Google's endpoints. Bases have no version path and no slash at the end.
#[derive(Debug, Clone)]
pub struct GoogleConfig {
    /// Base of the Google Ads API.
    pub ads_endpoint: String,
    /// Version segment of the Google Ads API; four majors a year, each served for about twelve months.
    pub ads_version: String,
    /// Base of the Data Manager API.
    pub data_manager_endpoint: String,
    /// Full URL of the OAuth token endpoint.
    pub token_endpoint: String,
    /// Time limits of calls.
    pub timeouts: Timeouts,
    /// Namespaces whose accounts may use the process's own identity; `*`: all.
    pub ambient_namespaces: Vec<String>,
    /// Directory for the token files of external accounts in Secrets; `None`: such accounts are refused.
    pub token_directory: Option<PathBuf>,
}

impl Default for GoogleConfig {
    fn default() -> Self {
        Self {
            ads_endpoint: "https://googleads.googleapis.com".to_owned(),
            ads_version: "v26".to_owned(),
            data_manager_endpoint: "https://datamanager.googleapis.com".to_owned(),
            token_endpoint: "https://oauth2.googleapis.com/token".to_owned(),
            timeouts: Timeouts::default(),
            ambient_namespaces: Vec::new(),
            token_directory: None,
        }
    }
}

/// How long each kind of call may take, from sending to the last byte of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// A token. Default 20 s.
    pub token: Duration,
    /// A search or a request status. Default 60 s.
    pub read: Duration,
    /// A change of configuration. Default 60 s.
    pub mutate: Duration,
    /// An upload. Default 120 s.
    pub ingest: Duration,
    /// Pause before a read is tried again after a failure of Google's; doubled for the last try. Default 500 ms.
    pub retry_pause: Duration,
    /// Longest wait asked for by Google that a call sits out
    /// itself; longer ones are handed to the caller. Default 15 s.
    pub patience: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            token: Duration::from_secs(20),
            read: Duration::from_mins(1),
            mutate: Duration::from_mins(1),
            ingest: Duration::from_mins(2),
            retry_pause: Duration::from_millis(500),
            patience: Duration::from_secs(15),
        }
    }
}

impl Timeouts {
    /// The same, with no call longer than `limit`.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        Self {
            token: self.token.min(limit),
            read: self.read.min(limit),
            mutate: self.mutate.min(limit),
            ingest: self.ingest.min(limit),
            ..self
        }
    }
}
