//! `adconversion suspend`, `resume` and `reconcile`: the one field or annotation by which people steer an object, with the
//! user's own rights.

pub(in crate::cli) mod kind;
mod verdict;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::response::reason::NOT_FOUND;
use serde_json::{Value, json};

use self::kind::{ObjectName, parse_object};
use self::verdict::{Awaited, describe_ready};
use super::cluster::{ConnectFlags, run_command};
use super::command_error::CommandError;
use super::exit_codes::FINDING;
use super::kube_words::{Giver, Request as Asked, Unanswered};
use crate::api::{Duration as Limit, GROUP, RECONCILE_REQUESTED_AT};

/// Between two looks at an object that is waited for.
const LOOK: Duration = Duration::from_millis(500);
/// Field manager of the change.
const MANAGER: &str = "adconversion-cli";

/// Flags of the three commands.
#[derive(Debug, Args)]
pub struct RequestFlags {
    /// The object: KIND NAME, or KIND/NAME. Kinds: adconversionevent (adce), googleadsaccount (gaa), hubspotaccount (hsa).
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    object: Vec<String>,
    #[command(flatten)]
    connect: ConnectFlags,
    /// Wait until the operator has done it, and say how the object is then.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    timeout: Limit,
}

/// What is asked of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Suspend,
    Resume,
    Reconcile,
}

/// Carries out the command.
///
/// # Errors
/// Where the object could not be changed, or read.
pub fn run(request: Request, flags: &RequestFlags) -> Result<ExitCode, CommandError> {
    let object = parse_object(&flags.object)?;
    run_command(send(request, flags, &object))
}

async fn send(request: Request, flags: &RequestFlags, object: &ObjectName) -> Result<ExitCode, CommandError> {
    let (client, namespace) = flags.connect.connect().await?;
    let kind = object.kind.resource();
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    let name = format!("{} {namespace}/{}", kind.kind, object.name);
    let before = get_object(&api, object, &name).await?;
    let asked_at = Timestamp::now().to_string();
    let (patch, awaited) = match request {
        Request::Suspend => (suspend_patch(true), Awaited::Spec),
        Request::Resume => (suspend_patch(false), Awaited::Spec),
        Request::Reconcile => (annotation_patch(&asked_at), Awaited::Request(asked_at)),
    };
    if is_so_already(request, &before) {
        println!("{name} is {} already.", state_word(request));
    } else {
        let parameters = PatchParams::apply(MANAGER);
        let changed = api.patch(&object.name, &parameters, &Patch::Merge(&patch)).await;
        changed.map_err(|error| to_words(&error, "patch", &format!("change {name}"), &api))?;
        println!("{name} {}.", done_word(request));
    }
    if !flags.wait {
        return Ok(ExitCode::SUCCESS);
    }
    wait_for(&api, object, &name, &awaited, flags.timeout.as_std()).await
}

/// Waits until the operator has come to it; a finding if it is not ready then.
async fn wait_for(
    api: &Api<DynamicObject>,
    object: &ObjectName,
    name: &str,
    awaited: &Awaited,
    limit: Duration,
) -> Result<ExitCode, CommandError> {
    let begun = Instant::now();
    loop {
        let current = get_object(api, object, name).await?;
        if let Some(verdict) = awaited.judge(&current) {
            let ready = if verdict.ready { "is ready" } else { "is not ready" };
            println!("{name} {ready}. {}", verdict.says);
            return Ok(ExitCode::from(if verdict.ready { 0 } else { FINDING }));
        }
        if begun.elapsed() >= limit {
            let says = describe_ready(&current).map_or_else(
                || "No operator has looked at it yet: does one run, and watch this namespace?".to_owned(),
                |says| format!("It says {says}"),
            );
            eprintln!("{name}: the operator was not done with it within {limit:?}. {says}");
            return Ok(ExitCode::from(FINDING));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn get_object(api: &Api<DynamicObject>, object: &ObjectName, name: &str) -> Result<DynamicObject, CommandError> {
    match api.get(&object.name).await {
        Ok(found) => Ok(found),
        // Without the definitions the server answers in plain text: a code and no reason.
        Err(kube::Error::Api(status)) if status.reason == NOT_FOUND => Err(format!("{name} is not there").into()),
        Err(error) => Err(to_words(&error, "get", &format!("read {name}"), api).into()),
    }
}

fn to_words(error: &kube::Error, verb: &str, doing: &str, api: &Api<DynamicObject>) -> Unanswered {
    let resource = api.resource_url();
    let plural = resource.rsplit('/').next().unwrap_or_default();
    let asked = Asked {
        verb,
        resource: &format!("{plural}.{GROUP}"),
        doing,
        namespace: api.namespace(),
        giver: Giver::Edit,
    };
    asked.explain(error)
}

fn suspend_patch(suspend: bool) -> Value {
    json!({"spec": {"suspend": suspend}})
}

fn annotation_patch(value: &str) -> Value {
    json!({"metadata": {"annotations": {RECONCILE_REQUESTED_AT: value}}})
}

fn is_so_already(request: Request, object: &DynamicObject) -> bool {
    let suspended = object.data["spec"]["suspend"].as_bool().unwrap_or_default();
    match request {
        Request::Suspend => suspended,
        Request::Resume => !suspended,
        Request::Reconcile => false,
    }
}

fn state_word(request: Request) -> &'static str {
    match request {
        Request::Suspend => "suspended",
        Request::Resume | Request::Reconcile => "not suspended",
    }
}

fn done_word(request: Request) -> &'static str {
    match request {
        Request::Suspend => "is suspended",
        Request::Resume => "is resumed",
        Request::Reconcile => "is asked to be reconciled",
    }
}
