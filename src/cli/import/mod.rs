//! `adconversion import`: manifests for conversion actions that exist.
//! Applied, they change nothing in Google and count only what comes after.

mod manifest;
mod named;
mod pick;
mod trigger;
mod written;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use self::manifest::{Common, ConsentText, Takeover};
use self::named::{check_consent, check_triggers};
use self::pick::{Given, Imported, pick_actions};
use self::trigger::{Assigned, check_assigned};
use self::written::ManifestFormat;
use super::cluster::run_command;
use super::command_error::CommandError;
use super::exit_codes::{FINDING, NOT_DONE};
use super::names::parse_name;
use super::offline::{NotDone, Obstacle, Offline, OfflineFlags};
use super::progress::Progress;
use crate::api::{GoogleAdsAccount, HubSpotAccount};
use crate::controller::google_ads_account::once::ReadAccount;
use crate::controller::hubspot_account::once::Needs;
use crate::controller::shared::object::Object as _;
use crate::domain::action::{UPLOAD_CLICKS, WEBPAGE};
use crate::domain::declared::Declared;
use crate::domain::ids::ObjectKey;

/// Flags of `adconversion import`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportFlags {
    /// The `GoogleAdsAccount` whose conversion actions are meant.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    google_ads_account: String,
    /// The `HubSpotAccount` that is to be read for them. If absent: the only one of the namespace or the files.
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    hubspot_account: Option<String>,
    /// Declare actions as they are now, as the operator's own (`create`), so that it keeps them so. If absent, they are
    /// only used (`existing`), and never changed.
    #[arg(long)]
    adopt: bool,
    /// Stage of an action whose name does not hold one: its number,
    /// and the stage's value or label. May be given several times.
    #[arg(long = "stage", value_name = "ID=STAGE")]
    stages: Vec<Assigned>,
    /// Form of an action whose name does not hold one: its number,
    /// and the form's GUID or name. May be given several times.
    #[arg(long = "form", value_name = "ID=FORM")]
    forms: Vec<Assigned>,
    /// Contact property that holds the consent of form submissions,
    /// and its value that grants it. Needed for website actions.
    #[arg(long, value_name = "PROPERTY=VALUE", value_parser = parse_consent)]
    consent: Option<ConsentText>,
    /// Write one file for each event into this directory, instead of all to standard output. No file is overwritten.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Output format: `yaml` and `json` can be applied, `table` lists what would be written.
    #[arg(long, short, value_enum, default_value_t = ManifestFormat::Yaml)]
    output: ManifestFormat,
    #[command(flatten)]
    offline: OfflineFlags,
}

fn parse_consent(given: &str) -> Result<ConsentText, String> {
    let parts = given
        .split_once('=')
        .filter(|(property, value)| !property.is_empty() && !value.is_empty());
    let (property, value) = parts.ok_or("write PROPERTY=VALUE: ads_consent=true")?;
    Ok(ConsentText {
        property: property.to_owned(),
        value: value.to_owned(),
    })
}

/// `adconversion import`.
pub(in crate::cli) fn run(flags: &ImportFlags) -> Result<ExitCode, CommandError> {
    run_command(import(flags))
}

async fn import(flags: &ImportFlags) -> Result<ExitCode, CommandError> {
    let progress = Progress::begin("Reading the accounts");
    let offline = flags.offline.open().await?;
    if let Some(refused) = offline.manifests.refused.first() {
        return Err(refused.to_string().into());
    }
    let imported = read_and_pick(flags, &offline, &progress).await?;
    drop(progress);
    match &flags.output_dir {
        Some(directory) => written::write_files(directory, &imported.events)?,
        None => written::print(flags.output, &imported)?,
    }
    let account = format!("{}/{}", offline.namespace, flags.google_ads_account);
    for remark in written::remarks(&imported, &account) {
        eprintln!("{remark}");
    }
    let unanswered = offline.unanswered();
    for why in &unanswered {
        eprintln!("The cluster did not answer every question, so another event may use these actions. {why}");
    }
    Ok(ExitCode::from(match imported.events.len() {
        _ if !unanswered.is_empty() => NOT_DONE,
        0 => FINDING,
        _ => 0,
    }))
}

async fn read_and_pick(flags: &ImportFlags, offline: &Offline, progress: &Progress) -> Result<Imported, CommandError> {
    let (google, hubspot) = find_accounts(flags, offline).await?;
    let unusable = |kind: &str, key: &ObjectKey, obstacle: Obstacle| {
        let why = match obstacle {
            Obstacle::Fault(fault, _) => fault.message,
            Obstacle::NotDone(NotDone(why)) | Obstacle::Outage(NotDone(why), _) => why,
        };
        format!("{kind} {key} can't be read: {why}")
    };
    progress.say("Reading the conversion actions");
    let account = offline.read_google(&google).await;
    // Nothing of a manifest comes from the goals.
    let ReadAccount { account, .. } =
        account.map_err(|obstacle| unusable("GoogleAdsAccount", &google.key(), obstacle))?;
    let actions = account.actions();
    check_assigned("--stage", &flags.stages, UPLOAD_CLICKS, actions)?;
    check_assigned("--form", &flags.forms, WEBPAGE, actions)?;
    let forms = actions.iter().any(|action| action.kind == WEBPAGE);
    progress.say("Reading the portal");
    let needs = Needs {
        forms: forms && flags.consent.is_some(),
        deals: false,
    };
    let portal = offline.read_hubspot(&hubspot, needs).await;
    let portal = portal.map_err(|obstacle| unusable("HubSpotAccount", &hubspot.key(), obstacle))?;
    check_triggers(&portal, &flags.stages, &flags.forms)?;
    check_consent(&portal, flags.consent.as_ref())?;
    let mut events = offline
        .events_of_cluster(&google.key().namespace)
        .await
        .unwrap_or_default();
    events.extend(offline.manifests.events.values().map(|(_, event)| event.clone()));
    let events: Vec<_> = events
        .into_iter()
        .map(|event| (Declared::from_manifest(&event), event.status))
        .collect();
    let mut taken: BTreeSet<String> = events.iter().map(|(declared, _)| declared.key.name.clone()).collect();
    let (google_key, hubspot_key) = (google.key(), hubspot.key());
    let given = Given {
        common: Common {
            google: &google_key,
            hubspot: &hubspot_key,
            way: if flags.adopt {
                Takeover::Adopt
            } else {
                Takeover::Existing
            },
            consent: flags.consent.as_ref(),
        },
        stages: &flags.stages,
        forms: &flags.forms,
        manages_goals: google.spec.manage_account_goals,
        now: offline.now(),
    };
    Ok(pick_actions(&account, &portal, &events, &given, &mut taken))
}

async fn find_accounts(
    flags: &ImportFlags,
    offline: &Offline,
) -> Result<(GoogleAdsAccount, HubSpotAccount), CommandError> {
    let key = ObjectKey::new(&offline.namespace, &flags.google_ads_account);
    let google = offline.named_google_account(&key).await?;
    let hubspot = match &flags.hubspot_account {
        Some(name) => ObjectKey::new(&offline.namespace, name),
        None => the_only(&offline.all_accounts().await?.1)?,
    };
    Ok((google, offline.named_hubspot_account(&hubspot).await?))
}

fn the_only(accounts: &[ObjectKey]) -> Result<ObjectKey, CommandError> {
    match accounts {
        [only] => Ok(only.clone()),
        [] => Err("there is no HubSpotAccount. Create one, or give its manifest with -f".into()),
        several => {
            let names: Vec<_> = several.iter().map(|key| key.name.as_str()).collect();
            Err(format!(
                "there are several HubSpotAccounts ({}): name one with --hubspot-account",
                names.join(", ")
            )
            .into())
        }
    }
}
