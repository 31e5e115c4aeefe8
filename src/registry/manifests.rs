//! Which account objects exist in Kubernetes, whether or not they have been read.

use crate::domain::ids::ObjectKey;

/// What the watches of Kubernetes have shown; the controllers implement it.
pub trait Manifests: Send + Sync {
    /// True if it is certain that no account object of an ad network has this key any more: its namespace has been
    /// listed, and the object is not in it.
    fn is_gone(&self, ad_account: &ObjectKey) -> bool;
}
