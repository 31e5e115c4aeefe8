//! The failure of the last purchase of a token, for the callers that waited for it: one caller buys a token, and the
//! others do not repeat a purchase that has just failed.

use tokio::time::Instant;

use crate::ports::UpstreamError;

/// The error of the last purchase, and its time. Kept behind the lock that is held during a purchase.
#[derive(Debug, Default)]
pub struct LastFailure(Option<(Instant, UpstreamError)>);

impl LastFailure {
    /// Remembers a purchase that failed just now.
    pub fn record(&mut self, error: &UpstreamError) {
        self.0 = Some((Instant::now(), error.clone()));
    }

    /// The failure, if it came after `asked`: then it is the answer for a caller that has waited since.
    pub fn since(&self, asked: Instant) -> Option<UpstreamError> {
        let (_, error) = self.0.as_ref().filter(|(at, _)| *at > asked)?;
        Some(error.clone())
    }
}
