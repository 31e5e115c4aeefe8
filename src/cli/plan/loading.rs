//! What a plan begins with: events, accounts and Secrets, laid into a picture of the cluster.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use secrecy::ExposeSecret as _;

use super::reads::CredentialsId;
use super::report::RefusedObject;
use super::stand_in::StandIn;
use crate::api::reasons::reason;
use crate::api::{AdConversionEvent, SecretRef};
use crate::cli::command_error::CommandError;
use crate::cli::offline::{LoadedEvent, NotDone, Obstacle, Offline, UNJUDGED, Verified};
use crate::controller::shared::object::Object;
use crate::domain::declared::Declared;
use crate::domain::ids::ObjectKey;

/// The events to plan, and the picture that holds them.
pub(super) struct Loaded {
    pub(super) events: Vec<LoadedPlan>,
    pub(super) picture: StandIn,
    pub(super) credentials: AccountCredentials,
    /// What nothing can be planned for.
    pub(super) refused: Vec<RefusedObject>,
}

impl Loaded {
    /// True if there is nothing to say.
    pub(super) const fn is_empty(&self) -> bool {
        self.events.is_empty() && self.refused.is_empty()
    }
}

/// The credentials of the accounts that have some.
#[derive(Default)]
pub(super) struct AccountCredentials {
    pub(super) google: BTreeMap<ObjectKey, CredentialsId>,
    pub(super) hubspot: BTreeMap<ObjectKey, CredentialsId>,
}

/// An event to plan.
pub(super) struct LoadedPlan {
    /// As it would be applied.
    pub(super) event: AdConversionEvent,
    /// What is worth knowing about it.
    pub(super) notes: Vec<String>,
    /// It is not known whether it is applied already.
    pub(super) in_doubt: bool,
    /// The cluster has an event of this name.
    pub(super) applied: bool,
}

/// Loads the events of these names, and what they name.
///
/// # Errors
/// If an event is nowhere, or an account or a Secret can't be read.
pub(super) async fn load(offline: &Offline, names: &[String]) -> Result<Loaded, CommandError> {
    let picture = StandIn::default();
    let mut refused: Vec<_> = offline.manifests.refused.iter().map(RefusedObject::from).collect();
    let mut events = Vec::new();
    for loaded in offline.events(names).await? {
        let unjudged = match judge_manifest(offline, &loaded).await {
            Ok(unjudged) => unjudged,
            Err(message) => {
                refused.push(RefusedObject {
                    file: loaded.file,
                    document: None,
                    object: format!("AdConversionEvent {}", loaded.event.key()),
                    message,
                });
                continue;
            }
        };
        let mut planned = as_applied(loaded);
        planned.notes.extend(unjudged);
        picture.put(&planned.event)?;
        events.push(planned);
    }
    lay_neighbours(offline, &picture, &mut events).await?;
    let credentials = lay_accounts(offline, &picture, &events).await?;
    // As the picture has them: with their uids.
    let laid: Vec<AdConversionEvent> = picture.all()?;
    for planned in &mut events {
        if let Some(found) = laid.iter().find(|laid| laid.key() == planned.event.key()) {
            planned.event.clone_from(found);
        }
    }
    Ok(Loaded {
        events,
        picture,
        credentials,
        refused,
    })
}

/// The accounts that the events name, and their Secrets.
///
/// # Errors
/// All that could not be read.
async fn lay_accounts(
    offline: &Offline,
    picture: &StandIn,
    events: &[LoadedPlan],
) -> Result<AccountCredentials, CommandError> {
    let declared: Vec<_> = events
        .iter()
        .map(|planned| Declared::from_manifest(&planned.event))
        .collect();
    let mut found = AccountCredentials::default();
    let mut missing = Vec::new();
    let google: BTreeSet<_> = declared.iter().map(|declared| &declared.google).collect();
    for key in google {
        let account = offline.google_account(key).await;
        let laid = lay_account(offline, picture, account, |account| {
            account.spec.credentials_secret_ref.as_ref()
        });
        match laid.await {
            Ok(by) => found.google.extend(by.map(|by| (key.clone(), by))),
            Err(why) => missing.push(why.to_string()),
        }
    }
    let hubspot: BTreeSet<_> = declared.iter().map(|declared| &declared.hubspot).collect();
    for key in hubspot {
        let account = offline.hubspot_account(key).await;
        let laid = lay_account(offline, picture, account, |account| {
            Some(&account.spec.credentials_secret_ref)
        });
        match laid.await {
            Ok(by) => found.hubspot.extend(by.map(|by| (key.clone(), by))),
            Err(why) => missing.push(why.to_string()),
        }
    }
    missing.dedup();
    if missing.is_empty() {
        Ok(found)
    } else {
        Err(missing.join("\n").into())
    }
}

/// An account, if there is one, and the Secret of its credentials, if it names one.
async fn lay_account<K: Object>(
    offline: &Offline,
    picture: &StandIn,
    found: Result<Option<K>, NotDone>,
    secret_of: fn(&K) -> Option<&SecretRef>,
) -> Result<Option<CredentialsId>, CommandError> {
    let Some(account) = found? else {
        return Ok(None);
    };
    picture.put(&account)?;
    match secret_of(&account) {
        Some(reference) => {
            lay_secret(
                offline,
                picture,
                &ObjectKey::new(account.key().namespace, &reference.name),
            )
            .await
        }
        None => Ok(Some(CredentialsId::new(None))),
    }
}

/// Whether something can be planned for an event: a note if the API server could not be asked about the manifest.
///
/// # Errors
/// Why not: it goes, an account of it is no good, or the API server would not take the manifest.
async fn judge_manifest(offline: &Offline, loaded: &LoadedEvent) -> Result<Option<String>, String> {
    if loaded.event.is_deleting() {
        return Err("It is being deleted, so nothing more is sent for it.".to_owned());
    }
    if let Some(why) = refused_account(offline, &loaded.event) {
        return Err(why);
    }
    if loaded.file.is_none() {
        return Ok(None);
    }
    match offline.dry_run(&loaded.event).await {
        Verified::Taken { .. } => Ok(None),
        Verified::Refused(why) => Err(why),
        Verified::Unasked(why) => Ok(Some(why)),
        Verified::Unknown(_) => Ok(Some(UNJUDGED.to_owned())),
    }
}

/// Why an event cannot be planned whose account stands in a file and is no good.
fn refused_account(offline: &Offline, event: &AdConversionEvent) -> Option<String> {
    let declared = Declared::from_manifest(event);
    let accounts = [
        ("GoogleAdsAccount", declared.google),
        ("HubSpotAccount", declared.hubspot),
    ];
    let mut refused = accounts.iter().filter_map(|(kind, key)| {
        offline.manifests.refusal_of(kind, key)?;
        Some(format!(
            "{kind} {key}, which it names, cannot be used: see the message about it."
        ))
    });
    refused.next()
}

/// The event as the API server would have it once it is applied.
fn as_applied(loaded: LoadedEvent) -> LoadedPlan {
    let LoadedEvent {
        mut event,
        file,
        applied,
        doubt,
    } = loaded;
    let generation = event.metadata.generation.unwrap_or_default();
    if file.is_some() {
        // Another manifest, as far as anybody knows.
        event.metadata.generation = Some(generation + 1);
    }
    let mut notes = Vec::new();
    let in_doubt = doubt.is_some();
    if let Some(why) = doubt {
        notes.push(format!(
            "It is not known whether this event is applied already. It is planned as a new one. {why}"
        ));
    } else if !applied && event.spec.start_time.is_none() {
        notes.push(
            "The event has no spec.startTime, so that conversions count from the moment it is applied, and none counts yet. \
             With a spec.startTime at most 90 days back, earlier ones count too."
                .to_owned(),
        );
    }
    LoadedPlan {
        event,
        notes,
        in_doubt,
        applied,
    }
}

/// Other events may have the conversion action that one of these wants.
async fn lay_neighbours(offline: &Offline, picture: &StandIn, events: &mut [LoadedPlan]) -> Result<(), CommandError> {
    let planned: BTreeSet<_> = events.iter().map(|planned| planned.event.key()).collect();
    let namespaces: BTreeSet<_> = planned.iter().map(|key| key.namespace.clone()).collect();
    for namespace in namespaces {
        match offline.events_of_cluster(&namespace).await {
            Ok(found) => {
                for event in found.iter().filter(|event| !planned.contains(&event.key())) {
                    picture.put(event)?;
                }
            }
            Err(why) => {
                let note = format!("It is not known whether another event has the same conversion action. {why}");
                let of_namespace = events
                    .iter_mut()
                    .filter(|planned| planned.event.key().namespace == namespace);
                of_namespace.for_each(|planned| planned.notes.push(note.clone()));
            }
        }
    }
    Ok(())
}

/// A Secret that is missing stays so: the account will say it.
async fn lay_secret(
    offline: &Offline,
    picture: &StandIn,
    key: &ObjectKey,
) -> Result<Option<CredentialsId>, CommandError> {
    let values = match offline.secret(key).await {
        Ok(values) => values,
        Err(Obstacle::Fault(fault, _)) if fault.reason == reason::SECRET_NOT_FOUND => return Ok(None),
        Err(Obstacle::Fault(fault, _)) => return Err(fault.message.into()),
        Err(Obstacle::NotDone(why) | Obstacle::Outage(why, _)) => return Err(why.into()),
    };
    let mut secret = Secret::default();
    secret.metadata.namespace = Some(key.namespace.clone());
    secret.metadata.name = Some(key.name.clone());
    let bytes = |value: &secrecy::SecretString| ByteString(value.expose_secret().as_bytes().to_vec());
    secret.data = Some(
        values
            .iter()
            .map(|(name, value)| (name.clone(), bytes(value)))
            .collect(),
    );
    picture.put(&secret)?;
    Ok(Some(CredentialsId::new(Some(&values))))
}
