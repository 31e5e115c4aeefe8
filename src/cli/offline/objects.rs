//! Objects of the cluster, read with the rights of the user's kubeconfig.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cli::kube_words::{ClusterRequest, RightGiver, Unanswered, UnansweredKind, resource_of};
use crate::domain::ids::ObjectKey;

/// Something could not be determined: why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct NotDone(pub(in crate::cli) String);

/// What the API server says of a manifest that it is only asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Verified {
    /// It would take it.
    Taken {
        /// Something that is declared would be another one than it is now.
        changes: bool,
    },
    /// It would refuse it: why.
    Refused(String),
    /// It need not be asked: why.
    Unasked(String),
    /// It could not be asked.
    Unknown(NotDone),
}

/// What nobody has judged where no API server was asked.
pub(in crate::cli) const UNJUDGED: &str = "No API server was asked, so types, unknown fields, enums and bounds are judged, but none of \
                                           the definition's rules: one trigger, consent for a form, amounts, currencies, names of \
                                           properties, forbidden changes. `kubectl apply --dry-run=server --server-side -f FILE` \
                                           judges them.";

/// Field manager of a dry run; it leaves no trace.
const MANAGER: &str = "adconversion-cli";

/// Has the API server judge a manifest: schema, rules, and what may be changed. Nothing is written.
///
/// # Errors
/// If it could not be asked.
pub(super) async fn dry_run<K>(client: &Client, object: &K) -> Result<Verified, Unanswered>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    let meta = object.meta();
    let (namespace, name) = (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    );
    let Ok(mut manifest) = serde_json::to_value(object) else {
        return Ok(Verified::Unasked("It can't be written as JSON.".to_owned()));
    };
    // What the cluster keeps by itself is not declared.
    manifest["metadata"] = json!({"name": name, "namespace": namespace});
    if let Some(fields) = manifest.as_object_mut() {
        fields.remove("status");
    }
    let api: Api<K> = Api::namespaced(client.clone(), &namespace);
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::apply(MANAGER).force()
    };
    let doing = format!(
        "have the API server judge {} {namespace}/{name} without writing it",
        K::kind(&())
    );
    match api.patch(&name, &params, &Patch::Apply(manifest)).await {
        Ok(taken) => Ok(Verified::Taken {
            changes: taken.meta().generation != meta.generation,
        }),
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => {
            Ok(Verified::Refused(status.message.clone()))
        }
        Err(error) => {
            // Applying an object that is not there asks for this right too.
            let verb = match &error {
                kube::Error::Api(status) if status.message.contains("cannot create resource") => "create",
                _ => "patch",
            };
            Err(explain::<K>(&error, verb, &doing, &namespace, RightGiver::CheckFiles))
        }
    }
}

/// Reads one object; `None` if there is none. `giver`: who gives the right to.
pub(super) async fn get<K>(client: &Client, key: &ObjectKey, giver: RightGiver) -> Result<Option<K>, Unanswered>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    match api.get_opt(&key.name).await {
        Ok(found) => Ok(found),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => {
            let doing = format!("read {} {key}", K::kind(&()));
            Err(explain::<K>(&error, "get", &doing, &key.namespace, giver))
        }
    }
}

/// Reads a Secret; its content is quoted nowhere.
pub(super) async fn get_secret(client: &Client, key: &ObjectKey) -> Result<Option<Secret>, Unanswered> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
    match api.get_opt(&key.name).await {
        Ok(found) => Ok(found),
        // The words of a decoding error could quote the Secret.
        Err(kube::Error::SerdeError(_)) => Err(Unanswered::new(
            format!("Secret {key} cannot be decoded. Create it again."),
            UnansweredKind::Failed,
        )),
        Err(error) => {
            let doing = format!("read Secret {key}");
            let giver = RightGiver::CheckSecret;
            Err(explain::<Secret>(&error, "get", &doing, &key.namespace, giver))
        }
    }
}

/// Reads all objects of a namespace.
pub(super) async fn list<K>(client: &Client, namespace: &str) -> Result<Vec<K>, Unanswered>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(500);
    loop {
        let list = api.list(&page).await.map_err(|error| {
            let doing = format!("list the {} of namespace {namespace}", K::plural(&()));
            explain::<K>(&error, "list", &doing, namespace, RightGiver::Check)
        })?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(found),
        }
    }
}

fn explain<K: Resource<DynamicType = ()>>(
    error: &kube::Error,
    verb: &str,
    doing: &str,
    namespace: &str,
    giver: RightGiver,
) -> Unanswered {
    let request = ClusterRequest {
        verb,
        resource: &resource_of::<K>(),
        doing,
        namespace: Some(namespace),
        giver,
    };
    request.explain(error)
}
