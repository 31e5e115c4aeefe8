//! A local port that leads to the admin API of a pod, as `kubectl port-forward` opens one.

use std::net::{Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::cli::command_error::CommandError;

/// Listens on loopback, and leads each connection to this port of the pod, until the process ends.
pub(super) async fn forward_port(
    pods: Api<Pod>,
    pod: String,
    port: u16,
    local: u16,
) -> Result<SocketAddr, CommandError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, local)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (pods, pod) = (pods.clone(), pod.clone());
            tokio::spawn(async move {
                if let Err(error) = lead(&pods, &pod, port, stream).await {
                    eprintln!("The connection to pod {pod} was lost: {error}");
                }
            });
        }
    });
    Ok(address)
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
