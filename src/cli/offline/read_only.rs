//! What keeps commands that only look from changing anything.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::CallObserver;
use crate::ports::work_permit::{NoPermit, WorkPermit};

/// Permits no call that changes something: the client of Google asks before each of them. HubSpot's client has none.
pub(super) struct ReadOnly;

#[async_trait]
impl WorkPermit for ReadOnly {
    async fn confirm_permit(&self) -> Result<(), NoPermit> {
        Err(NoPermit {
            why: "this command only looks".to_owned(),
        })
    }
}

/// Nobody reads the metrics of a command.
pub(super) struct NoMetrics;

impl CallObserver for NoMetrics {
    fn observe_call(&self, _: &'static str, _: &'static str, _: Option<u16>, _: Duration) {}
    fn observe_throttling(&self, _: &'static str, _: Duration) {}
}
