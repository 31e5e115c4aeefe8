//! Command line of the sandbox.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use jiff::SignedDuration;

/// Simulates HubSpot, Google's token endpoint, Google Ads and Data Manager on one port, with an admin port beside it.
#[derive(Clone, Debug, Parser)]
#[command(name = "adconversion-sandbox", version)]
pub struct Options {
    /// Address of the simulated services (all of them; told apart by path). Port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub listen: String,

    /// Address of the admin server. Port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:8788")]
    pub admin: String,

    /// How long Data Manager keeps a request in processing.
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub processing_delay: Duration,

    /// How old a conversion action must be before an upload to it counts as old enough.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub new_action_age: Duration,

    /// How old a click must be before a conversion for it is accepted.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub min_click_age: Duration,

    /// Lifetime of Google access tokens.
    #[arg(long, default_value = "30m", value_parser = duration)]
    pub token_lifetime: Duration,

    /// How long a change at HubSpot stays invisible to its search.
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub index_lag: Duration,

    /// HubSpot searches allowed per second and portal.
    #[arg(long, default_value_t = 5)]
    pub search_rate: u32,

    /// HubSpot calls (other than searches) allowed per ten seconds and token.
    #[arg(long, default_value_t = 190)]
    pub burst_rate: u32,

    /// Google Ads operations allowed per day; 0 means unlimited.
    #[arg(long, default_value_t = 0)]
    pub google_daily_operations: u64,

    /// Switches all rate limits off.
    #[arg(long)]
    pub no_rate_limits: bool,

    /// Share of upstream requests answered with a transient 5xx, in percent.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub flaky: u8,

    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Contacts to generate in the default portal at start.
    #[arg(long, default_value_t = 0)]
    pub contacts: u32,

    /// File with orders to the admin server: those given at the start, and those repeated from then on.
    #[arg(long, value_name = "FILE")]
    pub orders: Option<PathBuf>,

    /// How far the clock is ahead of real time at start (for example `36h`, `-10m`).
    #[arg(long, default_value = "0s", value_parser = signed_duration, allow_hyphen_values = true)]
    pub clock_offset: SignedDuration,
}

impl Default for Options {
    /// The options of a command line without arguments.
    fn default() -> Self {
        Self::parse_from(["adconversion-sandbox"])
    }
}

fn signed_duration(text: &str) -> Result<SignedDuration, String> {
    text.parse().map_err(|e: jiff::Error| e.to_string())
}

/// A time like `90s` or `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let signed = signed_duration(text)?;
    Duration::try_from(signed).map_err(|_| "must not be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("6h"), Ok(Duration::from_hours(6)));
        assert!(duration("-1s").is_err());
        assert!(duration("soon").is_err());
    }
}
