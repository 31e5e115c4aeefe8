//! Flags of `adconversion run`. Each has an environment name; durations are written like `90s`, `1m`, `6h`.

use std::net::SocketAddr;

use clap::{ArgAction, Args};
use jiff::SignedDuration;

use super::admin_address::AdminAddress;
use super::endpoints::EndpointFlags;
use super::leader_flags::LeaderFlags;
use super::shortest::{POLL, SECOND, TURN, at_least};
use super::wait_flags::WaitFlags;
use crate::api::Duration;
use crate::controller::shared::context::Settings;
use crate::domain::eligibility::EntryWaits;
use crate::ops::telemetry::{LogFormat, LogLevel};
use crate::sync::context::SyncSettings;

/// Flags of `adconversion run`.
#[derive(Debug, Clone, Args)]
#[command(next_line_help = false)]
pub struct RunFlags {
    /// Namespaces to watch, separated by commas. If absent: all.
    #[arg(long, env = "ADCONVERSION_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Where the ledger is kept: `sqlite:///PATH`, whose directory must exist, or
    /// `postgres://USER:PASSWORD@HOST/DATABASE` (PostgreSQL 14 or newer). If the URL holds a password, set the
    /// environment variable instead of the flag.
    #[arg(
        long,
        env = "ADCONVERSION_LEDGER_URL",
        hide_env_values = true,
        default_value = "sqlite:///var/lib/adconversion/ledger.db"
    )]
    pub ledger_url: String,
    // A comment for people who read help would come before the flags' own.
    #[allow(missing_docs)]
    #[command(flatten)]
    pub leader: LeaderFlags,
    /// Address of /livez, /readyz and /metrics. `[::]` takes IPv4 too.
    #[arg(long, env = "ADCONVERSION_LISTEN", default_value = "[::]:8080")]
    pub listen: SocketAddr,
    /// Address of the read-only admin API, which `explain`, `conversions`, `dashboard` and `plan` ask through a
    /// port-forward. It must be on loopback, because the API answers everybody who reaches it. An empty value turns it
    /// off.
    #[arg(long, env = "ADCONVERSION_ADMIN_LISTEN", default_value = "127.0.0.1:8081")]
    pub admin_listen: AdminAddress,
    /// Whether /metrics has series for each event, by namespace
    /// and name. Set `=false` if there are thousands of events.
    #[arg(
        long,
        env = "ADCONVERSION_EVENT_METRICS",
        default_value = "true",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = ArgAction::Set
    )]
    pub event_metrics: bool,
    /// Namespaces whose `GoogleAdsAccounts` may leave out the Secret and use the operator's own Google identity,
    /// separated by commas; `*` means all. If absent: none.
    #[arg(long, env = "ADCONVERSION_AMBIENT_CREDENTIALS_NAMESPACES", value_delimiter = ',')]
    pub ambient_credentials_namespaces: Vec<String>,
    /// What is logged: off, error, warn, info, debug or trace; or directives like
    /// `warn,adconversion_operator::sync=debug`.
    #[arg(long, env = "ADCONVERSION_LOG_LEVEL", default_value = "info")]
    pub log_level: LogLevel,
    /// Format of the log: text or json. If absent: text on a terminal, else json.
    #[arg(long, env = "ADCONVERSION_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub endpoints: EndpointFlags,
    /// Shortest interval between two polls of a HubSpot account; a shorter `spec.interval` counts as this. At least 500ms.
    #[arg(long, env = "ADCONVERSION_MIN_INTERVAL", default_value = "10s", value_parser = at_least(POLL))]
    pub min_interval: Duration,
    /// How often conversions that are due are uploaded. At least 100ms.
    #[arg(long, env = "ADCONVERSION_UPLOAD_INTERVAL", default_value = "60s", value_parser = at_least(TURN))]
    pub upload_interval: Duration,
    /// Shortest time between two writes of an event's status while only its counts change. At least 100ms.
    #[arg(long, env = "ADCONVERSION_STATUS_INTERVAL", default_value = "30s", value_parser = at_least(TURN))]
    pub status_interval: Duration,
    /// How long a conversion waits after it was first seen, so that click id, consent and deals can settle in HubSpot;
    /// and how long HubSpot must say that a contact does not exist before it counts as deleted.
    #[arg(long, env = "ADCONVERSION_SETTLE_DELAY", default_value = "60s")]
    pub settle_delay: Duration,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub waits: WaitFlags,
    /// How far back the wider poll looks. It runs six times in this time, which by default is every ten minutes.
    #[arg(long, env = "ADCONVERSION_OVERLAP", default_value = "1h")]
    pub overlap: Duration,
    /// How often HubSpot is searched by modification time, over the last three days and over the time that an event was away, for changes that polls missed. At least 1s.
    #[arg(long, env = "ADCONVERSION_SWEEP_INTERVAL", default_value = "24h", value_parser = at_least(SECOND))]
    pub sweep_interval: Duration,
    /// After the operator has created a conversion action, how long to hold back uploads to it.
    #[arg(long, env = "ADCONVERSION_NEW_ACTION_HOLD", default_value = "6h")]
    pub new_action_hold: Duration,
    /// If the reply to a create request is lost, how long to search for the action before creating it again. At least 1s.
    #[arg(long, env = "ADCONVERSION_CREATE_SETTLE", default_value = "2m", value_parser = at_least(SECOND))]
    pub create_settle: Duration,
    /// How long after an upload to ask Data Manager for its results for the first time. At least 1s.
    #[arg(long, env = "ADCONVERSION_DIAGNOSTICS_FIRST_POLL", default_value = "30m", value_parser = at_least(SECOND))]
    pub diagnostics_first_poll: Duration,
    /// Longest pause between two requests for the results of one upload. At least 1s.
    #[arg(long, env = "ADCONVERSION_DIAGNOSTICS_MAX_POLL", default_value = "60m", value_parser = at_least(SECOND))]
    pub diagnostics_max_poll: Duration,
    /// How often conversion actions are re-read from Google Ads. A conversion that one read shows outside the click
    /// window waits this long for a second read. At least 1s.
    #[arg(long, env = "ADCONVERSION_GOOGLE_REFRESH_INTERVAL", default_value = "10m", value_parser = at_least(SECOND))]
    pub google_refresh_interval: Duration,
    /// How often `status.attribution` is read from Google Ads. At least 1s.
    #[arg(long, env = "ADCONVERSION_ATTRIBUTION_INTERVAL", default_value = "1h", value_parser = at_least(SECOND))]
    pub attribution_interval: Duration,
    /// How often the Secrets of accounts are re-read, and the ConfigMaps with web snippets checked. At least 1s.
    #[arg(long, env = "ADCONVERSION_ACCOUNT_CHECK_INTERVAL", default_value = "60s", value_parser = at_least(SECOND))]
    pub account_check_interval: Duration,
    /// How often a stalled object is checked again if nobody changes it. The
    /// first checks of an account follow after 5 seconds, 10, 20 and so on. At least 1s.
    #[arg(long, env = "ADCONVERSION_STALLED_PROBE_INTERVAL", default_value = "10m", value_parser = at_least(SECOND))]
    pub stalled_probe_interval: Duration,
    /// How often to ask HubSpot, a few ids at a time, whether it still has the contacts in the ledger. At least 1s.
    #[arg(long, env = "ADCONVERSION_DELETION_CHECK_INTERVAL", default_value = "168h", value_parser = at_least(SECOND))]
    pub deletion_check_interval: Duration,
    /// How long the ledger keeps settled conversions one by one, before it keeps only their totals; and how long it
    /// keeps the ids of contacts that HubSpot has deleted. At least 1s.
    #[arg(long, env = "ADCONVERSION_RETENTION", default_value = "2160h", value_parser = at_least(SECOND))]
    pub retention: Duration,
    /// Longest pause between two retries. At least 100ms.
    #[arg(long, env = "ADCONVERSION_BACKOFF_MAX", default_value = "5m", value_parser = at_least(TURN))]
    pub backoff_max: Duration,
    /// How long failures may last before `Ready` becomes False.
    #[arg(long, env = "ADCONVERSION_FAILURE_THRESHOLD", default_value = "15m")]
    pub failure_threshold: Duration,
    /// How long a deletion may fail before `DeletionBlocked` is set. If access is denied, it is set at once.
    #[arg(long, env = "ADCONVERSION_DELETION_TIMEOUT", default_value = "10m")]
    pub deletion_timeout: Duration,
}

fn to_signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration.as_std()).unwrap_or(SignedDuration::MAX)
}

impl RunFlags {
    /// Durations of the controllers.
    pub fn controller_settings(&self) -> Settings {
        Settings {
            min_interval: self.min_interval.as_std(),
            status_interval: self.status_interval.as_std(),
            google_refresh_interval: self.google_refresh_interval.as_std(),
            account_check_interval: self.account_check_interval.as_std(),
            stalled_probe_interval: self.stalled_probe_interval.as_std(),
            new_action_hold: self.new_action_hold.as_std(),
            create_settle: self.create_settle.as_std(),
            failure_threshold: self.failure_threshold.as_std(),
            deletion_timeout: self.deletion_timeout.as_std(),
            backoff_max: self.backoff_max.as_std(),
            attribution_interval: self.attribution_interval.as_std(),
        }
    }

    /// Durations of the sync loops.
    pub fn sync_settings(&self) -> SyncSettings {
        SyncSettings {
            new_action_hold: to_signed(self.new_action_hold),
            waits: EntryWaits {
                settle: to_signed(self.settle_delay),
                click_grace: to_signed(self.waits.click_grace),
                too_recent: to_signed(self.waits.too_recent_wait),
                window: to_signed(self.google_refresh_interval),
            },
            upload_interval: to_signed(self.upload_interval),
            overlap: to_signed(self.overlap),
            sweep_interval: to_signed(self.sweep_interval),
            diagnostics_first_poll: to_signed(self.diagnostics_first_poll),
            diagnostics_max_poll: to_signed(self.diagnostics_max_poll),
            backoff_max: to_signed(self.backoff_max),
            failure_threshold: to_signed(self.failure_threshold),
            retention: to_signed(self.retention),
            deletion_check_interval: to_signed(self.deletion_check_interval),
            enhancement_deadline: to_signed(self.waits.enhancement_deadline),
        }
    }
}
