//! A proxy between operator and API server: numbers the operator's calls and lets one of them go wrong.
//!
//! Plain HTTP on the operator's side, TLS with the control plane's CA to the API server.
//! The operator's own token is passed on, so it may do what the chart's service account
//! may do and nothing else. A watch counts once, when it is opened.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use futures::{Stream, StreamExt, stream};
use hyper::body::Incoming;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::wire::{self, Dropped, Exchange, answer, strip, whole};

/// How long watches stand still, several times as long as anything else takes.
const STANDSTILL: Duration = Duration::from_secs(6);
/// What a watch that is cut off in the middle of a line has sent.
const HALF_A_LINE: &str = r#"{"type":"MODIFIED","object":{"apiVersion":"adconv"#;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Not applied, and no answer until the operator gives up or is killed.
    HangBefore,
    /// Applied, and no answer until the operator gives up or is killed.
    HangAfter,
    /// Not applied; the connection is closed.
    DropBefore,
    /// Applied; the connection is closed without an answer.
    DropAfter,
    /// Not applied; this status. 429 and 503 ask for a second's wait.
    Refuse(u16),
    /// Applied; this status all the same.
    RefuseAfter(u16),
    /// Not applied; what was to be told is forgotten (410), to a watch as the event it gets then.
    Gone,
    /// Not applied; a page of HTML, as a load balancer sends it.
    Html,
    /// Applied; half of the answer's JSON.
    Truncate,
    /// Applied and answered; all open watches break off.
    BreakWatches,
    /// Applied and answered; watches tell nothing for [`STANDSTILL`].
    FreezeWatches,
}

impl Fault {
    const fn is_applied(self) -> bool {
        !matches!(
            self,
            Self::HangBefore | Self::DropBefore | Self::Refuse(_) | Self::Gone | Self::Html
        )
    }
}

#[derive(Default)]
struct State {
    calls: Vec<String>,
    armed: Option<(usize, Fault)>,
    fired: bool,
    /// No status can be written.
    statuses_refused: bool,
}

struct Shared {
    client: kube::Client,
    state: Mutex<State>,
    breaks: watch::Sender<()>,
    /// Watches stand still while this is true.
    frozen: watch::Sender<bool>,
    /// So long each write waits before it is passed on.
    write_delay: Mutex<Duration>,
}

/// The running proxy; it ends when this is dropped.
pub struct KubeProxy {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl KubeProxy {
    /// Starts a proxy to the cluster of one kubeconfig, and writes another one that leads to the proxy.
    pub fn start(upstream: &Path, kubeconfig: &Path) -> Self {
        let runtime = wire::runtime();
        let shared = Arc::new(Shared {
            client: runtime.block_on(client(upstream)),
            state: Mutex::default(),
            breaks: watch::channel(()).0,
            frozen: watch::channel(false).0,
            write_delay: Mutex::default(),
        });
        let address = wire::serve(&runtime, Arc::clone(&shared));
        // Copied first, so that the token is as well kept as before.
        fs::copy(upstream, kubeconfig).expect("a kubeconfig");
        let text = fs::read_to_string(upstream).expect("a kubeconfig");
        let mut config: Value = serde_json::from_str(&text).expect("JSON");
        config["clusters"][0]["cluster"] = json!({"server": address});
        fs::write(kubeconfig, config.to_string()).expect("a kubeconfig");
        Self {
            shared,
            runtime: Some(runtime),
        }
    }

    /// Lets the call of this number (the first is 1) go wrong, once.
    pub fn arm(&self, number: usize, fault: Fault) {
        self.shared.state().armed = Some((number, fault));
    }

    /// True once the fault has happened; a call that hangs does so from now on.
    pub fn fired(&self) -> bool {
        self.shared.state().fired
    }

    /// Watches, open ones and new ones, tell nothing more.
    pub fn freeze_watches(&self) {
        self.shared.frozen.send_replace(true);
    }

    /// All open watches break off, with what they held back; new ones tell everything.
    pub fn break_watches(&self) {
        self.shared.breaks.send_replace(());
        self.shared.frozen.send_replace(false);
    }

    /// From now on each write takes so much longer.
    pub fn slow_writes(&self, delay: Duration) {
        *self.shared.write_delay.lock() = delay;
    }

    /// From now on no status can be written, or every one again.
    pub fn refuse_statuses(&self, refused: bool) {
        self.shared.state().statuses_refused = refused;
    }

    /// The calls so far, as method and path.
    pub fn calls(&self) -> Vec<String> {
        self.shared.state().calls.clone()
    }
}

impl Drop for KubeProxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A client that adds no credentials of its own and repeats nothing.
async fn client(kubeconfig: &Path) -> kube::Client {
    let file = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(file, &options)
        .await
        .expect("a configuration");
    config.auth_info = AuthInfo::default();
    config.default_retry = false;
    kube::Client::try_from(config).expect("a client")
}

impl Exchange for Shared {
    async fn exchange(&self, request: Request<Incoming>) -> Result<Response<Body>, Dropped> {
        let (parts, body) = request.into_parts();
        let body = whole(Body::new(body)).await?;
        let Some(fault) = self.arrive(&parts) else {
            return self.forward(parts, body).await;
        };
        let watch = is_watch(&parts.uri);
        let applied = if fault.is_applied() {
            Some(self.forward(parts, body).await?)
        } else {
            None
        };
        self.state().fired = true;
        match fault {
            Fault::HangBefore | Fault::HangAfter => pending().await,
            Fault::DropBefore | Fault::DropAfter => Err(Dropped),
            Fault::Refuse(code) | Fault::RefuseAfter(code) => Ok(refusal(code)),
            Fault::Gone if watch => Ok(answer(StatusCode::OK, "application/json", gone())),
            Fault::Gone => Ok(refusal(410)),
            Fault::Html => Ok(html()),
            Fault::Truncate if watch => Ok(answer(StatusCode::OK, "application/json", HALF_A_LINE.to_owned())),
            Fault::Truncate => half(applied.ok_or(Dropped)?).await,
            Fault::BreakWatches => {
                self.breaks.send_replace(());
                applied.ok_or(Dropped)
            }
            Fault::FreezeWatches => {
                self.frozen.send_replace(true);
                let frozen = self.frozen.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(STANDSTILL).await;
                    frozen.send_replace(false);
                });
                applied.ok_or(Dropped)
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Numbers a call; what is to happen to it.
    fn arrive(&self, parts: &Parts) -> Option<Fault> {
        let watch = if is_watch(&parts.uri) { "?watch" } else { "" };
        let mut state = self.state();
        state
            .calls
            .push(format!("{} {}{watch}", parts.method, parts.uri.path()));
        if state.statuses_refused && parts.method != Method::GET && parts.uri.path().ends_with("/status") {
            return Some(Fault::Refuse(403));
        }
        let number = state.calls.len();
        state.armed.filter(|(n, _)| *n == number).map(|(_, fault)| fault)
    }

    /// Asks the API server. Where it can't be reached, neither can we.
    async fn forward(&self, mut parts: Parts, body: Bytes) -> Result<Response<Body>, Dropped> {
        let watch = is_watch(&parts.uri);
        if parts.method != Method::GET {
            let delay = *self.write_delay.lock();
            tokio::time::sleep(delay).await;
        }
        strip(&mut parts.headers);
        let request = Request::from_parts(parts, kube::client::Body::from(body));
        let response = self.client.send(request).await.map_err(|_| Dropped)?;
        let (mut parts, body) = response.into_parts();
        strip(&mut parts.headers);
        if watch {
            let body = breakable(Body::new(body), self.breaks.subscribe(), self.frozen.subscribe());
            return Ok(Response::from_parts(parts, Body::from_stream(body)));
        }
        let body = whole(Body::new(body)).await?;
        Ok(Response::from_parts(parts, Body::from(body)))
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|q| q.split('&').any(|p| p == "watch=true"))
}

/// The stream of a watch, until it is told to break off; held back while it is told to stand still.
fn breakable(
    body: Body,
    breaks: watch::Receiver<()>,
    frozen: watch::Receiver<bool>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let begin = Some((body.into_data_stream(), breaks, frozen));
    stream::unfold(begin, |state| async move {
        let (mut data, mut breaks, mut frozen) = state?;
        let next = async {
            let chunk = data.next().await;
            // Only a proxy that ends closes the channel.
            let _open = frozen.wait_for(|frozen| !frozen).await;
            chunk
        };
        tokio::select! {
            biased;
            _ = breaks.changed() => Some((Err(io::Error::other(Dropped)), None)),
            chunk = next => Some((chunk?.map_err(io::Error::other), Some((data, breaks, frozen)))),
        }
    })
}

/// The only event of a watch that asks for more than the API server remembers.
fn gone() -> String {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Expired",
        "message": "too old resource version", "code": 410});
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

/// A refusal in the API server's own words.
fn refusal(code: u16) -> Response<Body> {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        403 => "Forbidden",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        other => panic!("no refusal {other}"),
    };
    let waits = matches!(code, 429 | 503);
    let details = if waits {
        json!({"retryAfterSeconds": 1})
    } else {
        json!({})
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
        "message": format!("refused on purpose: {reason}"), "details": details, "code": code});
    let code = StatusCode::from_u16(code).expect("a status");
    let mut response = answer(code, "application/json", status.to_string());
    if waits {
        let wait = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    response
}

fn html() -> Response<Body> {
    let page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>";
    answer(StatusCode::BAD_GATEWAY, "text/html; charset=utf-8", page.to_owned())
}

async fn half(response: Response<Body>) -> Result<Response<Body>, Dropped> {
    let (parts, body) = response.into_parts();
    let whole = whole(body).await?;
    Ok(Response::from_parts(parts, Body::from(whole.slice(..whole.len() / 2))))
}
