//! Gates in front of a service: no call is made before the end of a wait that the service asked for.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::wait::{wait_cause, wait_end};
use crate::ports::{Cause, UpstreamError};

/// Why a gate is shut and until when.
#[derive(Debug, Clone)]
pub struct ShutGate {
    until: Instant,
    /// The same as clock time, for messages.
    end: Timestamp,
    cause: Cause,
    code: Option<String>,
}

impl ShutGate {
    fn new(wait: Duration, error: &UpstreamError) -> Self {
        let cause = wait_cause(error.cause);
        Self {
            until: Instant::now() + wait,
            end: wait_end(wait),
            cause,
            // Without the code of a refusal: the service has not refused the call that is held back.
            code: error.code.clone().filter(|_| cause == error.cause),
        }
    }

    /// The error of a call that is held back. `service`: as errors name it; `who`: who asked to wait.
    pub fn into_error(self, service: &'static str, who: &str) -> UpstreamError {
        let left = self.until.saturating_duration_since(Instant::now());
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let code = self.code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default();
        let end = self.end;
        let message = format!("{code}not called: {who} asked to wait, {seconds} s are left (until {end})");
        UpstreamError {
            code: self.code,
            retry_after: SignedDuration::try_from(left).ok(),
            ..UpstreamError::new(service, self.cause, message)
        }
    }
}

/// Gates, by the calls that they hold back.
#[derive(Debug)]
pub struct CallGates<K>(Mutex<HashMap<K, ShutGate>>);

impl<K> Default for CallGates<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> CallGates<K> {
    /// Shuts a gate for `wait` because of `error`; never shortens a longer wait.
    pub fn shut_for(&self, key: K, wait: Duration, error: &UpstreamError) {
        self.shut(key, ShutGate::new(wait, error));
    }

    /// Shuts a gate for as long as another one is shut; never shortens a longer wait.
    pub fn shut(&self, key: K, shut: ShutGate) {
        let mut gates = self.0.lock();
        if gates.get(&key).is_none_or(|held| held.until < shut.until) {
            gates.insert(key, shut);
        }
    }

    /// The gate among these that opens last, if one is shut.
    pub fn last_to_open(&self, keys: &[K]) -> Option<ShutGate> {
        let now = Instant::now();
        let mut gates = self.0.lock();
        gates.retain(|_, shut| shut.until > now);
        let shut = keys.iter().filter_map(|key| gates.get(key));
        shut.max_by_key(|shut| shut.until).cloned()
    }

    /// Waits until all of these gates are open. Returns at once with a gate that stays shut beyond `give_up`.
    pub async fn wait_until_open(&self, keys: &[K], give_up: Instant) -> Result<(), ShutGate> {
        while let Some(shut) = self.last_to_open(keys) {
            if shut.until > give_up {
                return Err(shut);
            }
            tokio::time::sleep_until(shut.until).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(cause: Cause) -> UpstreamError {
        UpstreamError {
            code: Some("CODE".to_owned()),
            ..UpstreamError::new("Service", cause, "what it said")
        }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test]
    async fn a_gate_holds_back_whom_it_is_for_and_a_longer_wait_stays() {
        let gates = CallGates::default();
        let now = Instant::now();
        gates.shut_for("one", secs(100), &error(Cause::RateLimited));
        gates.shut_for("one", secs(10), &error(Cause::Unavailable));
        gates.shut_for("two", secs(50), &error(Cause::RateLimited));
        let held = |keys: &[&'static str]| gates.last_to_open(keys).map(|shut| (shut.until - now).as_secs());
        assert_eq!(
            [held(&["one"]), held(&["two"]), held(&["three"])],
            [Some(100), Some(50), None]
        );
        assert_eq!(held(&["three", "two", "one"]), Some(100), "the last to open");
        assert!(gates.wait_until_open(&["three"], now).await.is_ok());
        assert!(gates.wait_until_open(&["one"], now + secs(99)).await.is_err());
    }

    #[tokio::test]
    async fn a_short_wait_is_sat_out() {
        let gates = CallGates::default();
        let now = Instant::now();
        gates.shut_for((), Duration::from_millis(30), &error(Cause::RateLimited));
        assert!(gates.wait_until_open(&[()], now + secs(5)).await.is_ok());
        assert!(now.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn who_is_held_back_reads_of_the_wait_and_not_of_a_refusal() {
        let held = |cause| ShutGate::new(secs(3600), &error(cause)).into_error("Service API", "Service");
        let limited = held(Cause::RateLimited);
        assert_eq!(
            (limited.cause, limited.code.as_deref()),
            (Cause::RateLimited, Some("CODE"))
        );
        let said = "CODE: not called: Service asked to wait, 3600 s are left (until ";
        assert!(limited.message.starts_with(said), "{}", limited.message);
        let refused = held(Cause::AccessDenied);
        assert_eq!((refused.cause, refused.code), (Cause::RateLimited, None));
        assert!(refused.message.starts_with("not called: "), "{}", refused.message);
    }
}
