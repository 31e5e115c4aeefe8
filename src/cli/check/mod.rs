//! `adconversion check`: can this work? Before anything is applied, or after.

mod clicks;
mod event;
mod google;
mod hubspot;
mod objects;
mod report;
mod shared;
mod text;
mod upload;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;

use self::event::{AccountView, Surroundings, judge_account, judge_event};
use self::objects::{CheckedAccounts, Chosen};
use self::report::{CheckedObject, MANIFEST, Probe, Report};
use self::shared::SharedLooks;
use self::text::ReportStyle;
use super::cluster::run_command;
use super::command_error::CommandError;
use super::layout::Width;
use super::offline::{LoadedEvent, NotDone, Offline, OfflineFlags, UNJUDGED, Verified, words_before_apply};
use super::output::Output;
use super::progress::Progress;
use crate::api::AdConversionEventStatus;
use crate::api::reasons::reason;
use crate::controller::ad_conversion_event::preview::{OtherEvent, OtherEvents, Preview};
use crate::domain::declared::Declared;
use crate::domain::ids::ObjectKey;
use crate::domain::trigger::Trigger;
use crate::ops::colors;

/// Flags of `adconversion check`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CheckFlags {
    /// What to check: names of events, or KIND/NAME of events and accounts. The accounts of events are checked with
    /// them. If absent: everything in the files, or without files everything in the namespace.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Output format.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Print only what is not fine, and a line for each object that is.
    #[arg(long, short)]
    short: bool,
    #[command(flatten)]
    offline: OfflineFlags,
}

/// `adconversion check`.
pub(in crate::cli) fn run(flags: &CheckFlags) -> Result<ExitCode, CommandError> {
    run_command(check(flags))
}

async fn check(flags: &CheckFlags) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Reading manifests");
    let offline = flags.offline.open().await?;
    let chosen = objects::choose(&offline, &flags.names).await?;
    let checked = check_all(&offline, &chosen, &progress).await;
    let report = Report::new(checked, offline.unanswered());
    drop(progress);
    let text = match flags.output.of_program(&report)? {
        Some(text) => text,
        None => report.to_text(ReportStyle {
            width: Width::of_stdout(),
            colored: colors::are_wanted(),
            short: flags.short,
        }),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(report.exit_code()))
}

async fn check_all(offline: &Offline, chosen: &Chosen, progress: &Progress) -> Vec<CheckedObject> {
    let mut checked: Vec<CheckedObject> = chosen
        .refused
        .iter()
        .map(|refused| CheckedObject::refused(&refused.place.to_string(), &refused.object, &refused.message))
        .collect();
    let accounts = CheckedAccounts::check(offline, chosen, progress, &mut checked).await;
    let (others, all_known) = objects::other_events(offline, chosen).await;
    let new_events = chosen
        .events
        .iter()
        .filter(|(loaded, _)| !loaded.applied && loaded.doubt.is_none());
    let known = EventChecks {
        offline,
        accounts,
        others: others.iter().map(as_other).collect(),
        all_known,
        new_events: new_events.map(|(_, declared)| declared.key.clone()).collect(),
    };
    let mut shared = SharedLooks::default();
    for (loaded, declared) in &chosen.events {
        progress.say(format!("Checking AdConversionEvent {}", declared.key));
        let probes = known.check_event(loaded, declared, &mut shared).await;
        let file = loaded.file.as_deref();
        checked.push(CheckedObject::new("AdConversionEvent", &declared.key, file, probes));
    }
    checked
}

fn as_other((declared, status): &(Declared, Option<AdConversionEventStatus>)) -> OtherEvent<'_> {
    OtherEvent {
        declared,
        status: status.as_ref(),
    }
}

/// What all events are judged by.
struct EventChecks<'a> {
    offline: &'a Offline,
    accounts: CheckedAccounts,
    others: OtherEvents<'a>,
    /// All events of the cluster are among them.
    all_known: bool,
    /// Events that are not applied.
    new_events: Vec<ObjectKey>,
}

impl EventChecks<'_> {
    async fn check_event(&self, loaded: &LoadedEvent, declared: &Declared, shared: &mut SharedLooks) -> Vec<Probe> {
        let accounts = &self.accounts;
        let (google, hubspot) = (accounts.google(&declared.google), accounts.hubspot(&declared.hubspot));
        let applied = loaded.applied;
        let mut probes = vec![judge_manifest(self.offline, loaded).await];
        if declared.suspended {
            let why = "spec.suspend is true: conversions are observed but not sent until it is false.";
            probes.push(Probe::skipped("suspend", why));
        }
        let (of_google, of_hubspot) = ("spec.googleAdsAccountRef", "spec.hubSpotAccountRef");
        probes.push(judge_account(
            "HubSpotAccount",
            of_hubspot,
            &declared.hubspot,
            hubspot,
            applied,
        ));
        probes.push(judge_account(
            "GoogleAdsAccount",
            of_google,
            &declared.google,
            google,
            applied,
        ));
        let preview = Preview {
            declared,
            status: loaded.event.status.as_ref(),
            google: google.read(),
            hubspot: hubspot.read(),
            now: self.offline.now(),
        };
        let judged = judge_event(
            &preview,
            Surroundings {
                others: &self.others,
                all_known: self.all_known,
                managed_goals: accounts.manages_goals(&declared.google),
            },
        );
        probes.extend(judged.of_hubspot);
        let stage = judged.subject.as_ref().and_then(|subject| match &subject.trigger {
            Trigger::Stage(stage) => Some(stage),
            Trigger::Form(_) => None,
        });
        if let (AccountView::Read(account), Some(stage)) = (hubspot, stage) {
            probes.extend(shared.clicks(account, declared, stage, preview.now).await);
        }
        probes.extend(judged.of_google);
        if let AccountView::Read(account) = google {
            let secret = accounts.google_secret(&declared.google);
            probes.push(
                shared
                    .upload(account, secret, declared, judged.action, preview.now)
                    .await,
            );
        }
        if !applied {
            for probe in &mut probes {
                probe.message = words_before_apply(&probe.message, &self.new_events);
            }
        }
        probes
    }
}

const fn taken_words(applied: bool, changes: bool) -> &'static str {
    match (applied, changes) {
        (false, _) => "The API server would take it. It is not applied yet.",
        (true, true) => "The API server would take it. An event of this name is applied, and would be changed.",
        (true, false) => "It is applied as it is here.",
    }
}

/// Whether the API server takes, or has, the manifest.
async fn judge_manifest(offline: &Offline, loaded: &LoadedEvent) -> Probe {
    if loaded.file.is_none() {
        return Probe::fine(MANIFEST, "It is applied.");
    }
    let state = match (loaded.applied, offline.has_cluster()) {
        (true, _) => "An event of this name is applied.",
        (false, true) => "It is not applied yet.",
        (false, false) => "Whether it is applied is not known.",
    };
    if let Some(why) = &loaded.doubt {
        let says = format!("Whether it is applied is not known: {why} {UNJUDGED}");
        return if offline.is_missing(why) {
            Probe::not_done(MANIFEST, &NotDone(says))
        } else {
            Probe::skipped(MANIFEST, says)
        };
    }
    match offline.dry_run(&loaded.event).await {
        Verified::Taken { changes } => Probe::fine(MANIFEST, taken_words(loaded.applied, changes)),
        Verified::Refused(message) => Probe::finding(MANIFEST, reason::INVALID_SPEC, message),
        Verified::Unasked(why) => Probe::skipped(MANIFEST, format!("{state} {why}")),
        Verified::Unknown(why) => Probe::not_done(MANIFEST, &NotDone(format!("{state} {why}"))),
    }
}
