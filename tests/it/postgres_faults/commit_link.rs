//! A network between a ledger and its server that knows where a transaction is to be committed, and cuts there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What becomes of a COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Passes,
    /// The connection is cut before the server gets it.
    CutBefore,
    /// The connection is cut when the server has answered, before the answer gets back.
    CutAfter,
}

type Decide = dyn Fn(usize) -> Fate + Send + Sync;

/// The running link; it ends with this value.
pub struct CommitLink {
    address: String,
    commits: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl CommitLink {
    /// A link to the server of this URL. `decide` is asked for
    /// each COMMIT, by its number from 1, and may take its time.
    pub fn start(url: &str, decide: impl Fn(usize) -> Fate + Send + Sync + 'static) -> Self {
        let server: reqwest::Url = url.parse().expect("a URL");
        let target = (
            server.host_str().expect("a host").to_owned(),
            server.port().unwrap_or(5432),
        );
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        listener.set_nonblocking(true).expect("a listener");
        let listener = TcpListener::from_std(listener).expect("a listener");
        let commits = Arc::new(AtomicUsize::new(0));
        let (count, decide): (_, Arc<Decide>) = (Arc::clone(&commits), Arc::new(decide));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (target, count, decide) = (target.clone(), Arc::clone(&count), Arc::clone(&decide));
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(target).await {
                        carry(near, far, &count, decide).await;
                    }
                });
            }
        });
        Self { address, commits, task }
    }

    /// A URL of the server, by way of the link.
    pub fn url_of(&self, url: &str) -> String {
        let server: reqwest::Url = url.parse().expect("a URL");
        let mark = if server.query().is_some() { '&' } else { '?' };
        let (_, rest) = url.split_once('@').expect("a user");
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        // What is encrypted could not be read here.
        format!(
            "postgres://{}@{}/{path}{mark}sslmode=disable",
            server.username(),
            self.address
        )
    }

    /// Transactions that were to be committed so far, those that only read among them.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Drop for CommitLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries one connection until it ends, or is cut.
async fn carry(mut near: TcpStream, mut far: TcpStream, commits: &AtomicUsize, decide: Arc<Decide>) {
    let (mut from_near, mut from_far) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    // What of the client's messages is not complete yet. The first has no type.
    let (mut kept, mut begun) = (Vec::new(), false);
    loop {
        tokio::select! {
            read = near.read(&mut from_near) => {
                let Some(read) = read.ok().filter(|read| *read > 0) else { return };
                kept.extend_from_slice(&from_near[..read]);
                while let Some(message) = next_message(&mut kept, &mut begun) {
                    let fate = if is_commit(&message) {
                        let (number, decide) = (commits.fetch_add(1, Ordering::SeqCst) + 1, Arc::clone(&decide));
                        tokio::task::spawn_blocking(move || decide(number)).await.expect("a decision")
                    } else {
                        Fate::Passes
                    };
                    if fate == Fate::CutBefore || far.write_all(&message).await.is_err() {
                        return;
                    }
                    if fate == Fate::CutAfter {
                        let _ = far.read(&mut from_far).await;
                        return;
                    }
                }
            }
            read = far.read(&mut from_far) => {
                let Some(read) = read.ok().filter(|read| *read > 0) else { return };
                if near.write_all(&from_far[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Takes the first complete message (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
fn next_message(kept: &mut Vec<u8>, begun: &mut bool) -> Option<Vec<u8>> {
    let head = usize::from(*begun);
    let length = kept.get(head..head + 4)?.try_into().expect("four bytes");
    let end = head + usize::try_from(u32::from_be_bytes(length)).expect("a length");
    if kept.len() < end {
        return None;
    }
    *begun = true;
    Some(kept.drain(..end).collect())
}

fn is_commit(message: &[u8]) -> bool {
    message.first() == Some(&b'Q') && message.get(5..).is_some_and(|text| text.starts_with(b"COMMIT"))
}
