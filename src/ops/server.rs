//! Serves health and metrics to whoever can reach the port, so that nobody there can use up the process: HTTP/1 only, a time
//! limit for headers, for a connection and for the end, and few connections of one host at once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Longest wait for the headers of a request, also between two requests.
const HEADERS: Duration = Duration::from_secs(5);
/// Longest life of a connection: scrapers connect again.
const LIFE: Duration = Duration::from_mins(2);
/// Longest wait for answers under way when the process stops.
const END: Duration = Duration::from_secs(2);
/// Pause after a connection could not be accepted, as where file descriptors are used up.
const PAUSE: Duration = Duration::from_millis(200);
/// Connections at once, of all hosts and of one: the kubelet and Prometheus need one or two each.
const CONNECTIONS: usize = 128;
const OF_ONE: usize = 16;

/// Answers until `stop`.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let open = Arc::new(Open::default());
    let mut connections = JoinSet::new();
    while !stop.is_cancelled() {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            // Whoever has too many open is not listened to: his connection is closed.
            Ok((stream, peer)) => {
                if let Some(place) = Open::take(&open, peer.ip()) {
                    connections.spawn(connection(stream, router.clone(), stop.clone(), place));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a connection to health and metrics could not be accepted");
                let _ = tokio::time::timeout(PAUSE, stop.cancelled()).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // What has not ended then is dropped.
    let _ = tokio::time::timeout(END, ended).await;
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken, _place: Place) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    // How a connection of somebody else ends is nothing to tell.
    let _ = tokio::time::timeout(LIFE, async {
        tokio::select! {
            ended = served.as_mut() => return ended,
            () = stop.cancelled() => served.as_mut().graceful_shutdown(),
        }
        served.await
    })
    .await;
}

/// Open connections by host.
#[derive(Default)]
struct Open(Mutex<HashMap<IpAddr, usize>>);

/// One of them; free again when it goes.
struct Place {
    open: Arc<Open>,
    host: IpAddr,
}

impl Open {
    fn take(this: &Arc<Self>, host: IpAddr) -> Option<Place> {
        let mut counts = this.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let count = counts.entry(host).or_default();
        if all >= CONNECTIONS || *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place {
            open: Arc::clone(this),
            host,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::task::JoinHandle;

    use super::*;

    async fn start() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "ok"));
        let task = tokio::spawn(serve(listener, router, stop.clone()));
        (address, stop, task)
    }

    /// What the server says to this, until it closes.
    async fn say(address: SocketAddr, text: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text).await.unwrap();
        let mut answer = Vec::new();
        // A connection may be reset where the rest is not read.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn half_open_requests_hold_up_neither_others_nor_the_end() {
        let (address, stop, task) = start().await;
        let mut half = Vec::new();
        for _ in 0..OF_ONE + 10 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await;
            half.push(stream);
        }
        // Those beyond the limit are closed at once.
        let begun = Instant::now();
        let mut byte = [0];
        assert!(
            half.last_mut()
                .unwrap()
                .read(&mut byte)
                .await
                .map_or(true, |read| read == 0)
        );
        assert!(begun.elapsed() < HEADERS);
        // The others after the time limit; then there is room again.
        let _ = half[0].read(&mut byte).await;
        assert!(begun.elapsed() < HEADERS + Duration::from_secs(20));
        let begun = Instant::now();
        while !say(address, GET).await.contains("200 OK") {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut last = TcpStream::connect(address).await.unwrap();
        last.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        stop.cancel();
        let begun = Instant::now();
        task.await.unwrap();
        assert!(begun.elapsed() < END + Duration::from_secs(10));
    }

    #[tokio::test]
    async fn it_speaks_http_1_only() {
        let (address, stop, task) = start().await;
        assert!(say(address, GET).await.contains("200 OK"));
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
        let answer = say(address, preface).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        stop.cancel();
        task.await.unwrap();
    }
}
