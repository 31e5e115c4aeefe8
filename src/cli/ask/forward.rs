//! A local port that leads to the admin API of a pod, as `kubectl port-forward` opens one.

use std::net::{Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::cli::command_error::CommandError;

/// A local port that leads to a pod until this is dropped or ended.
pub(super) struct Forward {
    /// Where it listens, on loopback.
    pub(super) address: SocketAddr,
    listens: JoinHandle<()>,
}

impl Forward {
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
    let listener = listener.map_err(|error| format!("port {local} of this machine can't be listened on: {error}"))?;
    let address = listener.local_addr()?;
    let listens = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (pods, pod) = (pods.clone(), pod.clone());
            tokio::spawn(async move {
                if let Err(error) = lead(&pods, &pod, port, stream).await {
                    eprintln!("The connection to pod {pod} was lost: {error}");
                }
            });
        }
    });
    Ok(Forward { address, listens })
}

async fn lead(pods: &Api<Pod>, pod: &str, port: u16, mut local: TcpStream) -> Result<(), CommandError> {
    let mut forwarder = pods.portforward(pod, &[port]).await?;
    let mut remote = forwarder.take_stream(port).ok_or("the API server opened no stream")?;
    // Either side may end first.
    let _ = copy_bidirectional(&mut local, &mut remote).await;
    drop(remote);
    forwarder.join().await?;
    Ok(())
}
