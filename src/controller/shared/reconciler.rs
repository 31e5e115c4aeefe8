//! What a controller is.

use std::sync::Arc;

pub use kube::runtime::controller::Action;

use super::context::Context;
use super::error::Error;
use super::object::Object;
use crate::domain::ids::ObjectKey;

/// A controller of one kind. It owns what it remembers between two reconciles. The shell calls it for one object at a
/// time, never twice at once for the same object.
pub trait Reconciler: Send + Sync + 'static {
    type Object: Object;

    /// Brings the world and the status to what the object says.
    ///
    /// # Errors
    /// Only where the Kubernetes API or the ledger fails, see [`Error`].
    fn reconcile(
        &self,
        object: Arc<Self::Object>,
        ctx: Arc<Context>,
    ) -> impl Future<Output = Result<Action, Error>> + Send;

    /// The object is gone from Kubernetes (not: is being deleted). Forgets what is kept about it; must not block.
    fn object_gone(&self, key: &ObjectKey, ctx: &Context);
}
