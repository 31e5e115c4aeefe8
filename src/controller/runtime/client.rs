//! The client of the Kubernetes API.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use kube::Client;
use kube::client::ClientBuilder;
use tower::buffer::BufferLayer;
use tower::timeout::TimeoutLayer;

use super::answers::AnswersLayer;
use super::proxy;

/// Longest wait until the Kubernetes API begins to answer: as long as it takes itself for a list. A watch is answered
/// at once and stays open from then on; without this limit one whose opening is never answered leaves us deaf for good.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);
/// Longest silence in the middle of an answer: longer than the quietest watch is kept open (295 s).
const SILENCE_LIMIT: Duration = Duration::from_mins(5);

/// Requests that may wait to be sent, as many as kube's own queue takes.
const REQUESTS: usize = 1024;

/// The client for the controllers: in the cluster its service account, elsewhere the kubeconfig. It repeats nothing by
/// itself: a repeat inside the client would hide for minutes in a reconcile, whose own retry is seen and bounded. It
/// waits a minute for the begin of an answer, or `call_timeout` if that is less.
///
/// # Errors
/// Where there is no usable configuration.
pub async fn new_client(instance: Option<&str>, call_timeout: Duration) -> Result<Client, ClientError> {
    let mut config = kube::Config::infer().await?;
    proxy::make_usable(&mut config)?;
    let agent = match instance {
        Some(pod) => format!("adconversion-operator/{} ({pod})", env!("CARGO_PKG_VERSION")),
        None => concat!("adconversion-operator/", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    if let Ok(agent) = HeaderValue::from_str(&agent) {
        config.headers.push((HeaderName::from_static("user-agent"), agent));
    }
    limited_client(config, ANSWER_LIMIT.min(call_timeout))
}

/// A client that repeats nothing and waits for nothing for ever; for the begin of an answer so long.
fn limited_client(mut config: kube::Config, answer: Duration) -> Result<Client, ClientError> {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.write_timeout = Some(Duration::from_secs(30));
    config.read_timeout = Some(SILENCE_LIMIT);
    config.reset_reader_on_write = true;
    let builder = ClientBuilder::try_from(config)?;
    let builder = builder
        .with_layer(&TimeoutLayer::new(answer))
        .with_layer(&BufferLayer::new(REQUESTS))
        .with_layer(&AnswersLayer::new());
    Ok(builder.build())
}

/// There is no way to reach a Kubernetes API.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Neither a service account nor a usable kubeconfig.
    #[error("neither a service account nor a usable kubeconfig: {0}")]
    Config(#[from] kube::config::InferConfigError),
    /// The proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] proxy::BadProxy),
    /// The configuration cannot be used.
    #[error("the Kubernetes configuration cannot be used: {0}")]
    Client(Box<kube::Error>),
}

impl From<kube::Error> for ClientError {
    fn from(error: kube::Error) -> Self {
        Self::Client(Box::new(error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::http::Request;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(300);

    /// An API server that never answers its first connection; the others it
    /// answers at once, and goes on after a silence longer than the limit.
    async fn serve(listener: TcpListener) {
        let (_silent, _) = listener.accept().await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
                .await
                .unwrap();
            tokio::time::sleep(LIMIT * 2).await;
            stream.write_all(b"ok").await.unwrap();
        }
    }

    #[tokio::test]
    async fn an_answer_that_never_begins_is_given_up_and_one_that_goes_on_is_not() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener));
        let client = limited_client(kube::Config::new(url.parse().unwrap()), LIMIT).unwrap();
        let ask = || client.request_text(Request::get("/").body(vec![]).unwrap());
        let given_up = tokio::time::timeout(LIMIT * 20, ask()).await;
        assert!(given_up.unwrap().is_err(), "no answer");
        assert_eq!(ask().await.unwrap(), "ok");
    }
}
