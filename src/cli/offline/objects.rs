//! Objects of the cluster, read with the rights of the user's kubeconfig.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::controller::shared::error::describe_kube;
use crate::domain::brief::brief;
use crate::domain::ids::ObjectKey;

/// Something could not be found out: why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct NotDone(pub(in crate::cli) String);

/// Why the cluster gave no object.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) why: NotDone,
    /// It gave no answer at all: the next question waits as long for nothing.
    pub(super) unreached: bool,
}

/// What the API server says of a manifest that it is only asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Verified {
    /// It would take it.
    Taken,
    /// It would refuse it: why.
    Refused(String),
    /// It could not be asked: why.
    Unasked(String),
}

/// Field manager of a dry run; it leaves no trace.
const MANAGER: &str = "adconversion-cli";

/// Has the API server judge a manifest: schema, rules, and what may be changed. Nothing is written.
pub(super) async fn dry_run<K>(client: &Client, object: &K) -> Verified
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    let meta = object.meta();
    let (namespace, name) = (
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    );
    let Ok(mut manifest) = serde_json::to_value(object) else {
        return Verified::Unasked("It can't be written as JSON.".to_owned());
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
    match api.patch(&name, &params, &Patch::Apply(manifest)).await {
        Ok(_) => Verified::Taken,
        Err(kube::Error::Api(status)) if matches!(status.code, 400 | 422) => Verified::Refused(status.message.clone()),
        Err(kube::Error::Api(status)) if status.code == 403 => Verified::Unasked(format!(
            "Your user may not patch {} in namespace {namespace}, so that the API server was not asked whether it takes the \
             manifest.",
            K::plural(&())
        )),
        Err(error) => Verified::Unasked(format!(
            "The API server was not asked whether it takes the manifest: {}.",
            brief(describe_kube(&error))
        )),
    }
}

/// Reads one object; `None` if there is none.
pub(super) async fn get<K>(client: &Client, key: &ObjectKey) -> Result<Option<K>, Unanswered>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    let what = format!("{} {key}", K::kind(&()));
    match api.get_opt(&key.name).await {
        Ok(found) => Ok(found),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(explain::<K>(&error, "get", &what, &key.namespace)),
    }
}

/// Reads a Secret; its content is quoted nowhere.
pub(super) async fn get_secret(client: &Client, key: &ObjectKey) -> Result<Option<Secret>, Unanswered> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
    match api.get_opt(&key.name).await {
        Ok(found) => Ok(found),
        // The words of a decoding error could quote the Secret.
        Err(kube::Error::SerdeError(_)) => Err(Unanswered {
            why: NotDone(format!("Secret {key} cannot be decoded. Create it again.")),
            unreached: false,
        }),
        Err(error) => Err(explain::<Secret>(
            &error,
            "get",
            &format!("Secret {key}"),
            &key.namespace,
        )),
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
            let what = format!("the {} of namespace {namespace}", K::plural(&()));
            explain::<K>(&error, "list", &what, namespace)
        })?;
        found.extend(list.items);
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(found),
        }
    }
}

/// Why something could not be read: names the right that is missing.
fn explain<K: Resource<DynamicType = ()>>(error: &kube::Error, verb: &str, what: &str, namespace: &str) -> Unanswered {
    let resource = match K::group(&()) {
        group if group.is_empty() => K::plural(&()).into_owned(),
        group => format!("{}.{group}", K::plural(&())),
    };
    let why = NotDone(match error {
        kube::Error::Api(status) if status.code == 403 => format!(
            "You may not read {what}: your user lacks the right to {verb} {resource} in namespace {namespace}. Have the verb \
             {verb} for it granted by a Role and RoleBinding there, or give the manifest as a file with -f."
        ),
        kube::Error::Api(status) if status.code == 401 => {
            format!(
                "{what} can't be read: the cluster does not accept the credentials of your kubeconfig. Log in again."
            )
        }
        kube::Error::Api(status) if status.code == 404 => format!(
            "{what} can't be read: the cluster does not know this kind. Apply the definitions (adconversion crds | kubectl apply \
             --server-side -f -), or give manifests as files with -f."
        ),
        error => format!(
            "{what} can't be read, because the cluster gives no usable answer: {}. Check --context and --kubeconfig, or give \
             all manifests as files with -f.",
            brief(describe_kube(error))
        ),
    });
    let unreached = !matches!(error, kube::Error::Api(_) | kube::Error::SerdeError(_));
    Unanswered { why, unreached }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::api::GoogleAdsAccount;

    fn answered(code: u16) -> kube::Error {
        let status = kube::core::Status {
            code,
            ..kube::core::Status::default()
        };
        kube::Error::Api(Box::new(status))
    }

    #[rstest]
    #[case::right(403, &["lacks the right to get googleadsaccounts.adconversion.dev in namespace marketing", "-f"])]
    #[case::login(401, &["Log in again"])]
    #[case::definitions(404, &["adconversion crds"])]
    #[case::server(500, &["no usable answer", "--context"])]
    fn the_missing_right_is_named(#[case] code: u16, #[case] parts: &[&str]) {
        let said = explain::<GoogleAdsAccount>(&answered(code), "get", "GoogleAdsAccount marketing/acme", "marketing")
            .why
            .0;
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        let said = explain::<Secret>(&answered(403), "get", "Secret marketing/hubspot", "marketing")
            .why
            .0;
        assert!(said.contains("get secrets in namespace marketing"), "{said}");
    }
}
