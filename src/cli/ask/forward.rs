//! A local port that leads to the admin API of a pod, as `kubectl port-forward` opens one.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use parking_lot::Mutex;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::cli::command_error::CommandError;
use crate::cli::kube_words::{ClusterRequest, RightGiver, Unanswered, UnansweredKind};
use crate::domain::brief::brief;
use crate::ports::unreached::describe_io;

/// A local port that leads to a pod until this is dropped or ended.
pub(super) struct Forward {
    /// Where it listens, on loopback.
    pub(super) address: SocketAddr,
    listens: JoinHandle<()>,
    lost: Lost,
}

/// Why the latest connection was lost. While it says so itself nobody need ask.
#[derive(Clone, Default)]
struct Lost {
    why: Arc<Mutex<Option<Unanswered>>>,
    aloud: Arc<AtomicBool>,
}

impl Lost {
    fn note(&self, why: Unanswered) {
        if self.aloud.load(Ordering::Relaxed) {
            eprintln!("A connection was lost. {why}");
        }
        *self.why.lock() = Some(why);
    }
}

impl Forward {
    /// Why the latest connection was lost.
    pub(super) fn why_lost(&self) -> Option<Unanswered> {
        self.lost.why.lock().clone()
    }

    /// From now on stderr says which connections are lost.
    pub(super) fn say_losses(&self) {
        self.lost.aloud.store(true, Ordering::Relaxed);
    }

    /// Frees the local port.
    pub(super) async fn end(mut self) {
        self.listens.abort();
        // It was told to end: that it did not end by itself is no news.
        let _ = (&mut self.listens).await;
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.listens.abort();
    }
}

/// Listens on this port of loopback (0: any that is free), and leads each connection to that port of the pod.
///
/// # Errors
/// If the local port is taken.
pub(super) async fn forward_port(pods: Api<Pod>, pod: String, port: u16, local: u16) -> Result<Forward, CommandError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, local)).await;
    let listener = listener.map_err(|error| {
        let why = describe_io(&error);
        format!("port {local} of this machine can't be listened on: {why}. Name another one")
    })?;
    let address = listener.local_addr()?;
    let lost = Lost::default();
    let noted = lost.clone();
    let listens = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (pods, pod, noted) = (pods.clone(), pod.clone(), noted.clone());
            tokio::spawn(async move {
                if let Err(why) = lead(&pods, &pod, port, stream).await {
                    noted.note(why);
                }
            });
        }
    });
    Ok(Forward { address, listens, lost })
}

async fn lead(pods: &Api<Pod>, pod: &str, port: u16, mut local: TcpStream) -> Result<(), Unanswered> {
    let namespace = pods.namespace().unwrap_or_default();
    let doing = format!("forward port {port} of pod {namespace}/{pod}");
    let request = ClusterRequest {
        verb: "get",
        resource: "pods/portforward",
        doing: &doing,
        namespace: Some(namespace),
        giver: RightGiver::Questions,
    };
    let opened = pods.portforward(pod, &[port]).await;
    let mut forwarder = opened.map_err(|error| request.explain(&error))?;
    let failed = |why: String| Unanswered::new(format!("You can't {doing}: {why}."), UnansweredKind::Failed);
    let mut remote = forwarder
        .take_stream(port)
        .ok_or_else(|| failed("the API server opened no stream".to_owned()))?;
    // Either side may end first.
    let _ = copy_bidirectional(&mut local, &mut remote).await;
    drop(remote);
    forwarder.join().await.map_err(|error| failed(brief(error)))
}
