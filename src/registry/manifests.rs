//! What there is by the manifests, also of what nobody has read yet.

use crate::domain::ids::ObjectKey;

/// What the watches of Kubernetes have shown. The controllers know it.
pub trait Manifests: Send + Sync {
    /// True if there is certainly no account of an ad network of this key any more: its namespace has been listed, and
    /// it is not there.
    fn is_gone(&self, ad_account: &ObjectKey) -> bool;
}
