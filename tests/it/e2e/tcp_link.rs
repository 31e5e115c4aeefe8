//! A network between an operator and a server that a test can cut (connections stay open and nothing passes any more),
//! whose connections it can end, and of which one can fall silent by itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::wire;

/// The running link; it ends when this is dropped.
pub struct TcpLink {
    /// Host and port on the operator's side.
    pub address: String,
    is_cut: Arc<watch::Sender<bool>>,
    breaks: Arc<watch::Sender<()>>,
    connections: Arc<AtomicUsize>,
    target: Arc<Mutex<String>>,
    fatal: Arc<Mutex<Vec<Vec<u8>>>>,
    runtime: Option<Runtime>,
}

impl TcpLink {
    /// A link to this host and port.
    pub fn start(target: &str) -> Self {
        let runtime = wire::runtime();
        let is_cut = Arc::new(watch::channel(false).0);
        let breaks = Arc::new(watch::channel(()).0);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let target = Arc::new(Mutex::new(target.to_owned()));
        let (leads_to, cut, broken) = (Arc::clone(&target), Arc::clone(&is_cut), Arc::clone(&breaks));
        let fatal = Arc::new(Mutex::new(Vec::new()));
        let silencers = Arc::clone(&fatal);
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let target = leads_to.lock().expect("the target").clone();
                let silencer = Silencer::new(Arc::clone(&silencers));
                let (carried, mut broken) = (carry(near, target, cut.subscribe(), silencer), broken.subscribe());
                tokio::spawn(async move {
                    tokio::select! {
                        () = carried => {}
                        _ = broken.changed() => {}
                    }
                });
            }
        });
        Self {
            address,
            is_cut,
            breaks,
            connections,
            target,
            fatal,
            runtime: Some(runtime),
        }
    }

    /// Nothing passes until [`Self::mend`], and nobody is told.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// The first connection on which the operator sends these one after the other, each in a write of its own, is
    /// silent from the last one on, and stays open. Others pass.
    pub fn silence_after(&self, sent: &[&[u8]]) {
        *self.fatal.lock().expect("what is fatal") = sent.iter().map(|part| part.to_vec()).collect();
    }

    /// Whether one has fallen silent.
    pub fn is_silent(&self) -> bool {
        self.fatal.lock().expect("what is fatal").is_empty()
    }

    /// New connections lead to this host and port.
    pub fn lead_to(&self, target: &str) {
        target.clone_into(&mut self.target.lock().expect("the target"));
    }

    /// How many connections were opened so far, also those through which nothing passes.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Ends all connections. The next ones wait while the link is cut.
    pub fn break_off(&self) {
        self.breaks.send_replace(());
    }

    /// What waited passes, and all that follows.
    pub fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Looks for what is fatal in what an operator sends on one connection.
struct Silencer {
    fatal: Arc<Mutex<Vec<Vec<u8>>>>,
    seen: usize,
}

impl Silencer {
    const fn new(fatal: Arc<Mutex<Vec<Vec<u8>>>>) -> Self {
        Self { fatal, seen: 0 }
    }

    /// True once all of it was sent.
    fn is_fatal(&mut self, sent: &[u8]) -> bool {
        let mut fatal = self.fatal.lock().expect("what is fatal");
        let Some(next) = fatal.get(self.seen) else { return false };
        if sent.windows(next.len()).any(|part| part == next) {
            self.seen += 1;
        }
        let all = self.seen == fatal.len();
        if all {
            fatal.clear();
        }
        all
    }
}

async fn carry(near: TcpStream, target: String, mut cut: watch::Receiver<bool>, mut silencer: Silencer) {
    let _ = cut.wait_for(|cut| !cut).await;
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    let fatal = move |sent: &[u8]| silencer.is_fatal(sent);
    let there = pass(near_in, far_out, cut.clone(), fatal);
    tokio::join!(there, pass(far_in, near_out, cut, |_: &[u8]| false));
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<bool>,
    mut is_fatal: impl FnMut(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or_default();
        if is_fatal(&buffer[..read]) {
            std::future::pending::<()>().await;
        }
        // The end of one side is not told either.
        let _ = cut.wait_for(|cut| !cut).await;
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}
