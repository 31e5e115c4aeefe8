//! The right to change something outside: only the one process that writes to the ledger has it.

use async_trait::async_trait;

/// Another process may be writing to the ledger, or that is not known: nothing may be changed outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not sent, since it is not certain that this operator still has the ledger: {why}")]
pub struct NoPermit {
    /// What the ledger said.
    pub why: String,
}

/// Knows whether this process is the one that may change something outside.
#[async_trait]
pub trait WorkPermit: Send + Sync {
    /// To be called right before a call that changes something. A process that was stopped, or cut off, for so long
    /// that another one took over finds out here.
    async fn confirm_permit(&self) -> Result<(), NoPermit>;
}

/// Permits everything: for tests.
pub struct AlwaysPermitted;

#[async_trait]
impl WorkPermit for AlwaysPermitted {
    async fn confirm_permit(&self) -> Result<(), NoPermit> {
        Ok(())
    }
}
