//! How short durations of flags may be. Zero is mostly a mistake, as is `10ms` for `10m`, and would be met by nobody but the vendors.

use std::time::Duration as StdDuration;

use crate::api::Duration;

/// Of what the operator does again and again by itself: no loop without a pause.
pub(super) const TURN: Duration = Duration(StdDuration::from_millis(100));
/// Between two polls of an account: 172,800 a day, which the smallest of HubSpot's daily limits, 250,000, allows.
pub(super) const POLL: Duration = Duration(StdDuration::from_millis(500));
/// Of what asks HubSpot or Google besides; of limits in time below which no call, upload or form conversion would ever succeed;
/// and of what the API server keeps in whole seconds, as a Lease.
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Reads a duration that must not be shorter.
pub(super) fn at_least(
    shortest: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| match text.parse::<Duration>() {
        Ok(given) if given < shortest => Err(format!("it must be at least {shortest}")),
        Ok(given) => Ok(given),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0s", Err("it must be at least 1s"))]
    #[case("999ms", Err("it must be at least 1s"))]
    #[case("1000ms", Ok(SECOND))]
    #[case("1m", Ok(Duration::from_secs(60)))]
    #[case("1d", Err("\"1d\" is not a duration: write it like 90s, 1m or 1h30m"))]
    fn shorter_ones_are_refused(#[case] text: &str, #[case] read: Result<Duration, &str>) {
        assert_eq!(at_least(SECOND)(text), read.map_err(str::to_owned));
    }
}
