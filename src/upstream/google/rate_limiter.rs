//! Limits the calls to one API: how many at a time, how many a second, and none before a wait that Google asked for is
//! over. Shared by all clients of one set of credentials.

use std::num::NonZeroU32;
use std::pin::pin;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::errors::{Api, CallFailure};
use crate::domain::ids::CustomerId;
use crate::ports::{CallObserver, Cause, UpstreamError};
use crate::upstream::http::gate::CallGates;

/// Calls at a time (Data Manager docs, limits: about ten).
const SLOTS: usize = 10;
/// How long a call keeps its slot. A call that Google does not answer goes on without one: accounts of several tenants
/// share credentials, and silence about one account must not hold up the others.
const SLOT_TIME: Duration = Duration::from_secs(3);
/// Calls that may go at once before the rate counts.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

pub(crate) struct RateLimiter {
    api: Api,
    slots: Semaphore,
    limiter: DefaultDirectRateLimiter,
    /// By customer; `None` is the project's gate, which holds for all.
    gates: CallGates<Option<CustomerId>>,
}

impl RateLimiter {
    /// A limiter with the limits of `api`: Google Ads publishes none, ten a second is modest; Data Manager takes 300 a
    /// minute (burst included, this limiter stays below).
    pub(crate) fn new(api: Api) -> Self {
        let period = match api {
            Api::Ads => Duration::from_millis(100),
            Api::DataManager => Duration::from_millis(210),
        };
        let quota = Quota::with_period(period).unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN));
        Self {
            api,
            slots: Semaphore::new(SLOTS),
            limiter: governor::RateLimiter::direct(quota.allow_burst(BURST)),
            gates: CallGates::default(),
        }
    }

    /// Makes an admitted call; its slot is free again once it is answered, or after [`SLOT_TIME`].
    pub(crate) async fn in_slot<T>(slot: SemaphorePermit<'_>, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        if let Ok(answer) = tokio::time::timeout(SLOT_TIME, call.as_mut()).await {
            return answer;
        }
        drop(slot);
        call.await
    }

    /// Waits until a call for `customer` may go. An error if Google asked for a wait longer than `patience`.
    pub(crate) async fn admit(
        &self,
        customer: Option<&CustomerId>,
        patience: Duration,
        observer: &dyn CallObserver,
    ) -> Result<SemaphorePermit<'_>, UpstreamError> {
        let asked = Instant::now();
        let closed = || UpstreamError::new(self.api.service_name(), Cause::Unavailable, "the client is shut down");
        let gates = [None, customer.cloned()];
        let slot = loop {
            // Without a slot, so that a call that waits at the gate of one customer holds up no other.
            let opened = self.gates.wait_until_open(&gates, asked + patience).await;
            opened.map_err(|shut| shut.into_error(self.api.service_name(), "Google"))?;
            let slot = self.slots.acquire().await.map_err(|_| closed())?;
            self.limiter.until_ready().await;
            if self.gates.last_to_open(&gates).is_none() {
                break slot;
            }
        };
        let waited = asked.elapsed();
        if waited >= Duration::from_millis(1) {
            observer.observe_throttling(self.api.metric_name(), waited);
        }
        Ok(slot)
    }

    /// Shuts the gate for as long as a limit of Google's asks for: the customer's if only that customer is over it. Any
    /// other answer may be about this one call, whose caller waits without holding up anybody else.
    pub(crate) fn record_failure(&self, failure: &CallFailure, customer: Option<&CustomerId>) {
        let Some(wait) = failure.error.retry_after.and_then(|wait| Duration::try_from(wait).ok()) else {
            return;
        };
        if is_limit(&failure.error) {
            let key = customer.cloned().filter(|_| failure.account_only);
            self.gates.shut_for(key, wait, &failure.error);
        }
    }
}

/// True for a limit or a quota that Google itself names: a web page may come from a filter that judged this one call.
const fn is_limit(error: &UpstreamError) -> bool {
    matches!(error.cause, Cause::RateLimited | Cause::QuotaExhausted) && error.code.is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use jiff::SignedDuration;

    use super::*;
    use crate::upstream::google::test_support::Silent;

    fn failure(wait: SignedDuration, account_only: bool) -> CallFailure {
        let error = UpstreamError {
            retry_after: Some(wait),
            code: Some("RESOURCE_EXHAUSTED".to_owned()),
            ..UpstreamError::new("Google Ads", Cause::QuotaExhausted, "x")
        };
        CallFailure {
            error,
            account_only,
            code: None,
            violations: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_long_wait_is_refused_and_a_short_one_sat_out() {
        let patience = Duration::from_secs(15);
        let rate_limiter = RateLimiter::new(Api::Ads);
        rate_limiter.record_failure(&failure(SignedDuration::from_secs(3600), false), None);
        let refused = rate_limiter.admit(None, patience, &Silent).await.err().unwrap();
        assert_eq!(refused.cause, Cause::QuotaExhausted);
        assert_eq!(refused.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert!(refused.retry_after.unwrap() > SignedDuration::from_secs(3590));

        let rate_limiter = RateLimiter::new(Api::Ads);
        let start = Instant::now();
        rate_limiter.record_failure(&failure(SignedDuration::from_millis(120), false), None);
        drop(rate_limiter.admit(None, patience, &Silent).await.unwrap());
        assert!(start.elapsed() >= Duration::from_millis(120));
    }

    #[tokio::test]
    async fn what_one_call_is_answered_holds_back_no_other_unless_it_is_a_limit() {
        let customer: CustomerId = "1111111111".parse().unwrap();
        for (cause, code, held) in [
            (Cause::RateLimited, Some("RESOURCE_TEMPORARILY_EXHAUSTED"), true),
            (Cause::QuotaExhausted, Some("RESOURCE_EXHAUSTED"), true),
            (Cause::RateLimited, None, false),
            (Cause::AccessDenied, Some("USER_PERMISSION_DENIED"), false),
            (Cause::AccessDenied, None, false),
            (Cause::CredentialsRejected, Some("NOT_ADS_USER"), false),
            (Cause::Refused, Some("INVALID_ARGUMENT"), false),
            (Cause::Unavailable, Some("UNAVAILABLE"), false),
            (Cause::Unavailable, None, false),
            (Cause::UnsupportedVersion, None, false),
        ] {
            for asked in [None, Some(&customer)] {
                let mut failed = failure(SignedDuration::from_secs(3600), false);
                failed.error.cause = cause;
                failed.error.code = code.map(str::to_owned);
                let rate_limiter = RateLimiter::new(Api::Ads);
                rate_limiter.record_failure(&failed, asked);
                for next in [None, Some(&customer)] {
                    let admitted = rate_limiter.admit(next, Duration::ZERO, &Silent).await;
                    assert_eq!(admitted.is_err(), held, "{cause:?} {code:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn calls_that_are_not_answered_give_up_their_slots() {
        let silent: CustomerId = "1111111111".parse().unwrap();
        let other: CustomerId = "2222222222".parse().unwrap();
        let rate_limiter = Arc::new(RateLimiter::new(Api::Ads));
        for _ in 0..SLOTS {
            let (limiter, silent) = (Arc::clone(&rate_limiter), silent.clone());
            tokio::spawn(async move {
                let slot = limiter.admit(Some(&silent), Duration::ZERO, &Silent).await.unwrap();
                RateLimiter::in_slot(slot, std::future::pending::<()>()).await;
            });
        }
        while rate_limiter.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let admitted = rate_limiter.admit(Some(&other), Duration::ZERO, &Silent);
        assert!(tokio::time::timeout(SLOT_TIME * 2, admitted).await.is_ok());
    }

    #[tokio::test]
    async fn an_accounts_limit_holds_back_that_account_only() {
        let one: CustomerId = "1111111111".parse().unwrap();
        let two: CustomerId = "2222222222".parse().unwrap();
        let rate_limiter = RateLimiter::new(Api::Ads);
        rate_limiter.record_failure(&failure(SignedDuration::from_secs(3600), true), Some(&one));
        assert!(rate_limiter.admit(Some(&one), Duration::ZERO, &Silent).await.is_err());
        assert!(rate_limiter.admit(Some(&two), Duration::ZERO, &Silent).await.is_ok());
    }
}
