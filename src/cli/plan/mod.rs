//! `adconversion plan`: what would change at Google, and which conversions would be sent, before anything is applied.
//! The operator's own code decides, over a picture of the cluster and a ledger in memory; nothing is written anywhere.

mod changes;
mod clock;
mod conversion;
mod counts;
mod google;
mod loading;
mod meter;
mod reads;
mod recorded;
mod rehearse;
mod report;
mod stand_in;
mod text;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser};

use self::conversion::list_all;
use self::loading::{Loaded, load};
use self::meter::Meter;
use self::recorded::OperatorRecords;
use self::rehearse::{World, rehearse};
use self::report::{Plan, PlanFacts, event_plan, goal_changes};
use self::text::PlanStyle;
use super::ask::OperatorPlace;
use super::cluster::run_command;
use super::command_error::CommandError;
use super::exit_codes::{FINDING, NOT_DONE};
use super::flags::RunFlags;
use super::layout::Width;
use super::names::parse_name;
use super::offline::{Offline, OfflineFlags};
use super::output::Output;
use super::progress::Progress;
use super::wait_flags::WaitFlags;
use crate::api::AdConversionEvent;
use crate::controller::shared::object::Object as _;
use crate::domain::declared::Declared;

/// With a limit of 0 every plan would look like that of an event without conversions.
fn parse_limit(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give a number of at least 1".to_owned()),
        Ok(limit) => Ok(limit),
    }
}

/// Flags of `adconversion plan`.
#[derive(Debug, Args)]
pub(super) struct PlanFlags {
    /// Names of events. If absent: all of the files, or without files all of the namespace.
    #[arg(value_name = "NAME", value_parser = parse_name)]
    events: Vec<String>,
    /// Output format.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Print a line for each event, and what stands in the way.
    #[arg(long, short)]
    short: bool,
    /// Most contacts, and most form submissions, that are read from HubSpot. If there are more, the plan says so.
    #[arg(long, value_name = "NUMBER", default_value = "50000", value_parser = parse_limit)]
    limit: usize,
    #[command(flatten)]
    offline: OfflineFlags,
    #[command(flatten)]
    waits: WaitFlags,
    #[command(flatten)]
    operator: OperatorPlace,
}

/// The flags of an operator that is given none, but for the environment.
#[derive(Debug, Parser)]
struct Usual {
    #[command(flatten)]
    flags: RunFlags,
}

/// Prints the plan.
///
/// # Errors
/// If it could not be made.
pub(super) fn run(flags: &PlanFlags) -> Result<ExitCode, CommandError> {
    run_command(print_plan(flags))
}

async fn print_plan(flags: &PlanFlags) -> Result<ExitCode, CommandError> {
    let progress = Arc::new(Progress::begin("Reading the manifests"));
    let offline = flags.offline.open().await?;
    let loaded = load(&offline, &flags.events).await?;
    if loaded.is_empty() && !flags.offline.has_files() {
        let namespace = &offline.namespace;
        let way_out = "Name another with --namespace, or give manifests with -f";
        return Err(format!("namespace {namespace} has no event to plan. {way_out}").into());
    }
    let plan = make_plan(flags, &offline, loaded, &progress).await?;
    drop(progress);
    let text = match flags.output.of_program(&plan)? {
        Some(text) => text,
        None => text::plan_text(
            &plan,
            PlanStyle {
                width: Width::of_stdout(),
                short: flags.short,
            },
        ),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(exit_code(&plan)))
}

async fn make_plan(
    flags: &PlanFlags,
    offline: &Offline,
    loaded: Loaded,
    progress: &Arc<Progress>,
) -> Result<Plan, CommandError> {
    let usual = RunFlags {
        waits: flags.waits.clone(),
        ..Usual::try_parse_from(["run"])?.flags
    };
    let world = World {
        google: offline.google_connector(),
        crm: offline.crm_connector(),
        clock: offline.clock(),
        controllers: usual.controller_settings(),
        loops: usual.sync_settings(),
    };
    progress.say("Reading the accounts");
    let meter = Meter::new(flags.limit, Some(Arc::clone(progress)));
    let planned: Vec<_> = loaded.events.iter().map(|of| of.event.clone()).collect();
    let rehearsed = rehearse(world, loaded.picture, &planned, meter.clone()).await?;
    progress.say("Asking the operator what it has sent");
    let changes = rehearsed.notebook.changes();
    let mut plan = Plan {
        events: Vec::new(),
        account_goals: goal_changes(&changes),
        limited: meter.was_cut(),
        refused: loaded.refused,
        unanswered: offline.unanswered(),
    };
    let afters: Vec<AdConversionEvent> = rehearsed.picture.all()?;
    let records = OperatorRecords::new(&flags.operator, flags.offline.cluster());
    let new_events = loaded
        .events
        .iter()
        .filter(|planned| !planned.applied && !planned.in_doubt);
    let new_events: Vec<_> = new_events.map(|planned| planned.event.key()).collect();
    for planned in &loaded.events {
        let Some(after) = afters.iter().find(|after| after.key() == planned.event.key()) else {
            continue;
        };
        let declared = Declared::from_manifest(&planned.event);
        let recorded = records.of(planned).await;
        let unanswered = recorded.as_ref().err().and_then(|why| why.unanswered.clone());
        // Of many events it is said once.
        plan.unanswered.extend(unanswered);
        plan.unanswered.dedup();
        let conversions = list_all(&rehearsed.admin, &after.key()).await?;
        plan.events.push(event_plan(&PlanFacts {
            before: &planned.event,
            applied: planned.applied || planned.in_doubt,
            new_events: &new_events,
            after,
            changes: &changes,
            conversions: &conversions,
            recorded: &recorded.map_err(|why| why.says),
            unread: rehearsed.unread_for(&declared, &loaded.credentials),
            looked_for: rehearsed.looked_for(&declared.key),
            notes: planned.notes.clone(),
        }));
    }
    Ok(plan)
}

fn exit_code(plan: &Plan) -> u8 {
    let is = |status: &str| plan.events.iter().any(|event| event.ready == status);
    if is("False") || !plan.refused.is_empty() {
        FINDING
    } else if plan.events.iter().any(|event| event.ready != "True") || !plan.unanswered.is_empty() {
        NOT_DONE
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::parse_limit;

    #[test]
    fn a_limit_of_none_is_refused() {
        assert_eq!(parse_limit("1"), Ok(1));
        for odd in ["0", "-1", "many", ""] {
            assert!(parse_limit(odd).is_err(), "{odd}");
        }
    }
}
