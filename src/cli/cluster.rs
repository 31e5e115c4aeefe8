//! Which cluster and which namespaces a command is about: the flags people know from kubectl.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::command_error::CommandError;
use super::kube_words::{explain_client, explain_inferred, explain_kubeconfig};
use super::names::{check_namespace, parse_namespace};
use super::output::foreign;
use crate::controller::runtime::make_proxy_usable;

/// Longest wait for a connection, and for an answer, of the Kubernetes API.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// Labels that every pod of the chart has, whatever the release is called.
pub const OPERATOR_LABELS: &str = "app.kubernetes.io/part-of=adconversion,app.kubernetes.io/component=operator";

/// Which cluster, and which namespace of it.
#[derive(Debug, Clone, Args)]
pub struct ConnectFlags {
    /// Kubeconfig file. If absent: $KUBECONFIG, or ~/.kube/config, or the service account of the pod.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. If absent: the current one.
    #[arg(long)]
    context: Option<String>,
    /// Namespace. If absent: the one of the context.
    #[arg(long, short, value_parser = parse_namespace)]
    namespace: Option<String>,
}

/// The same for commands that may be about all namespaces.
#[derive(Debug, Clone, Args)]
pub struct ClusterFlags {
    #[command(flatten)]
    connect: ConnectFlags,
    /// All namespaces.
    #[arg(long, short = 'A', conflicts_with = "namespace")]
    all_namespaces: bool,
}

/// A cluster, and what of it is meant.
pub struct Cluster {
    /// Speaks with its API server, with the user's own rights.
    pub client: Client,
    /// The one namespace; `None`: all.
    pub namespace: Option<String>,
}

impl ClusterFlags {
    /// Reads the kubeconfig; nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// Where there is no usable kubeconfig, or no such context.
    pub async fn connect(&self) -> Result<Cluster, CommandError> {
        let (client, namespace) = self.connect.connect().await?;
        let namespace = (!self.all_namespaces).then_some(namespace);
        Ok(Cluster { client, namespace })
    }
}

impl ConnectFlags {
    /// A client with the user's own rights, and the namespace that is meant. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// Where there is no usable kubeconfig, or no such context.
    pub async fn connect(&self) -> Result<(Client, String), CommandError> {
        let mut config = self.kube_config().await?;
        make_proxy_usable(&mut config)?;
        config.connect_timeout = Some(CONNECT_LIMIT);
        config.read_timeout = Some(ANSWER_LIMIT);
        let namespace = self.namespace.as_ref().unwrap_or(&config.default_namespace).clone();
        check_namespace(&namespace).map_err(|rule| {
            let given = foreign(&namespace);
            format!("the context of the kubeconfig has the namespace {given:?}, which is not a valid name. {rule}")
        })?;
        let client = Client::try_from(config).map_err(|error| explain_client(&error))?;
        Ok((client, namespace))
    }

    /// The namespace, if it is named.
    pub fn named_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    async fn kube_config(&self) -> Result<Config, CommandError> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        let found = match &self.kubeconfig {
            Some(file) => match Kubeconfig::read_from(file) {
                Ok(read) => Config::from_custom_kubeconfig(read, &options).await,
                Err(error) => Err(error),
            },
            // Only a kubeconfig has contexts.
            None if self.context.is_some() => Config::from_kubeconfig(&options).await,
            None => {
                let variable = env::var_os("KUBECONFIG").is_some_and(|names| !names.is_empty());
                let inferred = Config::infer().await;
                return inferred.map_err(|error| explain_inferred(&error, variable));
            }
        };
        Ok(found.map_err(|error| explain_kubeconfig(&error))?)
    }
}

/// Chooses what encrypts the calls of this process. Once, before the first of them.
///
/// # Errors
/// If that has been done already.
pub fn install_tls() -> Result<(), CommandError> {
    let installed = rustls::crypto::ring::default_provider().install_default();
    installed.map_err(|_| "another TLS provider is installed already".into())
}

/// Runs a command that asks a cluster, to its end.
///
/// # Errors
/// Those of the command, or if it cannot begin.
pub fn run_command<T>(command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    install_tls()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command)
}
