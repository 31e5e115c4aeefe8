//! A picture of the cluster in memory that takes the place of its API server: the controllers read it and write into
//! it, and nothing of that reaches anybody.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::http::{Method, Request, Response, StatusCode};
use k8s_openapi::NamespaceResourceScope;
use kube::client::Body;
use kube::{Client, Resource, ResourceExt};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::service_fn;

use crate::cli::command_error::CommandError;

/// End of the path of a status.
const STATUS_PATH: &str = "/status";

/// Objects by the paths that the API server has them under.
#[derive(Default)]
struct StoredObjects {
    objects: BTreeMap<String, Value>,
    version: u64,
}

/// The picture. Cheap to clone. No `Debug`: Secrets are among it.
#[derive(Clone, Default)]
pub(super) struct StandIn(Arc<Mutex<StoredObjects>>);

impl StandIn {
    /// Lays an object into the picture, as the API server would have it: with a uid and a version.
    ///
    /// # Errors
    /// If it is no JSON object.
    pub(super) fn put<K>(&self, object: &K) -> Result<(), CommandError>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let path = path_of::<K>(&object.namespace().unwrap_or_default(), &object.name_any());
        let mut value = serde_json::to_value(object)?;
        let mut state = self.0.lock();
        state.version += 1;
        let metadata = &mut value["metadata"];
        metadata["resourceVersion"] = json!(state.version.to_string());
        if metadata["uid"].as_str().is_none_or(str::is_empty) {
            metadata["uid"] = json!(format!("planned-{}", state.version));
        }
        state.objects.insert(path, value);
        Ok(())
    }

    /// All objects of a kind.
    ///
    /// # Errors
    /// If one cannot be read as such.
    pub(super) fn all<K>(&self) -> Result<Vec<K>, CommandError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned,
    {
        let state = self.0.lock();
        let kind = K::kind(&());
        let of_kind = state.objects.values().filter(|object| object["kind"] == *kind);
        of_kind
            .map(|object| Ok(serde_json::from_value(object.clone())?))
            .collect()
    }

    /// Moves on with every write.
    pub(super) fn version(&self) -> u64 {
        self.0.lock().version
    }

    /// A client for which this is the API server.
    pub(super) fn client(&self) -> Client {
        let state = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let state = state.clone();
            async move { Ok::<_, Infallible>(state.answer(request).await) }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let Ok(body) = body.collect_bytes().await else {
            return refusal(StatusCode::BAD_REQUEST);
        };
        let path = head.uri.path();
        let written = serde_json::from_slice::<Value>(&body);
        match (head.method, written) {
            (Method::GET, _) => match self.0.lock().objects.get(path) {
                Some(object) => as_json(StatusCode::OK, object),
                None => refusal(StatusCode::NOT_FOUND),
            },
            (Method::PATCH, Ok(patch)) => as_json(StatusCode::OK, &self.patch(path, patch)),
            // Kubernetes Events and the like: nobody reads them here.
            (Method::POST, Ok(object)) => as_json(StatusCode::CREATED, &object),
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// Takes a patch over: of a status the whole status, else member by member. Returns the object as it is then.
    fn patch(&self, path: &str, patch: Value) -> Value {
        let mut state = self.0.lock();
        let (path, of_status) = match path.strip_suffix(STATUS_PATH) {
            Some(path) => (path, true),
            None => (path, false),
        };
        let mut object = state.objects.get(path).cloned().unwrap_or_else(|| json!({}));
        let uid = object["metadata"]["uid"].clone();
        if of_status {
            object["status"] = patch["status"].clone();
        } else {
            merge(&mut object, patch);
        }
        state.version += 1;
        object["metadata"]["resourceVersion"] = json!(state.version.to_string());
        if !uid.is_null() {
            object["metadata"]["uid"] = uid;
        }
        state.objects.insert(path.to_owned(), object.clone());
        object
    }
}

/// A merge patch (RFC 7386).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in members {
        if value.is_null() {
            target.as_object_mut().and_then(|target| target.remove(&name));
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn path_of<K: Resource<DynamicType = ()>>(namespace: &str, name: &str) -> String {
    format!("{}/{name}", K::url_path(&(), Some(namespace)))
}

fn as_json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string().into_bytes()));
    *response.status_mut() = status;
    response
}

/// An answer as the API server gives it where it does not do something.
fn refusal(status: StatusCode) -> Response<Body> {
    let reason = if status == StatusCode::NOT_FOUND {
        "NotFound"
    } else {
        ""
    };
    let body =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status.as_u16(), "reason": reason});
    as_json(status, &body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::core::v1::{ConfigMap, Secret};
    use kube::Api;
    use kube::api::{DeleteParams, Patch, PatchParams, PostParams};

    use super::*;
    use crate::api::AdConversionEvent;

    fn event() -> AdConversionEvent {
        serde_json::from_value(json!({
            "apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": "won", "namespace": "marketing"},
            "spec": {"googleAdsAccountRef": {"name": "acme"}, "hubSpotAccountRef": {"name": "acme"},
                     "trigger": {"lifecycleStage": {"stage": "customer"}}},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_has_a_newer_version() {
        let picture = StandIn::default();
        picture.put(&event()).unwrap();
        let api: Api<AdConversionEvent> = Api::namespaced(picture.client(), "marketing");
        let before = api.get("won").await.unwrap();
        assert!(before.uid().is_some_and(|uid| !uid.is_empty()));
        let patch = json!({"metadata": {"uid": before.uid(), "finalizers": ["x/y"]}});
        let written = api
            .patch("won", &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
        assert_eq!(
            (written.uid(), written.finalizers()),
            (before.uid(), &["x/y".to_owned()][..])
        );
        assert_ne!(written.resource_version(), before.resource_version());
        let status = json!({"apiVersion": "adconversion.dev/v1alpha1", "kind": "AdConversionEvent",
            "metadata": {"name": "won"}, "status": {"observedGeneration": 3}});
        let parameters = PatchParams::apply("x").force();
        api.patch_status("won", &parameters, &Patch::Apply(status))
            .await
            .unwrap();
        let [shown] = &picture.all::<AdConversionEvent>().unwrap()[..] else {
            panic!("one event")
        };
        assert_eq!(shown.status.as_ref().unwrap().observed_generation, Some(3));
        assert_eq!(shown.finalizers(), ["x/y"]);
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found_and_nothing_is_deleted() {
        let picture = StandIn::default();
        let secrets: Api<Secret> = Api::namespaced(picture.client(), "marketing");
        assert!(secrets.get_opt("hubspot").await.unwrap().is_none());
        assert!(secrets.delete("hubspot", &DeleteParams::default()).await.is_err());
        let maps: Api<ConfigMap> = Api::namespaced(picture.client(), "marketing");
        let made = maps.create(&PostParams::default(), &ConfigMap::default()).await;
        assert!(made.is_ok());
    }
}
