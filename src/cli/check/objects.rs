//! Which objects are checked, and what is known of their accounts.

use std::collections::{BTreeMap, BTreeSet};

use super::event::AccountView;
use super::google::check_google;
use super::hubspot::check_hubspot;
use super::report::CheckedObject;
use crate::api::AdConversionEventStatus;
use crate::cli::command_error::CommandError;
use crate::cli::names::parse_name;
use crate::cli::offline::{LoadedEvent, NotDone, Offline, RefusedManifest};
use crate::cli::output::foreign;
use crate::cli::progress::Progress;
use crate::cli::request::kind::{KindName, parse_object};
use crate::controller::hubspot_account::once::Needs;
use crate::controller::shared::object::Object as _;
use crate::domain::declared::Declared;
use crate::domain::ids::ObjectKey;
use crate::registry::{GoogleAccount, HubSpotAccount};

/// What is to be checked.
pub(super) struct Chosen {
    /// Manifests of files that cannot be ones.
    pub(super) refused: Vec<RefusedManifest>,
    pub(super) events: Vec<(LoadedEvent, Declared)>,
    google: BTreeSet<ObjectKey>,
    hubspot: BTreeSet<ObjectKey>,
    /// The events are all that the namespace has.
    whole: bool,
}

/// Finds what people named.
///
/// # Errors
/// If something that they named is nowhere, nothing is there at all, or the cluster cannot be asked.
pub(super) async fn choose(offline: &Offline, names: &[String]) -> Result<Chosen, CommandError> {
    let (mut events, mut google, mut hubspot) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for given in names {
        if !given.contains('/') {
            events.push(parse_name(given).map_err(|why| format!("{:?}: {why}", foreign(given)))?);
            continue;
        }
        let object = parse_object(std::slice::from_ref(given))?;
        let key = ObjectKey::new(&offline.namespace, &object.name);
        match object.kind {
            KindName::Event => events.push(object.name),
            KindName::GoogleAds => {
                offline.named_google_account(&key).await?;
                google.insert(key);
            }
            KindName::HubSpot => {
                offline.named_hubspot_account(&key).await?;
                hubspot.insert(key);
            }
        }
    }
    let loaded = if events.is_empty() && !names.is_empty() {
        Vec::new()
    } else {
        offline.events(&events).await?
    };
    if names.is_empty() {
        let (all_google, all_hubspot) = offline.all_accounts().await?;
        google.extend(all_google);
        hubspot.extend(all_hubspot);
    }
    let events: Vec<_> = loaded
        .into_iter()
        .map(|loaded| {
            let declared = Declared::from_manifest(&loaded.event);
            (loaded, declared)
        })
        .collect();
    google.extend(events.iter().map(|(_, declared)| declared.google.clone()));
    hubspot.extend(events.iter().map(|(_, declared)| declared.hubspot.clone()));
    // Whatever is asked about: one of them may be what it needs.
    let refused = offline.manifests.refused.clone();
    if events.is_empty() && google.is_empty() && hubspot.is_empty() && refused.is_empty() {
        return Err(format!("namespace {} has no event and no account to check", offline.namespace).into());
    }
    Ok(Chosen {
        refused,
        events,
        google,
        hubspot,
        whole: names.is_empty() && offline.manifests.is_empty(),
    })
}

/// The other events that may want the same actions, as far as they can be
/// read: those of the files, and of the cluster in the same namespaces. True if all of the cluster could be read.
pub(super) async fn other_events(
    offline: &Offline,
    chosen: &Chosen,
) -> (Vec<(Declared, Option<AdConversionEventStatus>)>, bool) {
    let (mut all, mut all_known) = (BTreeMap::new(), true);
    let unread = chosen.events.iter().filter(|_| !chosen.whole);
    let namespaces: BTreeSet<&str> = unread.map(|(_, declared)| declared.key.namespace.as_str()).collect();
    for namespace in namespaces {
        // Without the right to list them only those of the files are known.
        let found = offline.events_of_cluster(namespace).await;
        all_known &= found.is_ok();
        for event in found.unwrap_or_default() {
            all.insert(event.key(), (Declared::from_manifest(&event), event.status));
        }
    }
    for (loaded, declared) in &chosen.events {
        all.insert(declared.key.clone(), (declared.clone(), loaded.event.status.clone()));
    }
    (all.into_values().collect(), all_known)
}

/// What is known of an account.
enum CheckedAccount<T> {
    Missing,
    Unknown(NotDone),
    Broken,
    Read(T),
}

impl<T> CheckedAccount<T> {
    const fn as_account(&self) -> AccountView<'_, T> {
        match self {
            Self::Missing => AccountView::Missing,
            Self::Unknown(why) => AccountView::Unknown(why),
            Self::Broken => AccountView::Broken,
            Self::Read(account) => AccountView::Read(account),
        }
    }
}

/// The accounts, each checked once.
#[derive(Default)]
pub(super) struct CheckedAccounts {
    google: BTreeMap<ObjectKey, CheckedAccount<GoogleAccount>>,
    hubspot: BTreeMap<ObjectKey, CheckedAccount<HubSpotAccount>>,
    /// Google accounts whose goals the operator manages.
    managed: BTreeSet<ObjectKey>,
    /// Secrets of Google accounts.
    secrets: BTreeMap<ObjectKey, String>,
}

impl CheckedAccounts {
    /// Checks the accounts, and adds what was found.
    pub(super) async fn check(
        offline: &Offline,
        chosen: &Chosen,
        progress: &Progress,
        into: &mut Vec<CheckedObject>,
    ) -> Self {
        let mut accounts = Self::default();
        for key in chosen.hubspot.iter().filter(|key| !key.name.is_empty()) {
            progress.say(format!("Checking HubSpotAccount {key}"));
            let known = accounts.check_hubspot(offline, chosen, key, into).await;
            accounts.hubspot.insert(key.clone(), known);
        }
        for key in chosen.google.iter().filter(|key| !key.name.is_empty()) {
            progress.say(format!("Checking GoogleAdsAccount {key}"));
            let known = accounts.check_google(offline, chosen, key, into).await;
            accounts.google.insert(key.clone(), known);
        }
        accounts
    }

    async fn check_hubspot(
        &self,
        offline: &Offline,
        chosen: &Chosen,
        key: &ObjectKey,
        into: &mut Vec<CheckedObject>,
    ) -> CheckedAccount<HubSpotAccount> {
        let object = match offline.hubspot_account(key).await {
            Ok(Some(object)) => object,
            Ok(None) => return CheckedAccount::Missing,
            Err(why) => return CheckedAccount::Unknown(why),
        };
        let users = chosen.events.iter().map(|(_, d)| d).filter(|d| d.hubspot == *key);
        let needs = users.fold(Needs::default(), |needs, declared| Needs {
            forms: needs.forms || declared.is_form(),
            deals: needs.deals || declared.needs_deals(),
        });
        let (probes, read) = check_hubspot(offline, &object, needs).await;
        let file = offline.manifests.hubspot.get(key).map(|(file, _)| file.as_str());
        into.push(CheckedObject::new("HubSpotAccount", key, file, probes));
        read.map_or(CheckedAccount::Broken, CheckedAccount::Read)
    }

    async fn check_google(
        &mut self,
        offline: &Offline,
        chosen: &Chosen,
        key: &ObjectKey,
        into: &mut Vec<CheckedObject>,
    ) -> CheckedAccount<GoogleAccount> {
        let object = match offline.google_account(key).await {
            Ok(Some(object)) => object,
            Ok(None) => return CheckedAccount::Missing,
            Err(why) => return CheckedAccount::Unknown(why),
        };
        if object.spec.manage_account_goals {
            self.managed.insert(key.clone());
        }
        if let Some(secret) = &object.spec.credentials_secret_ref {
            self.secrets.insert(key.clone(), secret.name.clone());
        }
        let mut users = chosen.events.iter().map(|(_, d)| d).filter(|d| d.google == *key);
        let shares = users.any(|declared| !declared.rules.share.is_empty());
        let (probes, read) = check_google(offline, &object, shares).await;
        let file = offline.manifests.google.get(key).map(|(file, _)| file.as_str());
        into.push(CheckedObject::new("GoogleAdsAccount", key, file, probes));
        read.map_or(CheckedAccount::Broken, CheckedAccount::Read)
    }

    pub(super) fn google(&self, key: &ObjectKey) -> AccountView<'_, GoogleAccount> {
        self.google
            .get(key)
            .map_or(AccountView::Missing, CheckedAccount::as_account)
    }

    pub(super) fn hubspot(&self, key: &ObjectKey) -> AccountView<'_, HubSpotAccount> {
        self.hubspot
            .get(key)
            .map_or(AccountView::Missing, CheckedAccount::as_account)
    }

    pub(super) fn manages_goals(&self, key: &ObjectKey) -> bool {
        self.managed.contains(key)
    }

    pub(super) fn google_secret(&self, key: &ObjectKey) -> Option<&str> {
        self.secrets.get(key).map(String::as_str)
    }
}
