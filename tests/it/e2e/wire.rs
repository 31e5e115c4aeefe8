//! What the proxies in front of the API server and of HubSpot and Google have in common: connections that can be closed
//! without an answer, and headers that belong to one connection.

use std::fmt;
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// Largest body passed on, in bytes.
const MAX_BODY: usize = 64 << 20;
/// Headers of one connection, which are not passed on to the other.
const OF_THE_CONNECTION: [header::HeaderName; 4] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
];

/// The connection has to be closed without an answer.
#[derive(Debug)]
pub struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// What answers the requests of a proxy.
pub trait Exchange: Send + Sync + 'static {
    /// Answers one, or closes its connection.
    fn exchange(&self, request: Request<Incoming>) -> impl Future<Output = Result<Response<Body>, Dropped>> + Send;
}

/// The runtime of a proxy.
pub fn runtime() -> Runtime {
    // Whoever comes first installs it for the whole process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

/// Serves on a port of its own; the address. HTTP/1.1 directly on the
/// connection: only so can a connection be closed without an answer.
pub fn serve<E: Exchange>(runtime: &Runtime, exchange: Arc<E>) -> String {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(accept(listener, exchange));
    format!("http://{address}")
}

async fn accept<E: Exchange>(listener: TcpListener, exchange: Arc<E>) {
    while let Ok((stream, _)) = listener.accept().await {
        let exchange = Arc::clone(&exchange);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let exchange = Arc::clone(&exchange);
                async move { exchange.exchange(request).await }
            });
            // The error is an operator that went away or a drop on purpose; both end this connection only.
            let _ended = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Takes away what belongs to one connection.
pub fn strip(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

/// A body to its end.
pub async fn whole(body: Body) -> Result<Bytes, Dropped> {
    to_bytes(body, MAX_BODY).await.map_err(|_| Dropped)
}

/// An answer of this kind.
pub fn answer(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
