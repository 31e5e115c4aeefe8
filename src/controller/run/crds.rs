//! Waits until the three kinds are served. Exiting instead would only turn one clear line into a restart loop.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use kube::Resource;
use kube::api::ListParams;

use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::controller::apply::within;
use crate::controller::context::{Context, pause};
use crate::controller::{Error, Object};
use crate::domain::brief::brief;

/// Longest pause between two looks.
const LONGEST: Duration = Duration::from_secs(15);

/// Returns once all three kinds can be listed in every namespace watched.
pub(super) async fn wait(ctx: &Arc<Context>, namespaces: &[String]) {
    let mut tries = 0_u32;
    while let Err(obstacle) = look(ctx, namespaces).await {
        tries = tries.saturating_add(1);
        tracing::warn!(obstacle, "waiting for the Kubernetes API");
        tokio::time::sleep(pause(tries, LONGEST)).await;
    }
}

async fn look(ctx: &Arc<Context>, namespaces: &[String]) -> Result<(), String> {
    served::<AdConversionEvent>(ctx, namespaces).await?;
    served::<GoogleAdsAccount>(ctx, namespaces).await?;
    served::<HubSpotAccount>(ctx, namespaces).await
}

async fn served<K: Object>(ctx: &Arc<Context>, namespaces: &[String]) -> Result<(), String> {
    let scopes: Vec<Option<&str>> = match namespaces {
        [] => vec![None],
        names => names.iter().map(|n| Some(n.as_str())).collect(),
    };
    for scope in scopes {
        // Metadata suffices: an object that cannot be decoded is no reason to wait.
        let api = super::scoped::<kube::core::PartialObjectMeta<K>>(ctx.client.clone(), scope);
        let one = ListParams::default().limit(1);
        let call = api.list_metadata(&one);
        within("list", call)
            .await
            .map_err(|error| obstacle::<K>(&error, scope))?;
    }
    Ok(())
}

fn obstacle<K: Resource<DynamicType = ()>>(error: &Error, scope: Option<&str>) -> String {
    let plural = K::plural(&());
    let place = scope.map_or_else(|| "in all namespaces".to_owned(), |n| format!("in namespace {n}"));
    if let Error::Kube { source, .. } = error
        && let kube::Error::Api(status) = source.as_ref()
    {
        // By the code: the server answers in plain text, so that there is no reason.
        if status.code == StatusCode::NOT_FOUND {
            let group = K::group(&());
            return format!(
                "the CustomResourceDefinition {plural}.{group} is not installed (version {}): apply the manifests of \
                 `adconversion crds`, or install the Helm chart",
                K::version(&())
            );
        }
        if status.is_forbidden() {
            return format!("no permission to list {plural} {place}: check the operator's role and its binding");
        }
    }
    format!("{plural} cannot be listed {place}: {}", brief(error))
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
        let error = Error::kube("list", kube::Error::Api(status.boxed()));
        let said = obstacle::<HubSpotAccount>(&error, None);
        assert!(
            said.contains("hubspotaccounts.adconversion.dev is not installed"),
            "{said}"
        );
    }
}
