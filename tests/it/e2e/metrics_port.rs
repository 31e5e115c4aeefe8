//! Strangers on the port of health and metrics: the kubelet and Prometheus are served meanwhile, the process keeps its
//! file descriptors, and it ends when it is told to.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::Stage;

/// Connections that each of the four kinds of strangers keeps open.
const EACH: usize = 120;
/// More than the operator keeps open at once.
const MANY: usize = 400;
/// Descriptors more than in peace: 128 connections, and some that the operator's own work opens and closes.
const MORE: usize = 180;
/// How long they go on.
const SIEGE: Duration = Duration::from_secs(12);
/// Longest wait of a probe; the kubelet's own is a second at least.
const ANSWER: Duration = Duration::from_secs(5);

/// A connection from this address of the loopback network, without waits.
fn connect(source: Ipv4Addr, port: u16) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::from((source, 0)).into()).ok()?;
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect_timeout(&to.into(), Duration::from_secs(5)).ok()?;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(true).ok()?;
    Some(stream)
}

/// False once the other side has closed it.
fn is_open(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 512]) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}

/// What a stranger says.
#[derive(Clone, Copy)]
struct Stranger {
    /// When connected.
    first: fn() -> Vec<u8>,
    /// Now and then.
    then: &'static [u8],
}

const STRANGERS: [Stranger; 4] = [
    Stranger {
        first: Vec::new,
        then: b"",
    },
    Stranger {
        first: || b"GET /metrics HTTP/1.1\r\nhost: a\r\nx: ".to_vec(),
        then: b"y",
    },
    Stranger {
        first: || b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec(),
        then: b"",
    },
    Stranger {
        first: || [b"GET /livez HTTP/1.1\r\nx: ".as_slice(), &vec![b'y'; 1 << 20]].concat(),
        then: b"y",
    },
];

/// Strangers at work, until they are dropped.
struct Siege {
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Vec<TcpStream>>>,
}

impl Siege {
    fn begin(port: u16) -> Self {
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let start = |(kind, stranger)| {
            let (stop, opened) = (Arc::clone(&stop), Arc::clone(&opened));
            thread::spawn(move || keep_open(stranger, kind, port, &stop, &opened))
        };
        let threads = (2_u8..).zip(STRANGERS).map(start).collect();
        Self { stop, opened, threads }
    }

    /// Ends the threads; what they have open stays open.
    fn end(self) -> Vec<TcpStream> {
        self.stop.store(true, Ordering::Relaxed);
        let open = self
            .threads
            .into_iter()
            .map(|thread| thread.join().expect("a stranger"));
        open.flatten().collect()
    }
}

/// Keeps so many connections open, each kind from two addresses; what is closed is opened again.
fn keep_open(stranger: Stranger, kind: u8, port: u16, stop: &AtomicBool, opened: &AtomicUsize) -> Vec<TcpStream> {
    let mut open: Vec<TcpStream> = Vec::new();
    let first = (stranger.first)();
    while !stop.load(Ordering::Relaxed) {
        open.retain_mut(is_open);
        for stream in &mut open {
            // It may have been closed this moment.
            let _ = stream.write(stranger.then);
        }
        while open.len() < EACH {
            let source = Ipv4Addr::new(127, 0, 0, kind * 2 + u8::from(open.len().is_multiple_of(2)));
            let Some(mut stream) = connect(source, port) else { break };
            // As much as goes out at once.
            let _ = stream.write(&first);
            open.push(stream);
            opened.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(Duration::from_millis(50));
    }
    open
}

/// A probe as the kubelet makes it, from an address of its own.
fn probe(port: u16, path: &str) -> String {
    let mut stream = connect(Ipv4Addr::new(127, 0, 0, 200), port).expect("a connection");
    stream.set_nonblocking(false).expect("a stream that waits");
    stream.set_read_timeout(Some(ANSWER)).expect("a limit");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// What must hold at any time: both are answered, and the descriptors have a bound.
fn holds(stage: &Stage, port: u16, before: usize) {
    assert!(probe(port, "/livez").starts_with("HTTP/1.1 200"), "/livez");
    let metrics = probe(port, "/metrics");
    assert!(
        metrics.starts_with("HTTP/1.1 200") && metrics.contains("process_open_fds"),
        "{metrics}"
    );
    let open = stage.descriptors();
    assert!(open <= before + MORE, "{open} descriptors, {before} before");
}

#[test]
fn strangers_on_the_metrics_port_hold_up_neither_probes_nor_the_end() {
    let stage = Stage::start("strangers");
    for object in ["gaa/acme", "hsa/acme"] {
        stage.condition(object, "Ready", "True", "");
    }
    let (port, before) = (stage.port(), stage.descriptors());
    let siege = Siege::begin(port);
    stage.wait_for("all strangers", || {
        let opened = siege.opened.load(Ordering::Relaxed);
        if opened >= EACH * STRANGERS.len() {
            Ok(())
        } else {
            Err(opened.into())
        }
    });
    let begin = Instant::now();
    let mut probes = 0;
    while begin.elapsed() < SIEGE {
        holds(&stage, port, before);
        probes += 1;
    }
    assert!(probes >= 10, "{probes} probes in {SIEGE:?}");
    let opened = siege.opened.load(Ordering::Relaxed);
    assert!(opened > 2 * EACH * STRANGERS.len(), "closed and opened again: {opened}");
    // The work goes on as well.
    stage.event("meanwhile", "customer", &serde_json::json!({}));
    stage.condition("adce/meanwhile", "Ready", "True", "");
    let left = siege.end();
    // Hundreds from the very address of the probes, as behind a NAT, and they stay.
    let same: Vec<_> = (0..MANY)
        .map(|_| connect(Ipv4Addr::new(127, 0, 0, 200), port).expect("a connection"))
        .collect();
    holds(&stage, port, before);
    let half: Vec<_> = (0..MANY)
        .filter_map(|_| {
            let mut stream = connect(Ipv4Addr::new(127, 0, 0, 2), port)?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: ").ok()?;
            Some(stream)
        })
        .collect();
    let begin = Instant::now();
    let ended = stage.stop_operator();
    let took = begin.elapsed();
    assert!(format!("{ended:?}").contains("exit status: 0"), "{ended:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(!stage.log().contains("panic"), "{}", stage.log());
    drop((left, same, half));
}
