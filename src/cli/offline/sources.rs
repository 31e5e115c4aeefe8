//! Where manifests come from: files, or the cluster.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::object::HasStatus;
use kube::{Client, Resource};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use super::documents;
use super::manifests::{FromFiles, Manifests};
use super::objects::{self, NotDone, UNJUDGED, Verified};
use super::read_only::{NoMetrics, ReadOnly};
use crate::api::{AdConversionEvent, GoogleAdsAccount, HubSpotAccount};
use crate::cli::cluster::ConnectFlags;
use crate::cli::command_error::CommandError;
use crate::cli::endpoints::EndpointFlags;
use crate::cli::kube_words::{RightGiver, Unanswered, UnansweredKind, Unconfigured};
use crate::controller::shared::object::Object;
use crate::domain::ids::ObjectKey;
use crate::ops::vendor_clock::VendorClock;
use crate::ports::{Clock, CrmConnector, GoogleConnector};
use crate::upstream::google;
use crate::upstream::hubspot::HubSpotConnector;

/// The way out of those who gave files, and set up a cluster that is of no use.
const FILES_ALONE: &str = ". To look at the files alone, set KUBECONFIG=/dev/null";

/// Where manifests are, and how the cluster, HubSpot and Google are reached.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct OfflineFlags {
    /// Manifests: a file, a directory with files, or - for standard input. May be given several times. Accounts and
    /// Secrets that they name are looked for there first, then in the cluster.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    cluster: ConnectFlags,
    #[command(flatten)]
    endpoints: EndpointFlags,
}

/// Manifests, the cluster, and the way to HubSpot and Google. No `Debug`: Secrets are in here.
pub(in crate::cli) struct Offline {
    /// What stands in the files.
    pub(in crate::cli) manifests: Manifests,
    /// The namespace of names without one.
    pub(in crate::cli) namespace: String,
    pub(super) cluster: Result<Client, NotDone>,
    /// Why the cluster could not be reached: it is not asked again.
    unreached: OnceLock<NotDone>,
    /// Questions that the cluster did not answer: what they would have shown is not known.
    unanswered: Mutex<BTreeSet<String>>,
    pub(super) google: Arc<google::GoogleConnector>,
    pub(super) crm: Arc<HubSpotConnector>,
    clock: Arc<VendorClock>,
}

/// An event, and where it comes from.
#[derive(Debug, Clone)]
pub(in crate::cli) struct LoadedEvent {
    /// As it stands in the file, with the status of the cluster; or
    /// as the cluster has it. One that is not applied yet begins now.
    pub(in crate::cli) event: AdConversionEvent,
    /// `None`: from the cluster.
    pub(in crate::cli) file: Option<String>,
    /// The cluster has an event of this name.
    pub(in crate::cli) applied: bool,
    /// Why it is not known whether it is applied.
    pub(in crate::cli) doubt: Option<NotDone>,
}

impl OfflineFlags {
    /// True if manifests come out of files.
    pub(in crate::cli) const fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Which cluster.
    pub(in crate::cli) const fn cluster(&self) -> &ConnectFlags {
        &self.cluster
    }

    /// Reads the files and the kubeconfig; nobody is asked yet.
    ///
    /// # Errors
    /// If a file cannot be read, the cluster that is set up cannot be used, or there is none and one is needed.
    pub(in crate::cli) async fn open(&self) -> Result<Offline, CommandError> {
        let documents = documents::read_documents(&self.files)?;
        let connected = self.cluster.connect().await;
        if let Err(error) = &connected
            && !(self.has_files() && error.is::<Unconfigured>())
        {
            let alone = if self.has_files() { FILES_ALONE } else { "" };
            let why = error.to_string();
            return Err(format!("no cluster can be asked: {}{alone}", why.trim_end_matches('.')).into());
        }
        let named = self.cluster.named_namespace();
        let (cluster, usual) = match connected {
            Ok((client, namespace)) => (Ok(client), namespace),
            Err(error) => (
                Err(NotDone(format!("no cluster can be asked: {error}"))),
                "default".to_owned(),
            ),
        };
        let namespace = named.map_or(usual, str::to_owned);
        let manifests = Manifests::from_documents(documents, &namespace, named);
        if self.has_files() && manifests.is_empty() && !manifests.has_secrets() {
            return Err("the files hold no AdConversionEvent, GoogleAdsAccount, HubSpotAccount or Secret".into());
        }
        let http = self.endpoints.http_client()?;
        let clock = Arc::new(VendorClock::new(Arc::new(NoMetrics)));
        // The operator's own identity cannot be used here; that of whoever runs the command stands in for it.
        let config = self.endpoints.google_config(vec!["*".to_owned()]);
        let google = google::GoogleConnector::new(config, http.clone(), clock.clone());
        Ok(Offline {
            manifests,
            namespace,
            cluster,
            unreached: OnceLock::new(),
            unanswered: Mutex::default(),
            google: Arc::new(google.permitted_by(Arc::new(ReadOnly))),
            crm: Arc::new(HubSpotConnector::new(
                self.endpoints.hubspot_config(),
                http,
                clock.clone(),
            )),
            clock,
        })
    }
}

impl Offline {
    /// Makes clients of Google's that change nothing.
    pub(in crate::cli) fn google_connector(&self) -> Arc<dyn GoogleConnector> {
        self.google.clone()
    }

    /// Makes clients of HubSpot's.
    pub(in crate::cli) fn crm_connector(&self) -> Arc<dyn CrmConnector> {
        self.crm.clone()
    }

    /// See [`Self::now`].
    pub(in crate::cli) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Now, by the clocks of HubSpot and Google where they say that this machine's is wrong.
    pub(in crate::cli) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The events of these names, from the files or else the cluster. Without
    /// names: all of the files, or if there are no files all of the namespace.
    ///
    /// # Errors
    /// If one is nowhere, or the cluster cannot be asked.
    pub(in crate::cli) async fn events(&self, names: &[String]) -> Result<Vec<LoadedEvent>, NotDone> {
        let mut loaded = Vec::new();
        if names.is_empty() && self.manifests.is_empty() {
            for event in self.list::<AdConversionEvent>(&self.namespace).await? {
                loaded.push(LoadedEvent::applied(event));
            }
        } else if names.is_empty() {
            for (file, event) in self.manifests.events.values() {
                loaded.push(self.load(file, event).await);
            }
        }
        for name in names {
            let key = ObjectKey::new(&self.namespace, name);
            if let Some((file, event)) = self.manifests.events.get(&key) {
                loaded.push(self.load(file, event).await);
            } else if self.manifests.refusal_of("AdConversionEvent", &key).is_none() {
                // A refused one is listed among the refused.
                let hint = self.manifests.elsewhere(&key);
                let found = self.get::<AdConversionEvent>(&key).await;
                let found = found.map_err(|why| NotDone(format!("{}{hint}", why.0)))?;
                let event = found.ok_or_else(|| {
                    let files = self.manifests.nor_here();
                    NotDone(format!("AdConversionEvent {key} is not in the cluster{files}.{hint}"))
                })?;
                loaded.push(LoadedEvent::applied(event));
            }
        }
        Ok(loaded)
    }

    /// Events of the cluster in a namespace, if it can be asked; none if it does not have the definitions yet.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::cli) async fn events_of_cluster(&self, namespace: &str) -> Result<Vec<AdConversionEvent>, NotDone> {
        let client = self.client(|why| format!("The events of namespace {namespace} are not known: {why}"))?;
        match objects::list(client, namespace).await {
            Err(unanswered) if unanswered.kind == UnansweredKind::UnknownKind => Ok(Vec::new()),
            answer => self.note(answer),
        }
    }

    /// What the cluster was asked and did not answer: what was found without it is not the whole.
    pub(in crate::cli) fn unanswered(&self) -> Vec<String> {
        self.unanswered.lock().iter().cloned().collect()
    }

    /// True if it is one of [`Self::unanswered`]. Where nobody has set up a cluster, none need be there.
    pub(in crate::cli) fn is_missing(&self, why: &NotDone) -> bool {
        self.unanswered.lock().contains(&why.0)
    }

    /// A Google account object, from the files or else the cluster; `None` if it is nowhere.
    ///
    /// # Errors
    /// If it is not in the files and the cluster cannot be asked.
    pub(in crate::cli) async fn google_account(&self, key: &ObjectKey) -> Result<Option<GoogleAdsAccount>, NotDone> {
        self.object(&self.manifests.google, key).await
    }

    /// A HubSpot account object, as [`Self::google_account`].
    ///
    /// # Errors
    /// If it is not in the files and the cluster cannot be asked.
    pub(in crate::cli) async fn hubspot_account(&self, key: &ObjectKey) -> Result<Option<HubSpotAccount>, NotDone> {
        self.object(&self.manifests.hubspot, key).await
    }

    /// The same of an account that people named.
    ///
    /// # Errors
    /// If it is nowhere, or the cluster cannot be asked.
    pub(in crate::cli) async fn named_google_account(&self, key: &ObjectKey) -> Result<GoogleAdsAccount, NotDone> {
        self.google_account(key)
            .await?
            .ok_or_else(|| nowhere::<GoogleAdsAccount>(key))
    }

    /// The same as [`Self::named_google_account`].
    ///
    /// # Errors
    /// If it is nowhere, or the cluster cannot be asked.
    pub(in crate::cli) async fn named_hubspot_account(&self, key: &ObjectKey) -> Result<HubSpotAccount, NotDone> {
        self.hubspot_account(key)
            .await?
            .ok_or_else(|| nowhere::<HubSpotAccount>(key))
    }

    /// All account objects, Google's and HubSpot's: of the files, or if there are no files of the namespace.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub(in crate::cli) async fn all_accounts(&self) -> Result<(Vec<ObjectKey>, Vec<ObjectKey>), NotDone> {
        if !self.manifests.is_empty() {
            let (google, hubspot) = (&self.manifests.google, &self.manifests.hubspot);
            return Ok((google.keys().cloned().collect(), hubspot.keys().cloned().collect()));
        }
        let google = self.list::<GoogleAdsAccount>(&self.namespace).await?;
        let hubspot = self.list::<HubSpotAccount>(&self.namespace).await?;
        let keys = (google.iter().map(Object::key), hubspot.iter().map(Object::key));
        Ok((keys.0.collect(), keys.1.collect()))
    }

    /// Has the API server judge an event of a file as `kubectl apply --dry-run=server` does; nothing is changed.
    pub(in crate::cli) async fn dry_run(&self, event: &AdConversionEvent) -> Verified {
        let unasked = || Verified::Unasked(UNJUDGED.to_owned());
        let Ok(client) = self.client(str::to_owned) else {
            return unasked();
        };
        match objects::dry_run(client, event).await {
            Err(unanswered) if unanswered.kind == UnansweredKind::UnknownKind => unasked(),
            answer => match self.note(answer) {
                Ok(verified) => verified,
                Err(why) if self.is_missing(&why) => Verified::Unknown(why),
                Err(_) => unasked(),
            },
        }
    }

    async fn object<K>(&self, files: &FromFiles<K>, key: &ObjectKey) -> Result<Option<K>, NotDone>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + HasStatus + Clone + DeserializeOwned + Debug,
        K::Status: Clone,
    {
        let Some((_, manifest)) = files.get(key) else {
            let kind = K::kind(&());
            return match self.manifests.refusal_of(&kind, key) {
                Some(refused) => Err(NotDone(format!("{kind} {key} cannot be used: see {refused}"))),
                None => self.get(key).await,
            };
        };
        let mut object = manifest.clone();
        // What the operator has seen of it counts too, where that can be asked.
        if let Ok(Some(live)) = self.get::<K>(key).await {
            object.meta_mut().clone_from(live.meta());
            *object.status_mut() = live.status().cloned();
        }
        Ok(Some(object))
    }

    async fn load(&self, file: &str, manifest: &AdConversionEvent) -> LoadedEvent {
        let mut event = manifest.clone();
        event.status = None;
        let live = match &self.cluster {
            Ok(_) => self.get::<AdConversionEvent>(&event.key()).await,
            // Nobody has set up a cluster.
            Err(_) => Ok(None),
        };
        let (live, doubt) = match live {
            Ok(live) => (live, None),
            Err(why) => (None, Some(why)),
        };
        let applied = live.is_some();
        if let Some(live) = live {
            event.metadata = live.metadata;
            event.status = live.status;
        } else {
            event.metadata.creation_timestamp = Some(Time(self.now()));
        }
        LoadedEvent {
            event,
            file: Some(file.to_owned()),
            applied,
            doubt,
        }
    }

    async fn get<K>(&self, key: &ObjectKey) -> Result<Option<K>, NotDone>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let client = self.client(in_no_file(&format!("{} {key}", K::kind(&()))))?;
        let from_files = !self.manifests.is_empty();
        let giver = if from_files {
            RightGiver::CheckFiles
        } else {
            RightGiver::Check
        };
        self.note(objects::get(client, key, giver).await)
    }

    async fn list<K>(&self, namespace: &str) -> Result<Vec<K>, NotDone>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let client =
            self.client(|why| format!("The {} of namespace {namespace} are not known: {why}", K::plural(&())))?;
        self.note(objects::list(client, namespace).await)
    }

    /// The client of the cluster; `words`: what it means that there is none, and why.
    pub(super) fn client(&self, words: impl FnOnce(&str) -> String) -> Result<&Client, NotDone> {
        if let Some(why) = self.unreached.get() {
            return Err(why.clone());
        }
        self.cluster.as_ref().map_err(|NotDone(why)| NotDone(words(why)))
    }

    /// Remembers what the cluster does not answer.
    pub(super) fn note<T>(&self, answer: Result<T, Unanswered>) -> Result<T, NotDone> {
        answer.map_err(|unanswered| {
            let why = NotDone(unanswered.of_all().to_owned());
            if unanswered.of_cluster().is_some() {
                let _ = self.unreached.set(why.clone());
            }
            self.unanswered.lock().insert(why.0.clone());
            why
        })
    }
}

fn nowhere<K: Resource<DynamicType = ()>>(key: &ObjectKey) -> NotDone {
    NotDone(format!(
        "{} {key} is neither in the files nor in the cluster.",
        K::kind(&())
    ))
}

/// What it means for an object that there is no cluster.
pub(super) fn in_no_file(object: &str) -> impl FnOnce(&str) -> String {
    move |why| format!("{object} is in none of the files, and {why}")
}

impl LoadedEvent {
    const fn applied(event: AdConversionEvent) -> Self {
        Self {
            event,
            file: None,
            applied: true,
            doubt: None,
        }
    }
}
