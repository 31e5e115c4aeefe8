//! The operator without its event controller, and words to say what is expected of it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use adconversion_operator::api::AdConversionEvent;
use adconversion_operator::controller::runtime;
use adconversion_operator::controller::shared::context::{Context, Dependencies, Settings};
use adconversion_operator::controller::shared::error::Error;
use adconversion_operator::controller::shared::object::Object;
use adconversion_operator::controller::shared::reconciler::{Action, Reconciler};
use adconversion_operator::domain::conditions::find_condition;
use adconversion_operator::domain::ids::ObjectKey;
use adconversion_operator::ledger::SqlLedger;
use adconversion_operator::ops::{health::Probes, metrics::Metrics};
use adconversion_operator::ports::ledger::Ledger;
use adconversion_operator::registry::Registry;
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fake::{Google, HubSpot, World};
use crate::support::cluster::{cluster, namespace};
use crate::support::memory::Now;
use crate::support::wait::{is_so, until};

/// Longest wait for something that takes a few intervals of the settings below.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Events that this process has seen, with how often.
static SEEN: LazyLock<Mutex<BTreeMap<ObjectKey, usize>>> = LazyLock::new(Mutex::default);

/// Does nothing to events. Where one is named so, its first look breaks the controller, or its end the watch.
struct NoEvents;

impl Reconciler for NoEvents {
    type Object = AdConversionEvent;
    /// Breaks before there is anything to wait for: outside of the guards of a reconcile.
    fn reconcile(
        &self,
        event: Arc<AdConversionEvent>,
        _: Arc<Context>,
    ) -> impl Future<Output = Result<Action, Error>> + Send {
        let key = event.key();
        let first = {
            let mut seen = SEEN.lock();
            let count = seen.entry(key.clone()).or_default();
            *count += 1;
            *count == 1
        };
        assert!(!first || key.name != "breaks-the-controller", "as the test wants it");
        std::future::ready(Ok(Action::await_change()))
    }
    fn object_gone(&self, key: &ObjectKey, _: &Context) {
        assert!(key.name != "breaks-the-watch", "as the test wants it");
    }
}

/// Short ones.
pub fn settings() -> Settings {
    Settings {
        google_refresh_interval: Duration::from_secs(1),
        account_check_interval: Duration::from_millis(500),
        stalled_probe_interval: Duration::from_secs(3),
        failure_threshold: Duration::from_secs(3),
        backoff_max: Duration::from_secs(1),
        ..Settings::default()
    }
}

/// A namespace that nothing else uses.
pub async fn own_namespace(name: &str) -> String {
    let prefix = name.to_owned();
    // Starting the control plane blocks.
    tokio::task::spawn_blocking(move || namespace(&prefix)).await.unwrap()
}

/// A running operator (accounts only) in a namespace of its own.
pub struct Operator {
    pub client: Client,
    pub namespace: String,
    pub ledger: Arc<dyn Ledger>,
    pub registry: Registry,
    pub probes: Arc<Probes>,
    pub metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Operator {
    pub async fn start(name: &str, world: &Arc<World>) -> Self {
        let namespace = own_namespace(name).await;
        let ledger = SqlLedger::open("sqlite::memory:").await.unwrap();
        Self::start_in(namespace, world, Arc::new(ledger), settings()).await
    }

    pub async fn start_in(namespace: String, world: &Arc<World>, ledger: Arc<dyn Ledger>, settings: Settings) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = Kubeconfig::read_from(cluster().admin_kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
        let client = Client::try_from(config).unwrap();
        let (registry, wakes) = Registry::new();
        let (probes, metrics) = (Arc::new(Probes::default()), Arc::new(Metrics::new()));
        let dependencies = Dependencies {
            client: client.clone(),
            registry: registry.clone(),
            ledger: Arc::clone(&ledger),
            google: Arc::new(Google(Arc::clone(world))),
            crm: Arc::new(HubSpot(Arc::clone(world))),
            clock: Arc::new(Now),
            settings,
            metrics: Arc::clone(&metrics),
            probes: Arc::clone(&probes),
            namespaces: vec![namespace.clone()],
            instance: Some("test".into()),
        };
        let stop = CancellationToken::new();
        let task = tokio::spawn(runtime::run_controllers(dependencies, NoEvents, wakes, stop.clone()));
        Self {
            client,
            namespace,
            ledger,
            registry,
            probes,
            metrics,
            stop,
            task,
        }
    }

    pub fn api<K: Object>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn key(&self, name: &str) -> ObjectKey {
        ObjectKey::new(self.namespace.as_str(), name)
    }

    pub async fn create<K: Object>(&self, name: &str, spec: &Value) -> K {
        let object = json!({
            "apiVersion": K::api_version(&()), "kind": K::KIND,
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        });
        let object = serde_json::from_value(object).unwrap();
        self.api::<K>().create(&PostParams::default(), &object).await.unwrap()
    }

    pub async fn patch<K: Object>(&self, name: &str, patch: &Value) {
        self.api::<K>()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap();
    }

    pub async fn secret(&self, name: &str, data: &Value) {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(&secret))
            .await
            .unwrap();
    }

    /// Waits until the conditions contain all of `wanted`, given as `Type=Status/Reason`; `!Type` means absent.
    pub async fn wait<K: Object>(&self, name: &str, wanted: &[&str]) -> K {
        self.wait_for(name, |object: &K| wanted.iter().all(|w| holds(object, w)))
            .await
    }

    pub async fn wait_for<K: Object>(&self, name: &str, good: impl Fn(&K) -> bool) -> K {
        let found = async || {
            let object = self.api::<K>().get(name).await.unwrap();
            let generation = object
                .status()
                .map(|s| serde_json::to_value(s).unwrap()["observedGeneration"].clone());
            if generation == Some(json!(object.meta().generation)) && good(&object) {
                return Ok(object);
            }
            Err(serde_json::to_value(&object).unwrap())
        };
        until(&format!("what is wanted of {name}"), PATIENCE, found).await
    }

    /// Reasons of the Kubernetes Events about an object, once the wanted one is there.
    pub async fn told(&self, name: &str, wanted: &str) -> Vec<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let told = async || {
            let events = api.list(&ListParams::default()).await.unwrap().items;
            let about = |e: &Event| e.regarding.as_ref().is_some_and(|r| r.name.as_deref() == Some(name));
            let reasons: Vec<String> = events.into_iter().filter(about).filter_map(|e| e.reason).collect();
            if reasons.iter().any(|r| r == wanted) {
                Ok(reasons)
            } else {
                Err(reasons)
            }
        };
        until(&format!("the Event {wanted} about {name}"), PATIENCE, told).await
    }

    /// Waits until an event of this name was looked at so often.
    pub async fn seen(&self, name: &str, times: usize) {
        let key = self.key(name);
        let looked = async || is_so(SEEN.lock().get(&key).copied().unwrap_or_default() >= times);
        until(&format!("looks at {name}"), PATIENCE, looked).await;
    }

    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task)
            .await
            .expect("stops in time")
            .unwrap();
    }
}

/// True where the object has this condition, given as for [`Operator::wait`].
pub fn holds<K: Object>(object: &K, wanted: &str) -> bool {
    if let Some(absent) = wanted.strip_prefix('!') {
        return find_condition(object.conditions(), absent).is_none();
    }
    object
        .conditions()
        .iter()
        .any(|c| format!("{}={}/{}", c.type_, c.status, c.reason) == wanted)
}
