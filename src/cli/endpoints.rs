//! Where HubSpot and Google are, for every command that asks them.

use std::path::PathBuf;
use std::time::Duration as StdDuration;

use clap::Args;

use super::command_error::CommandError;
use super::shortest::{SECOND, at_least};
use crate::api::Duration;
use crate::upstream;
use crate::upstream::google::{GoogleConfig, Timeouts};
use crate::upstream::hubspot::HubSpotConfig;

/// Longest wait for a connection to an upstream service.
const CONNECT_LIMIT: StdDuration = StdDuration::from_secs(10);

/// Where HubSpot and Google are, and how long their calls may take.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HubSpot and Google")]
pub struct EndpointFlags {
    /// Accept credentials of the type `external_account` in Secrets, but only
    /// with token files below this directory. If absent, they are refused.
    #[arg(long, env = "ADCONVERSION_EXTERNAL_ACCOUNT_TOKEN_DIR", value_name = "DIR")]
    pub external_account_token_dir: Option<PathBuf>,
    /// Base of the Google Ads API, without version.
    #[arg(
        long,
        env = "ADCONVERSION_GOOGLE_ADS_ENDPOINT",
        default_value = "https://googleads.googleapis.com"
    )]
    pub google_ads_endpoint: String,
    /// Version of the Google Ads API.
    #[arg(long, env = "ADCONVERSION_GOOGLE_ADS_VERSION", default_value = "v26")]
    pub google_ads_version: String,
    /// Base of the Data Manager API, without version.
    #[arg(
        long,
        env = "ADCONVERSION_DATA_MANAGER_ENDPOINT",
        default_value = "https://datamanager.googleapis.com"
    )]
    pub data_manager_endpoint: String,
    /// Full URL of Google's OAuth token endpoint.
    #[arg(
        long,
        env = "ADCONVERSION_GOOGLE_TOKEN_ENDPOINT",
        default_value = "https://oauth2.googleapis.com/token"
    )]
    pub google_token_endpoint: String,
    /// Base of the HubSpot API.
    #[arg(
        long,
        env = "ADCONVERSION_HUBSPOT_ENDPOINT",
        default_value = "https://api.hubapi.com"
    )]
    pub hubspot_endpoint: String,
    /// Dated version of the HubSpot API.
    #[arg(long, env = "ADCONVERSION_HUBSPOT_VERSION", default_value = "2026-09")]
    pub hubspot_version: String,
    /// Upper bound of every call's time limit. The limits are 30s for HubSpot, 20s for a Google token, 1m for Google,
    /// 2m for an upload, and 1m until the Kubernetes API begins to answer. At least 1s.
    #[arg(long, env = "ADCONVERSION_CALL_TIMEOUT", default_value = "2m", value_parser = at_least(SECOND))]
    pub call_timeout: Duration,
}

impl EndpointFlags {
    /// The client of all calls to HubSpot and Google.
    ///
    /// # Errors
    /// Where this host has no certificates to trust.
    pub fn http_client(&self) -> Result<reqwest::Client, CommandError> {
        let endpoints = [
            self.google_ads_endpoint.as_str(),
            &self.data_manager_endpoint,
            &self.google_token_endpoint,
            &self.hubspot_endpoint,
        ];
        upstream::client_builder(&endpoints)
            .connect_timeout(CONNECT_LIMIT)
            .user_agent(concat!("adconversion-operator/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| without_tls(&error).into())
    }

    /// How Google is reached. `ambient_namespaces`: whose accounts may use this process's own identity; `*` means all.
    pub fn google_config(&self, ambient_namespaces: Vec<String>) -> GoogleConfig {
        let base = |url: &str| url.trim_end_matches('/').to_owned();
        GoogleConfig {
            ads_endpoint: base(&self.google_ads_endpoint),
            ads_version: self.google_ads_version.clone(),
            data_manager_endpoint: base(&self.data_manager_endpoint),
            token_endpoint: self.google_token_endpoint.clone(),
            timeouts: Timeouts::default().at_most(self.call_timeout.as_std()),
            ambient_namespaces,
            token_directory: self.external_account_token_dir.clone(),
        }
    }

    /// How HubSpot is reached.
    pub fn hubspot_config(&self) -> HubSpotConfig {
        let usual = HubSpotConfig::default();
        HubSpotConfig {
            endpoint: self.hubspot_endpoint.trim_end_matches('/').to_owned(),
            version: self.hubspot_version.clone(),
            timeout: usual.timeout.min(self.call_timeout.as_std()),
            ..usual
        }
    }
}

/// Nothing but the certificates of this host can keep the client from being made: names the way out.
pub(super) fn without_tls(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        words = error.to_string();
        inner = error.source();
    }
    format!(
        "no HTTPS is possible: {words}. Where the host has no CA certificates, install its package ca-certificates, or name a \
         PEM file of them in SSL_CERT_FILE or a directory in SSL_CERT_DIR"
    )
}
