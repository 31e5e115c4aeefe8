//! How long an event waits until it is looked at again.

use std::time::Duration;

use jiff::Timestamp;

/// Looks again at least this often while rows wait: gates open by time alone.
pub(crate) const BUSY_PAUSE: Duration = Duration::from_secs(30);
/// Looks again at least this often.
pub(crate) const IDLE_PAUSE: Duration = Duration::from_mins(10);
/// An account has not been looked at since the process started.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// Until a time ahead of us: the end of the hold on a new action, a start in the future.
pub(crate) fn time_until(time: Option<Timestamp>, now: Timestamp) -> Duration {
    time.and_then(|until| Duration::try_from(until.duration_since(now)).ok())
        .filter(|wait| !wait.is_zero())
        .map_or(IDLE_PAUSE, |wait| wait + Duration::from_millis(100))
}
