//! The failure of a token's purchase, for those who waited for it: one caller buys, and nobody asks again for the same answer.

use tokio::time::Instant;

use crate::ports::UpstreamError;

/// What the last purchase failed with, and when. Kept behind the lock that is held during a purchase.
#[derive(Debug, Default)]
pub struct LastFailure(Option<(Instant, UpstreamError)>);

impl LastFailure {
    /// Remembers a purchase that failed just now.
    pub fn record(&mut self, error: &UpstreamError) {
        self.0 = Some((Instant::now(), error.clone()));
    }

    /// The failure, if it came after `asked`: it answers whoever has waited since then.
    pub fn since(&self, asked: Instant) -> Option<UpstreamError> {
        let (_, error) = self.0.as_ref().filter(|(at, _)| *at > asked)?;
        Some(error.clone())
    }
}
