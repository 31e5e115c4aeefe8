//! What all parts of the process share.

use std::sync::Arc;

use kube::Client;
use tokio_util::sync::CancellationToken;

use super::command_error::CommandError;
use super::endpoints::without_tls;
use super::flags::RunFlags;
use crate::admin::Admin;
use crate::controller::runtime as controllers;
use crate::ops::health::Probes;
use crate::ops::metrics::Metrics;

/// What all parts of the process share.
pub(super) struct Process {
    pub(super) flags: RunFlags,
    pub(super) probes: Arc<Probes>,
    pub(super) metrics: Arc<Metrics>,
    /// Answers people who ask, while this process works.
    pub(super) admin: Admin,
    /// The process is to end.
    pub(super) stop: CancellationToken,
    /// It must not work any more: another one may.
    pub(super) lost: CancellationToken,
}

impl Process {
    /// The client of the Kubernetes API, and the name of this pod.
    pub(super) async fn new_client(&self) -> Result<(Client, Option<String>), CommandError> {
        let instance = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).ok();
        let client = controllers::new_client(instance.as_deref(), self.flags.endpoints.call_timeout.as_std()).await;
        Ok((client.map_err(explain_no_client)?, instance))
    }
}

/// Why the Kubernetes API can't be asked.
fn explain_no_client(error: controllers::ClientError) -> CommandError {
    match error {
        controllers::ClientError::Client(error) if matches!(*error, kube::Error::RustlsTls(_)) => {
            without_tls(&error).into()
        }
        error => error.into(),
    }
}
