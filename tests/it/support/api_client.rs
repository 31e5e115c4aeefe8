//! Reads of our own kinds over one connection. A process of kubectl for each look costs more than all it looks at.

use std::path::Path;

use axum::http::{Request, StatusCode};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// Tries of a read: a connection from before a restart of the API server breaks with the first use.
const TRIES: u32 = 3;

/// A client of one cluster.
pub struct Reader {
    runtime: Runtime,
    client: kube::Client,
}

impl Reader {
    /// For a kubeconfig.
    pub fn new(kubeconfig: &Path) -> Self {
        // Whoever comes first installs it for the whole process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
            let options = KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(file, &options).await;
            kube::Client::try_from(config.expect("a configuration")).expect("a client")
        });
        Self { runtime, client }
    }

    /// An object (`adce/NAME`), or all of a kind (`adce`); null where there is none. `None` for other kinds than ours.
    pub fn get(&self, namespace: &str, object: &str) -> Option<Value> {
        let (kind, name) = object.split_once('/').map_or((object, ""), |(k, n)| (k, n));
        let plural = match kind {
            "adce" => "adconversionevents",
            "gaa" => "googleadsaccounts",
            "hsa" => "hubspotaccounts",
            _ => return None,
        };
        let path = format!("/apis/adconversion.dev/v1alpha1/namespaces/{namespace}/{plural}/{name}");
        let mut failure = None;
        for _ in 0..TRIES {
            match self.read(path.trim_end_matches('/')) {
                Ok(found) => return Some(found),
                Err(error) => failure = Some(error),
            }
        }
        panic!("{object} can't be read: {failure:?}")
    }

    fn read(&self, path: &str) -> Result<Value, kube::Error> {
        let request = Request::get(path).body(vec![]).expect("a request");
        match self.runtime.block_on(self.client.request(request)) {
            Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => Ok(Value::Null),
            found => found,
        }
    }
}
