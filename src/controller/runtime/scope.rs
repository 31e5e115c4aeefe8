//! Where objects are listed: in one namespace, or in all.

use kube::{Api, Client};

/// The API of a kind in one namespace, or in all.
pub(super) fn scoped_api<K>(client: Client, scope: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match scope {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}
