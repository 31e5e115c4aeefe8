//! `adconversion uninstall`: removes the operator's finalizer from events and accounts if no operator is left to do it.
//!
//! Without an operator the finalizer holds them for ever: a namespace or a definition
//! that is deleted stays `Terminating`. Nothing else is touched: no object is deleted,
//! finalizers of others stay, Google and the ledger are not asked.

mod operators;

use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use clap::Args;
use kube::api::{ApiResource, DynamicObject, ListParams, PartialObjectMeta, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::cluster::{Cluster, ClusterFlags, run_command};
use super::command_error::CommandError;
use super::exit_codes::FINDING;
use super::kube_words::{ClusterRequest, RightGiver, Unanswered};
use super::layout::Width;
use super::progress::Progress;
use crate::api::{AdConversionEvent, FINALIZER, GoogleAdsAccount, HubSpotAccount};
use crate::domain::brief::counted;

/// Objects in one answer.
const PAGE: u32 = 500;
/// Tries to change an object that others change at the same time.
const TRIES: u32 = 5;
/// An operator that still runs, wherever, puts its finalizer back within this time.
const RETURNS: Duration = Duration::from_secs(3);
/// Between two looks for that.
const LOOK: Duration = Duration::from_millis(500);
/// Field manager of the change.
const MANAGER: &str = "adconversion-uninstall";

/// Flags of `adconversion uninstall`.
#[derive(Debug, Args)]
pub struct UninstallFlags {
    #[command(flatten)]
    cluster: ClusterFlags,
    /// Remove the finalizers without asking.
    #[arg(long, short)]
    yes: bool,
}

/// An event or account.
struct FoundObject {
    kind: ApiResource,
    namespace: String,
    name: String,
    uid: String,
    /// Our finalizer is on it.
    held: bool,
    /// It was deleted and waits for its finalizers.
    deleting: bool,
}

/// Carries out the command.
pub fn run(flags: &UninstallFlags) -> Result<ExitCode, CommandError> {
    run_command(uninstall(flags))
}

async fn uninstall(flags: &UninstallFlags) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Looking for events and accounts");
    let cluster = flags.cluster.connect().await?;
    let mut held = find_objects(&cluster).await?;
    drop(progress);
    held.retain(|object| object.held);
    if held.is_empty() {
        println!(
            "{} has the finalizer {FINALIZER}. Nothing to do.",
            nothing_found(&cluster)
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}\n", objects_table(&held, Width::of_stdout()));
    println!(
        "Without an operator nothing that has the finalizer {FINALIZER} can be deleted ({}). Removing it deletes nothing. \
         Conversion actions stay in Google Ads, also those of events with deletionPolicy Delete.",
        counted(held.len() as u64, "object")
    );
    if warn_of_operator(&cluster, &held).await {
        return Ok(ExitCode::from(FINDING));
    }
    if !(flags.yes || ask_to_proceed(held.len())?) {
        println!("Nothing was changed. To remove the finalizer from them: the same command with --yes.");
        return Ok(ExitCode::from(FINDING));
    }
    if let Some(again) = strip_finalizers(&cluster, &held).await? {
        eprintln!(
            "The finalizer is back on {} {}/{}: an operator still runs, in this cluster or outside. Stop it, then run this \
             again.",
            again.kind.kind, again.namespace, again.name
        );
        return Ok(ExitCode::from(FINDING));
    }
    println!(
        "The finalizer was removed from {}.",
        counted(held.len() as u64, "object")
    );
    Ok(ExitCode::SUCCESS)
}

/// True if an operator still works on these objects. If that can't be found out, it is for the user to decide.
async fn warn_of_operator(cluster: &Cluster, held: &[FoundObject]) -> bool {
    let progress = Progress::begin("Looking for an operator that works there");
    let working = operators::working_in(&cluster.client, &namespaces_of(held)).await;
    drop(progress);
    match working {
        Ok(None) => false,
        Ok(Some(pod)) => {
            eprintln!(
                "An operator still works there, and would put the finalizer back: pod {pod}. Stop it first (helm uninstall, \
                 or kubectl scale deployment --replicas=0). Nothing was changed."
            );
            true
        }
        Err(why) => {
            eprintln!("It is not known whether an operator still runs. {why} Make sure that none does.");
            false
        }
    }
}

/// Takes our finalizer off these objects. Returns one of them that has it again, if an operator still runs.
async fn strip_finalizers(cluster: &Cluster, held: &[FoundObject]) -> Result<Option<FoundObject>, CommandError> {
    let progress = Progress::begin("Removing the finalizer");
    for (done, object) in held.iter().enumerate() {
        progress.say(format!("Removing the finalizer: {done} of {}", held.len()));
        strip_finalizer(&cluster.client, object).await?;
    }
    progress.say("Checking whether an operator puts it back");
    finalizer_returned(cluster, held).await
}

fn nothing_found(cluster: &Cluster) -> String {
    match &cluster.namespace {
        Some(namespace) => format!("No event or account in namespace {namespace} (--all-namespaces looks in all)"),
        None => "No event or account in any namespace".to_owned(),
    }
}

fn namespaces_of(objects: &[FoundObject]) -> BTreeSet<&str> {
    objects.iter().map(|object| object.namespace.as_str()).collect()
}

fn objects_table(objects: &[FoundObject], width: Width) -> String {
    let rows = objects.iter().map(|object| {
        let deleted = if object.deleting { "yes, waits for it" } else { "no" };
        let cells = [&*object.namespace, &object.kind.kind, &object.name, deleted];
        cells.map(str::to_owned).to_vec()
    });
    let headings = ["NAMESPACE", "KIND", "NAME", "DELETED"];
    width.table(&headings, 3, &rows.collect::<Vec<_>>())
}

/// Asks where there is somebody to answer.
fn ask_to_proceed(count: usize) -> io::Result<bool> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Ok(false);
    }
    print!("Remove the finalizer from these {count}? [y/N] ");
    io::stdout().flush()?;
    reads_yes(&mut io::stdin().lock())
}

fn reads_yes(input: &mut impl BufRead) -> io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn dynamic_api(client: &Client, namespace: Option<&str>, kind: &ApiResource) -> Api<DynamicObject> {
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, kind),
        None => Api::all_with(client.clone(), kind),
    }
}

fn to_words(error: &kube::Error, verb: &str, doing: &str, kind: &ApiResource, namespace: Option<&str>) -> Unanswered {
    let request = ClusterRequest {
        verb,
        resource: &format!("{}.{}", kind.plural, kind.group),
        doing,
        namespace,
        giver: RightGiver::Edit,
    };
    request.explain(error)
}

/// All events and accounts, the events first: an account stays in use while there are some.
async fn find_objects(cluster: &Cluster) -> Result<Vec<FoundObject>, CommandError> {
    let kinds = [
        ApiResource::erase::<AdConversionEvent>(&()),
        ApiResource::erase::<GoogleAdsAccount>(&()),
        ApiResource::erase::<HubSpotAccount>(&()),
    ];
    let mut found = Vec::new();
    for kind in kinds {
        let api = dynamic_api(&cluster.client, cluster.namespace.as_deref(), &kind);
        let mut parameters = ListParams::default().limit(PAGE);
        loop {
            // Only the metadata: what an older version stored need not be readable.
            let page = match api.list_metadata(&parameters).await {
                // Without its definition there is no object of a kind. The server
                // then answers in plain text, so that there is a code and no reason.
                Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND => break,
                page => {
                    let doing = format!("list the {}", kind.plural);
                    let namespace = cluster.namespace.as_deref();
                    page.map_err(|error| to_words(&error, "list", &doing, &kind, namespace))?
                }
            };
            found.extend(page.items.iter().map(|object| FoundObject::from_meta(&kind, object)));
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => parameters = parameters.continue_token(&next),
                _ => break,
            }
        }
    }
    Ok(found)
}

fn is_held(object: &PartialObjectMeta<DynamicObject>) -> bool {
    object.finalizers().iter().any(|f| f == FINALIZER)
}

impl FoundObject {
    fn from_meta(kind: &ApiResource, object: &PartialObjectMeta<DynamicObject>) -> Self {
        Self {
            kind: kind.clone(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            held: is_held(object),
            deleting: object.metadata.deletion_timestamp.is_some(),
        }
    }
}

/// Takes our finalizer off one object, and changes nothing else of it.
async fn strip_finalizer(client: &Client, object: &FoundObject) -> Result<(), CommandError> {
    let failed = |error: kube::Error| {
        let (kind, namespace) = (&object.kind.kind, &object.namespace);
        let doing = format!("change {kind} {namespace}/{}", object.name);
        to_words(&error, "patch", &doing, &object.kind, Some(namespace))
    };
    let api = dynamic_api(client, Some(&object.namespace), &object.kind);
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let mut tries = 0;
    loop {
        let current = api.get_metadata_opt(&object.name).await.map_err(failed)?;
        // Gone, or another one of its name: that was not on the list.
        let Some(current) = current.filter(|c| c.uid().as_ref() == Some(&object.uid)) else {
            return Ok(());
        };
        if !is_held(&current) {
            return Ok(());
        }
        let others: Vec<_> = current.finalizers().iter().filter(|f| *f != FINALIZER).collect();
        // With the version: what somebody else adds at the same time is never lost.
        let version = current.resource_version();
        let metadata = json!({"uid": object.uid, "resourceVersion": version, "finalizers": others});
        let patch = Patch::Merge(json!({"metadata": metadata}));
        tries += 1;
        match api.patch_metadata(&object.name, &parameters, &patch).await {
            Err(kube::Error::Api(status)) if status.is_conflict() && tries < TRIES => {}
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            done => return Ok(done.map(drop).map_err(failed)?),
        }
    }
}

/// One of the objects that has our finalizer again.
async fn finalizer_returned(cluster: &Cluster, stripped: &[FoundObject]) -> Result<Option<FoundObject>, CommandError> {
    let uids: BTreeSet<&str> = stripped.iter().map(|object| object.uid.as_str()).collect();
    let begun = Instant::now();
    loop {
        let mut there = find_objects(cluster).await?;
        there.retain(|object| uids.contains(object.uid.as_str()));
        if let Some(at) = there.iter().position(|object| object.held) {
            return Ok(Some(there.swap_remove(at)));
        }
        // Nobody adds a finalizer to an object that is being deleted.
        if there.iter().all(|object| object.deleting) || begun.elapsed() >= RETURNS {
            return Ok(None);
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::layout::tests::{WIDTHS, assert_fits};

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, yes) in [
            ("y\n", true),
            ("Yes\n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yesterday\n", false),
        ] {
            assert_eq!(reads_yes(&mut answer.as_bytes()).unwrap(), yes, "{answer:?}");
        }
    }

    #[test]
    fn the_list_names_what_holds_a_deletion_up() {
        let object = |name: &str, deleting| FoundObject {
            kind: ApiResource::erase::<AdConversionEvent>(&()),
            namespace: "marketing".into(),
            name: name.into(),
            uid: String::new(),
            held: true,
            deleting,
        };
        let objects = [object("became-customer", true), object("lead", false)];
        assert_eq!(
            objects_table(&objects, Width::PIPE),
            "NAMESPACE  KIND               NAME             DELETED\n\
             marketing  AdConversionEvent  became-customer  yes, waits for it\n\
             marketing  AdConversionEvent  lead             no"
        );
        for columns in WIDTHS {
            assert_fits(&objects_table(&objects, Width::of(columns)), columns);
        }
    }
}
