//! Waits that decide what becomes of a conversion: whoever asks beforehand must ask with those of the operator.

use clap::Args;

use super::shortest::{SECOND, at_least};
use crate::api::Duration;

/// How long conversions wait for what may still come.
#[derive(Debug, Clone, Args)]
pub struct WaitFlags {
    /// How long after the stage change to look for a click id; and how long to look for contacts and deals that HubSpot
    /// does not show.
    #[arg(long, env = "ADCONVERSION_CLICK_GRACE", default_value = "1h")]
    pub click_grace: Duration,
    /// How old an ad click must be before its conversion is uploaded.
    #[arg(long, env = "ADCONVERSION_TOO_RECENT_WAIT", default_value = "6h")]
    pub too_recent_wait: Duration,
    /// How long after a form submission its conversion may be uploaded. Google accepts none after 24 hours. At least 1s.
    #[arg(long, env = "ADCONVERSION_ENHANCEMENT_DEADLINE", default_value = "23h45m", value_parser = at_least(SECOND))]
    pub enhancement_deadline: Duration,
}
