//! `adconversion suspend`, `resume` and `reconcile`: the one field or
//! annotation by which people steer an object, with the user's own rights.

pub(in crate::cli) mod kind;
mod object_format;
mod verdict;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::response::reason::NOT_FOUND;
use serde_json::{Value, json};

use self::kind::{ObjectName, parse_object};
use self::object_format::ObjectFormat;
use self::verdict::{Awaited, ObjectVerdict, describe_ready};
use super::cluster::{ConnectFlags, run_command};
use super::command_error::CommandError;
use super::exit_codes::FINDING;
use super::kube_words::{ClusterRequest, RightGiver, Unanswered};
use super::progress::Progress;
use crate::api::{Duration as Limit, GROUP, RECONCILE_REQUESTED_AT};

/// Between two looks at an object that is waited for.
const LOOK: Duration = Duration::from_millis(500);
/// Field manager of the change.
const MANAGER: &str = "adconversion-cli";

/// Flags of the three commands.
#[derive(Debug, Args)]
pub struct RequestFlags {
    /// The object: KIND NAME, or KIND/NAME. Kinds: adconversionevent
    /// (adce), googleadsaccount (gaa), hubspotaccount (hsa).
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    object: Vec<String>,
    #[command(flatten)]
    connect: ConnectFlags,
    /// Wait until the operator has done it, then print whether the object is ready.
    #[arg(long)]
    wait: bool,
    /// How long to wait.
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    timeout: Limit,
    /// Print the object instead of a message, as kubectl does: its
    /// `name`, or all of it. With --wait: as it is at the end.
    #[arg(long, short, value_enum, value_name = "FORM")]
    output: Option<ObjectFormat>,
}

/// What is asked of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectRequest {
    Suspend,
    Resume,
    Reconcile,
}

/// Carries out the command.
///
/// # Errors
/// Where the object could not be changed, or read.
pub fn run(request: ObjectRequest, flags: &RequestFlags) -> Result<ExitCode, CommandError> {
    let object = parse_object(&flags.object)?;
    run_command(send(request, flags, &object))
}

async fn send(request: ObjectRequest, flags: &RequestFlags, object: &ObjectName) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Asking the API server");
    let (client, namespace) = flags.connect.connect().await?;
    let kind = object.kind.resource();
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    let name = format!("{} {namespace}/{}", kind.kind, object.name);
    let before = get_object(&api, object, &name).await?;
    let asked_at = Timestamp::now().to_string();
    let (patch, awaited) = match request {
        ObjectRequest::Suspend => (suspend_patch(true), Awaited::Spec),
        ObjectRequest::Resume => (suspend_patch(false), Awaited::Spec),
        ObjectRequest::Reconcile => (annotation_patch(&asked_at), Awaited::Request(asked_at)),
    };
    let (changed, says) = if is_so_already(request, &before) {
        (before, already_words(request, &name))
    } else {
        let parameters = PatchParams::apply(MANAGER);
        let changed = api.patch(&object.name, &parameters, &Patch::Merge(&patch)).await;
        let changed = changed.map_err(|error| to_words(&error, "patch", &format!("change {name}"), &api))?;
        (changed, done_words(request, &name))
    };
    drop(progress);
    if flags.output.is_none() {
        println!("{says}");
    }
    let (last, code) = if flags.wait {
        let (last, verdict) = wait_for(&api, object, &name, &awaited, flags.timeout.as_std()).await?;
        let code = say_verdict(
            &name,
            verdict.ok_or_else(|| not_done_in_time(&last, flags)),
            flags.output.is_some(),
        );
        (last, code)
    } else {
        (changed, ExitCode::SUCCESS)
    };
    if let Some(format) = flags.output {
        io::stdout().write_all(format.to_text(&kind, last)?.as_bytes())?;
    }
    Ok(code)
}

/// Waits until the operator has handled it. Returns the object as it was then, or as it was last.
async fn wait_for(
    api: &Api<DynamicObject>,
    object: &ObjectName,
    name: &str,
    awaited: &Awaited,
    limit: Duration,
) -> Result<(DynamicObject, Option<ObjectVerdict>), CommandError> {
    let progress = Progress::begin("Waiting for the operator");
    let begun = Instant::now();
    loop {
        let current = get_object(api, object, name).await?;
        let verdict = awaited.judge(&current);
        if verdict.is_some() || begun.elapsed() >= limit {
            return Ok((current, verdict));
        }
        let says = describe_ready(&current).map(|says| format!(". {name} says {says}"));
        progress.say(format!("Waiting for the operator{}", says.unwrap_or_default()));
        tokio::time::sleep(LOOK).await;
    }
}

/// Says how the object is, once it was waited for; a finding if it is not ready, or the operator was not done with it.
/// `aside`: standard output is for the object.
fn say_verdict(name: &str, verdict: Result<ObjectVerdict, String>, aside: bool) -> ExitCode {
    match verdict {
        Ok(ObjectVerdict { ready: true, .. }) if aside => ExitCode::SUCCESS,
        Ok(ObjectVerdict { ready: true, says }) => {
            println!("{name} is ready. {says}");
            ExitCode::SUCCESS
        }
        Ok(ObjectVerdict { ready: false, says }) => {
            let said = format!("{name} is not ready. {says}");
            if aside {
                eprintln!("{said}");
            } else {
                println!("{said}");
            }
            ExitCode::from(FINDING)
        }
        Err(why) => {
            eprintln!("{name}: {why}");
            ExitCode::from(FINDING)
        }
    }
}

fn not_done_in_time(last: &DynamicObject, flags: &RequestFlags) -> String {
    let says = describe_ready(last).map_or_else(
        || "No operator has looked at it yet. Check that one runs and watches this namespace.".to_owned(),
        |says| {
            let says = says.trim_end_matches('.');
            format!("It says {says}. If that does not change, check that an operator runs and watches this namespace.")
        },
    );
    format!("the operator was not done with it within {}. {says}", flags.timeout)
}

async fn get_object(api: &Api<DynamicObject>, object: &ObjectName, name: &str) -> Result<DynamicObject, CommandError> {
    match api.get(&object.name).await {
        Ok(found) => Ok(found),
        // Without the definitions the server answers in plain text: a code and no reason.
        Err(kube::Error::Api(status)) if status.reason == NOT_FOUND => Err(format!("{name} does not exist").into()),
        Err(error) => Err(to_words(&error, "get", &format!("read {name}"), api).into()),
    }
}

fn to_words(error: &kube::Error, verb: &str, doing: &str, api: &Api<DynamicObject>) -> Unanswered {
    let resource = api.resource_url();
    let plural = resource.rsplit('/').next().unwrap_or_default();
    let asked = ClusterRequest {
        verb,
        resource: &format!("{plural}.{GROUP}"),
        doing,
        namespace: api.namespace(),
        giver: RightGiver::Edit,
    };
    asked.explain(error)
}

fn suspend_patch(suspend: bool) -> Value {
    json!({"spec": {"suspend": suspend}})
}

fn annotation_patch(value: &str) -> Value {
    json!({"metadata": {"annotations": {RECONCILE_REQUESTED_AT: value}}})
}

fn is_so_already(request: ObjectRequest, object: &DynamicObject) -> bool {
    let suspended = object.data["spec"]["suspend"].as_bool().unwrap_or_default();
    match request {
        ObjectRequest::Suspend => suspended,
        ObjectRequest::Resume => !suspended,
        ObjectRequest::Reconcile => false,
    }
}

fn already_words(request: ObjectRequest, name: &str) -> String {
    match request {
        ObjectRequest::Suspend => format!("{name} is suspended already."),
        ObjectRequest::Resume | ObjectRequest::Reconcile => format!("{name} is not suspended."),
    }
}

fn done_words(request: ObjectRequest, name: &str) -> String {
    match request {
        ObjectRequest::Suspend => format!("{name} is suspended."),
        ObjectRequest::Resume => format!("{name} is resumed."),
        ObjectRequest::Reconcile => format!("The operator was asked to look at {name}."),
    }
}
