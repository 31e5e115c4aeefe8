//! A network between an operator and a server that a test can cut (connections stay open and nothing passes any more) or whose
//! connections it can end.

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
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let target = leads_to.lock().expect("the target").clone();
                let (carried, mut broken) = (carry(near, target, cut.subscribe()), broken.subscribe());
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
            runtime: Some(runtime),
        }
    }

    /// Nothing passes until [`Self::mend`], and nobody is told.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
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

async fn carry(near: TcpStream, target: String, mut cut: watch::Receiver<bool>) {
    let _ = cut.wait_for(|cut| !cut).await;
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (near_in, near_out) = near.into_split();
    let (far_in, far_out) = far.into_split();
    tokio::join!(pass(near_in, far_out, cut.clone()), pass(far_in, near_out, cut));
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or_default();
        // The end of one side is not told either.
        let _ = cut.wait_for(|cut| !cut).await;
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}
