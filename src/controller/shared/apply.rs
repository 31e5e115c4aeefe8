//! Writes to our own objects: status and finalizer. Every call has a deadline; every write is remembered by the
//! [`super::barrier`].

use std::future::Future;
use std::time::Duration;

use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::context::Context;
use super::error::Error;
use super::lean::Lean;
use super::log;
use super::object::Object;
use crate::api::FINALIZER;
use crate::domain::brief::{brief, writable};

/// Field manager of statuses.
pub const STATUS_MANAGER: &str = "adconversion-status";
/// Field manager of metadata.
pub const MANAGER: &str = "adconversion-operator";
const SET_FINALIZERS: &str = "write finalizers";
/// Longest wait for one answer of the Kubernetes API.
pub const CALL_LIMIT: Duration = Duration::from_secs(15);
/// Times of a status that are brought up to date by themselves, when they are this old.
const STALE_TIME: Duration = Duration::from_mins(5);
/// Members that say *when* and not *what*: a status is not written because of them alone.
const TIMES: [&str; 7] = [
    "lastCheckTime",
    "lastPollTime",
    "lastTransitionTime",
    "lastUploadTime",
    "lastUpdateTime",
    "lastTime",
    "time",
];

/// Members of [`TIMES`] that people watch: written also alone, once they are five minutes old.
const WATCHED: [&str; 2] = ["lastCheckTime", "lastPollTime"];

/// Calls to the Kubernetes API at once: it has its own limits, and reconciles of all namespaces share it.
static CALLS: Semaphore = Semaphore::const_new(32);

/// Waits for one call to the Kubernetes API, at most [`CALL_LIMIT`] once its turn has come.
///
/// # Errors
/// What the call says, or [`Error::NoAnswer`].
pub async fn within_limit<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    // There is no permit only of a closed semaphore, and this one is never closed.
    let _turn = CALLS.acquire().await.ok();
    match tokio::time::timeout(CALL_LIMIT, call).await {
        Ok(result) => result.map_err(|source| Error::from_kube(what, source)),
        Err(_) => Err(Error::NoAnswer { what }),
    }
}

/// Writes the status by server-side apply, only if it differs from that of `object` in more than times. Returns the
/// object as it is then, `None` if nothing had to be written.
///
/// Only onto the version that was read: the status of a custom resource is written whatever uid comes with it, so the
/// version alone keeps what was decided about one object from another one of its name.
///
/// # Errors
/// If the Kubernetes API fails; [`Error::Conflict`] if the object has changed since it was read, or was replaced.
pub async fn apply_status<K: Object>(ctx: &Context, object: &K, status: &K::Status) -> Result<Option<K>, Error> {
    let wanted = all_writable(serde_json::to_value(status)?);
    let current = match object.status() {
        Some(status) => serde_json::to_value(status)?,
        None => Value::Null,
    };
    if !status_differs(&current, &wanted) {
        return Ok(None);
    }
    let metadata = json!({"name": object.name_any(), "uid": object.id(), "resourceVersion": object.resource_version()});
    let body = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": metadata,
        "status": &wanted,
    });
    let parameters = PatchParams::apply(STATUS_MANAGER).force();
    let key = object.key();
    let api: Api<Lean<K>> = Api::namespaced(ctx.client.clone(), &key.namespace);
    let what = "write status";
    let patch = Patch::Apply(&body);
    let written = readable(
        what,
        within_limit(what, api.patch_status(&key.name, &parameters, &patch)).await?,
    )?;
    ctx.barrier.record_write(&written);
    log::log_conditions(object, &current, &wanted);
    Ok(Some(written))
}

pub fn readable<K>(what: &'static str, Lean(answer): Lean<K>) -> Result<K, Error> {
    answer.map_err(|invalid| Error::Unreadable {
        what,
        why: brief(&invalid),
    })
}

/// True if two statuses differ in more than times, or a time people watch has become old.
fn status_differs(current: &Value, wanted: &Value) -> bool {
    without_times(current) != without_times(wanted) || WATCHED.iter().any(|name| time_aged(current, wanted, name))
}

/// What server-side apply takes: one character of a name that it does not take would keep a status from being written.
fn all_writable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(writable(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(all_writable).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members
                .map(|(name, value)| (writable(&name).into_owned(), all_writable(value)))
                .collect()
        }
        other => other,
    }
}

fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, value)| !(TIMES.contains(&name.as_str()) && value.is_string()))
            .map(|(name, value)| (name.clone(), without_times(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_times).collect(),
        other => other.clone(),
    }
}

fn time_aged(current: &Value, wanted: &Value, name: &str) -> bool {
    let time = |status: &Value| status.get(name)?.as_str()?.parse::<jiff::Timestamp>().ok();
    match (time(current), time(wanted)) {
        (Some(old), Some(new)) => new.duration_since(old).unsigned_abs() >= STALE_TIME,
        (None, Some(_)) => true,
        _ => false,
    }
}

/// Adds our finalizer, unless it is there. Nothing may be created outside Kubernetes before it is. Returns the object
/// with the finalizer, `None` if it had it already.
///
/// # Errors
/// If the Kubernetes API fails; [`Error::Conflict`] if the object changed since it was read.
pub async fn add_finalizer<K: Object>(ctx: &Context, object: &K) -> Result<Option<K>, Error> {
    if has_finalizer(object.meta()) {
        return Ok(None);
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    let what = SET_FINALIZERS;
    readable(what, set_finalizers::<K>(ctx, object.meta(), &finalizers).await?).map(Some)
}

/// Removes our finalizer, if it is there. An object that is gone already is no error.
///
/// # Errors
/// As [`add_finalizer`].
pub async fn remove_finalizer<K: Object>(ctx: &Context, object: &K) -> Result<(), Error> {
    take_finalizer::<K>(ctx, object.meta()).await
}

/// As [`remove_finalizer`], from an object of which nothing else can be read.
///
/// # Errors
/// As [`add_finalizer`].
pub async fn take_finalizer<K: Object>(ctx: &Context, metadata: &ObjectMeta) -> Result<(), Error> {
    if !has_finalizer(metadata) {
        return Ok(());
    }
    let finalizers = metadata.finalizers.iter().flatten();
    let others: Vec<_> = finalizers.filter(|f| *f != FINALIZER).cloned().collect();
    match set_finalizers::<K>(ctx, metadata, &others).await {
        Err(Error::Kube { source, .. }) if is_not_found(&source) => Ok(()),
        other => other.map(drop),
    }
}

/// True if the object has our finalizer.
pub fn has_finalizer(metadata: &ObjectMeta) -> bool {
    metadata.finalizers.iter().flatten().any(|f| f == FINALIZER)
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_not_found())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FinalizerPatch<'a> {
    uid: &'a str,
    resource_version: Option<&'a str>,
    finalizers: &'a [String],
}

async fn set_finalizers<K: Object>(ctx: &Context, of: &ObjectMeta, finalizers: &[String]) -> Result<Lean<K>, Error> {
    // The version makes it a compare-and-swap: somebody else's finalizer is never lost.
    let metadata = FinalizerPatch {
        uid: of.uid.as_deref().unwrap_or_default(),
        resource_version: of.resource_version.as_deref(),
        finalizers,
    };
    let patch = Patch::Merge(json!({"metadata": metadata}));
    let namespace = of.namespace.as_deref().unwrap_or_default();
    let api: Api<Lean<K>> = Api::namespaced(ctx.client.clone(), namespace);
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = of.name.as_deref().unwrap_or_default();
    let written = within_limit(SET_FINALIZERS, api.patch(name, &parameters, &patch)).await?;
    if let Lean(Ok(object)) = &written {
        ctx.barrier.record_write(object);
    }
    Ok(written)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::same(json!({"usedBy": 1}), json!({"usedBy": 1}), false)]
    #[case::first(Value::Null, json!({"usedBy": 1}), true)]
    #[case::count(json!({"usedBy": 1}), json!({"usedBy": 2}), true)]
    #[case::member_gone(json!({"usedBy": 1, "portalId": 5}), json!({"usedBy": 1}), true)]
    #[case::upload_time_alone(
        json!({"sync": {"uploaded": 1, "lastUploadTime": "2026-11-23T10:00:00Z"}}),
        json!({"sync": {"uploaded": 1, "lastUploadTime": "2026-11-23T11:00:00Z"}}),
        false
    )]
    #[case::nested_times_alone(
        json!({"sync": {"lastErrors": [{"time": "2026-11-23T10:00:00Z", "reason": "X"}]}}),
        json!({"sync": {"lastErrors": [{"time": "2026-11-23T10:00:09Z", "reason": "X"}]}}),
        false
    )]
    #[case::start_is_no_clock(
        json!({"sync": {"startTime": "2026-11-23T10:00:00Z"}}),
        json!({"sync": {"startTime": "2026-11-22T10:00:00Z"}}),
        true
    )]
    #[case::check_time_fresh(
        json!({"lastCheckTime": "2026-11-23T10:00:00Z"}),
        json!({"lastCheckTime": "2026-11-23T10:04:59Z"}),
        false
    )]
    #[case::check_time_old(
        json!({"lastCheckTime": "2026-11-23T10:00:00Z"}),
        json!({"lastCheckTime": "2026-11-23T10:05:00Z"}),
        true
    )]
    #[case::check_time_first(json!({"usedBy": 1}), json!({"usedBy": 1, "lastCheckTime": "2026-11-23T10:05:00Z"}), true)]
    fn a_status_is_written_for_more_than_times(#[case] current: Value, #[case] wanted: Value, #[case] write: bool) {
        assert_eq!(status_differs(&current, &wanted), write);
    }
}
