//! Serves health, metrics and the admin API to whoever can reach the port, so that nobody there can use up the process:
//! HTTP/1 only, one answer a connection, time limits for headers, for a connection and for the end, and so many
//! connections at once. Where one comes beyond that, the oldest of those who have the most open makes room: many
//! scrapers behind one address are served as long as nobody else needs the place, and whoever opens hundreds crowds out
//! nobody but themselves.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Longest wait for the headers of a request.
const HEADERS: Duration = Duration::from_secs(5);
/// Longest life of a connection to health and metrics: its headers, and an answer that is read slowly.
const LIFE: Duration = Duration::from_secs(20);
/// Longest wait for answers under way when the process stops.
const END: Duration = Duration::from_secs(2);
/// Pause after a connection could not be accepted, as where file descriptors are used up.
const PAUSE: Duration = Duration::from_millis(200);
/// Connections at once.
const CONNECTIONS: usize = 128;
/// Most bytes of headers.
const HEADER_BYTES: usize = 16 << 10;

/// Answers until `stop`, on a thread of its own: however busy all others are, probes get an answer. What comes
/// back ends with it, with an error where it ended by a panic.
///
/// # Errors
/// Where there is no thread for it.
pub fn serve_apart(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> io::Result<oneshot::Receiver<()>> {
    let listener = listener.into_std()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (ended, end) = oneshot::channel();
    std::thread::Builder::new()
        .name("health and metrics".to_owned())
        .spawn(move || {
            let served = runtime.block_on(async move {
                serve_http(TcpListener::from_std(listener)?, router, LIFE, stop).await;
                io::Result::Ok(())
            });
            if served.is_ok() {
                let _ = ended.send(());
            }
        })?;
    Ok(end)
}

/// Answers until `stop`. `life`: the longest life of a connection, answer and all.
pub async fn serve_http(listener: TcpListener, router: Router, life: Duration, stop: CancellationToken) {
    let mut open = OpenConnections::default();
    while !stop.is_cancelled() {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            () = open.wait_for_end(), if !open.peers.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let network = network_of(peer.ip());
                open.make_room(network).await;
                open.begin_connection(network, serve_connection(stream, router.clone(), life, stop.clone()));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                let _ = tokio::time::timeout(PAUSE, stop.cancelled()).await;
            }
        }
    }
    drop(listener);
    let ended = async { while open.tasks.join_next().await.is_some() {} };
    // What has not ended then is dropped.
    let _ = tokio::time::timeout(END, ended).await;
}

async fn serve_connection(stream: TcpStream, router: Router, life: Duration, stop: CancellationToken) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEADER_BYTES)
        // Between two probes or scrapes lies more than a connection's life.
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    // How a client's connection ends is not worth a log line.
    let _ = tokio::time::timeout(life, async {
        tokio::select! {
            ended = served.as_mut() => return ended,
            () = stop.cancelled() => served.as_mut().graceful_shutdown(),
        }
        served.await
    })
    .await;
}

/// Hosts in one IPv6 network can use any address of it, so the connections of a network count together.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Open connections.
#[derive(Default)]
struct OpenConnections {
    tasks: JoinSet<()>,
    peers: HashMap<Id, Peer>,
    accepted: u64,
}

struct Peer {
    network: IpAddr,
    /// Which connection since the start.
    number: u64,
    task: AbortHandle,
}

impl OpenConnections {
    fn begin_connection(&mut self, network: IpAddr, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(work);
        self.accepted += 1;
        let number = self.accepted;
        self.peers.insert(task.id(), Peer { network, number, task });
    }

    /// Waits until a connection has ended.
    async fn wait_for_end(&mut self) {
        let id = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return,
        };
        self.peers.remove(&id);
    }

    /// Waits until there is room for one more. A descriptor is free
    /// once its connection has ended, not once it was asked to end.
    async fn make_room(&mut self, newcomer: IpAddr) {
        while self.peers.len() >= CONNECTIONS {
            if let Some(peer) = self.least_needed(newcomer) {
                peer.task.abort();
            }
            self.wait_for_end().await;
        }
    }

    /// The oldest connection of the network that has the most, the newcomer counted.
    fn least_needed(&self, newcomer: IpAddr) -> Option<&Peer> {
        let mut counts = HashMap::from([(newcomer, 1_usize)]);
        for peer in self.peers.values() {
            *counts.entry(peer.network).or_default() += 1;
        }
        self.peers
            .values()
            .max_by_key(|peer| (counts.get(&peer.network).copied(), Reverse(peer.number)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;
    use tokio::task::JoinHandle;

    use super::*;

    async fn start() -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "ok"));
        let task = tokio::spawn(serve_http(listener, router, LIFE, stop.clone()));
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

    /// Connects from this address of the loopback network.
    async fn connect_from(source: &str, address: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        socket.connect(address).await.unwrap()
    }

    async fn half_open(source: &str, address: SocketAddr) -> TcpStream {
        let mut stream = connect_from(source, address).await;
        // It may be closed already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: ").await;
        stream
    }

    async fn is_closed(stream: &mut TcpStream) -> bool {
        stream.read(&mut [0]).await.map_or(true, |read| read == 0)
    }

    #[tokio::test]
    async fn half_open_requests_hold_up_neither_others_nor_the_end() {
        let (address, stop, task) = start().await;
        let mut half = Vec::new();
        let begun = Instant::now();
        for _ in 0..CONNECTIONS + 10 {
            half.push(half_open("127.0.0.1", address).await);
        }
        // The oldest have made room, and whoever shares the address is served.
        for stream in &mut half[..10] {
            assert!(is_closed(stream).await);
        }
        assert!(say(address, GET).await.contains("200 OK"));
        assert!(begun.elapsed() < HEADERS, "nobody waited for a time limit");
        // The others end by it.
        assert!(is_closed(half.last_mut().unwrap()).await);
        assert!(begun.elapsed() < HEADERS + Duration::from_secs(20));
        let _last = half_open("127.0.0.1", address).await;
        stop.cancel();
        let begun = Instant::now();
        task.await.unwrap();
        assert!(begun.elapsed() < END + Duration::from_secs(10));
    }

    #[tokio::test]
    async fn whoever_has_the_most_connections_makes_room() {
        let (address, stop, task) = start().await;
        let mut quiet = half_open("127.0.0.2", address).await;
        let mut many = Vec::new();
        for _ in 0..2 * CONNECTIONS {
            many.push(half_open("127.0.0.3", address).await);
        }
        assert!(is_closed(&mut many[CONNECTIONS]).await);
        quiet.write_all(b"a\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        quiet.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("200 OK"), "{answer}");
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn headers_have_a_limit() {
        let (address, stop, task) = start().await;
        let large = [b"GET / HTTP/1.1\r\na: ".as_slice(), &vec![b'x'; 1 << 20], b"\r\n\r\n"].concat();
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The rest may be refused before it is written.
        let _ = stream.write_all(&large).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
        assert!(say(address, GET).await.contains("200 OK"));
        stop.cancel();
        task.await.unwrap();
    }

    #[rstest::rstest]
    #[case("::ffff:10.1.2.3", "10.1.2.3")]
    #[case("10.1.2.3", "10.1.2.3")]
    #[case("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
    #[case("::1", "::")]
    fn an_ipv6_network_counts_as_one(#[case] address: IpAddr, #[case] counted: IpAddr) {
        assert_eq!(network_of(address), counted);
    }

    #[tokio::test]
    async fn it_answers_while_every_worker_is_busy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(async || "ok"));
        let end = serve_apart(listener, router, stop.clone()).unwrap();
        // This blocks the only worker of the test.
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIFE)).unwrap();
        io::Write::write_all(&mut stream, GET).unwrap();
        let mut answer = String::new();
        io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.contains("200 OK"), "{answer}");
        stop.cancel();
        end.await.unwrap();
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
