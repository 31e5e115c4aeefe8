//! Waits until the three kinds are served. Exiting instead would only turn one clear line into a restart loop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use kube::api::ListParams;
use kube::{Client, Resource};

use super::scope::scoped_api;
use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::controller::shared::apply::within_limit;
use crate::controller::shared::context::failure_pause;
use crate::controller::shared::error::Error;
use crate::controller::shared::object::Object;
use crate::domain::brief::brief;

/// Longest pause between two looks.
const LONGEST: Duration = Duration::from_secs(15);

/// How long a namespace must refuse to be listed to be believed: an API
/// server that has just started refuses for a moment what it will allow.
const REFUSED: Duration = Duration::from_secs(15);

/// Namespaces that cannot be listed, and why not.
pub(crate) type Unserved = BTreeMap<String, String>;

/// Why objects of one namespace, or of all, cannot be listed.
struct ListFailure {
    /// It is a matter of rights in this namespace: the namespace may be gone, and its role binding with it.
    refused: bool,
    why: String,
}

/// Returns once all three kinds can be listed in every namespace watched, or in some of them while the others lastingly
/// refuse: one namespace that is gone must not keep the others from being served.
pub(crate) async fn wait_until_served(client: &Client, namespaces: &[String]) -> Unserved {
    let mut tries = 0_u32;
    let mut since = None;
    loop {
        let obstacle = match check_namespaces(client, namespaces).await {
            Ok(unserved) if unserved.is_empty() => return unserved,
            Ok(unserved) if since.get_or_insert_with(Instant::now).elapsed() >= REFUSED => return unserved,
            Ok(unserved) => unserved.into_values().next().unwrap_or_default(),
            Err(obstacle) => {
                since = None;
                obstacle
            }
        };
        tries = tries.saturating_add(1);
        tracing::warn!(obstacle, "waiting for the Kubernetes API");
        let longest = if since.is_some() { REFUSED / 5 } else { LONGEST };
        tokio::time::sleep(failure_pause(tries, longest)).await;
    }
}

/// The namespaces that refuse; an error where nothing can be served.
async fn check_namespaces(client: &Client, namespaces: &[String]) -> Result<Unserved, String> {
    if namespaces.is_empty() {
        return check_scope(client, None)
            .await
            .map(|()| Unserved::new())
            .map_err(|o| o.why);
    }
    let mut unserved = Unserved::new();
    for namespace in namespaces {
        match check_scope(client, Some(namespace)).await {
            Ok(()) => {}
            Err(ListFailure { refused: true, why }) => {
                unserved.insert(namespace.clone(), why);
            }
            Err(ListFailure { refused: false, why }) => return Err(why),
        }
    }
    let all = namespaces.iter().all(|name| unserved.contains_key(name));
    match unserved.values().next() {
        Some(why) if all => Err(why.clone()),
        _ => Ok(unserved),
    }
}

async fn check_scope(client: &Client, scope: Option<&str>) -> Result<(), ListFailure> {
    check_kind::<AdConversionEvent>(client, scope).await?;
    check_kind::<GoogleAdsAccount>(client, scope).await?;
    check_kind::<HubSpotAccount>(client, scope).await
}

async fn check_kind<K: Object>(client: &Client, scope: Option<&str>) -> Result<(), ListFailure> {
    // Metadata suffices: an object that cannot be decoded is no reason to wait.
    let api = scoped_api::<kube::core::PartialObjectMeta<K>>(client.clone(), scope);
    let one = ListParams::default().limit(1);
    let call = api.list_metadata(&one);
    let listed = within_limit("list", call).await;
    listed.map(drop).map_err(|error| to_list_failure::<K>(&error, scope))
}

fn to_list_failure<K: Resource<DynamicType = ()>>(error: &Error, scope: Option<&str>) -> ListFailure {
    let plural = K::plural(&());
    let place = scope.map_or_else(|| "in all namespaces".to_owned(), |n| format!("in namespace {n}"));
    let other = |why: String| ListFailure { refused: false, why };
    if let Error::Kube { source, .. } = error
        && let kube::Error::Api(status) = source.as_ref()
    {
        // By the code: the server answers in plain text, so that there is no reason.
        if status.code == StatusCode::NOT_FOUND {
            let group = K::group(&());
            return other(format!(
                "the CustomResourceDefinition {plural}.{group} is not installed (version {}): apply the manifests of \
                 `adconversion crds`, or install the Helm chart",
                K::version(&())
            ));
        }
        if status.is_forbidden() {
            return ListFailure {
                refused: true,
                why: format!(
                    "no permission to list {plural} {place}: check that the namespace exists, and the operator's role and its \
                     binding"
                ),
            };
        }
    }
    other(format!("{plural} cannot be listed {place}: {}", brief(error)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_definition_that_is_not_installed_is_named() {
        // What the client makes of the server's plain text.
        let status = Status::failure("404 page not found", "Failed to parse error data").with_code(404);
        let error = Error::from_kube("list", kube::Error::Api(status.boxed()));
        let ListFailure { refused, why } = to_list_failure::<HubSpotAccount>(&error, None);
        assert!(
            !refused && why.contains("hubspotaccounts.adconversion.dev is not installed"),
            "{why}"
        );
    }
}
