//! How long HubSpot is waited for, for one answer: what the ledger has must reach whoever asks before they give up.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::ports::{Cause, UpstreamError};

/// For all calls of one answer together, with their retries. `adconversion explain` waits 90 seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends the calls to HubSpot of one answer.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    limit: Duration,
    until: Instant,
}

impl Patience {
    pub(super) fn begin() -> Self {
        Self::within(PATIENCE)
    }

    fn within(limit: Duration) -> Self {
        let until = Instant::now() + limit;
        Self { limit, until }
    }

    /// The answer to a call, or an error if it takes too long.
    pub(super) async fn wait<T>(
        self,
        call: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        timeout_at(self.until, call).await.unwrap_or_else(|_| {
            let message = format!("no good answer within {} s", self.limit.as_secs());
            Err(UpstreamError::new("HubSpot", Cause::Unavailable, message))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_calls_together_end_in_time() {
        let limit = Duration::from_millis(300);
        let (begun, patience) = (Instant::now(), Patience::within(limit));
        assert_eq!(patience.wait(async { Ok(1) }).await.unwrap(), 1);
        for _ in 0..100 {
            let error = patience.wait::<()>(std::future::pending()).await.unwrap_err();
            assert_eq!(error.cause, Cause::Unavailable);
        }
        let took = begun.elapsed();
        assert!(limit <= took && took < limit * 50, "{took:?}");
    }
}
