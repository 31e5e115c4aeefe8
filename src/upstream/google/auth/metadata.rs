//! Tokens of Google's metadata server, which every machine and pod at Google has (Workload Identity). Calls to it have
//! the limits of every other call, follow no redirect and use no proxy.

use async_trait::async_trait;

use super::endpoint::Endpoint;
use super::token::{KeptToken, SCOPES, SERVICE, Token, TokenSource};
use crate::ports::{Cause, UpstreamError};
use crate::upstream;

/// Where the server is, unless `GCE_METADATA_HOST` says otherwise.
const HOST: &str = "metadata.google.internal";
const PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// The metadata server of this machine or pod.
pub(crate) struct Metadata(Result<Endpoint, UpstreamError>);

impl Metadata {
    /// The server that the environment names, or else the one of Google's machines.
    pub(crate) fn of_environment(endpoint: Endpoint) -> Self {
        let host = std::env::var("GCE_METADATA_HOST").ok();
        Self::at_host(host.as_deref().unwrap_or(HOST), endpoint)
    }

    fn at_host(host: &str, endpoint: Endpoint) -> Self {
        let url = format!("http://{host}{PATH}");
        // The server is local and has no TLS, so it gets a client of its own: the shared one insists on TLS.
        let client = upstream::client_builder(&[&url])
            .no_proxy()
            .connect_timeout(endpoint.timeout);
        let built = client.build().map(|http| Endpoint { http, url, ..endpoint });
        Self(built.map_err(|_| {
            let why = "no client for the metadata server can be made on this host";
            UpstreamError::new(SERVICE, Cause::Unavailable, why)
        }))
    }
}

#[async_trait]
impl TokenSource for Metadata {
    async fn fetch_token(&self, _: KeptToken) -> Result<Token, UpstreamError> {
        let endpoint = self.0.as_ref().map_err(Clone::clone)?;
        let query = [("scopes", SCOPES.join(","))];
        let request = endpoint.http.get(&endpoint.url).query(&query);
        let request = request.header("metadata-flavor", "Google");
        let fetched = endpoint.request_token("metadata", request).await;
        fetched.map_err(|mut error| {
            if matches!(error.status, Some(400..=499)) && error.cause == Cause::Malformed {
                // The body says why in plain text: there is no service account, or it may not be used.
                error.cause = Cause::CredentialsRejected;
            }
            error.message = format!(
                "no token from the environment (Workload Identity, metadata server): {}",
                error.message
            );
            error
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::{Duration, Instant};

    use secrecy::ExposeSecret;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use wiremock::matchers::{header, method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::upstream::google::test_support::{token, token_endpoint, token_error};

    const LIMIT: Duration = Duration::from_millis(500);

    fn metadata(host: &str) -> Metadata {
        let endpoint = Endpoint {
            timeout: LIMIT,
            ..token_endpoint("")
        };
        Metadata::at_host(host, endpoint)
    }

    async fn answering(answer: ResponseTemplate) -> (MockServer, Metadata) {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path(PATH))
            .and(header("metadata-flavor", "Google"))
            .and(query_param("scopes", SCOPES.join(",")))
            .respond_with(answer)
            .mount(&server)
            .await;
        let metadata = metadata(&server.address().to_string());
        (server, metadata)
    }

    /// A server that says this and then, without end, the same; or nothing more.
    async fn raw(begin: &'static str, more: &'static [u8]) -> Metadata {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(begin.as_bytes()).await;
                while !more.is_empty() && stream.write_all(more).await.is_ok() {}
                // Open until the other side closes it.
                let _ = stream.read(&mut [0; 16]).await;
            }
        });
        metadata(&host)
    }

    async fn failure(metadata: &Metadata) -> UpstreamError {
        let begun = Instant::now();
        let error = token_error(metadata).await;
        assert!(begun.elapsed() < LIMIT * 20, "{:?}", begun.elapsed());
        error
    }

    #[tokio::test]
    async fn a_token_comes_from_the_metadata_server() {
        let (_server, metadata) = answering(token("t-1")).await;
        let token = metadata.fetch_token(KeptToken::Allowed).await.ok().unwrap();
        assert_eq!(token.value.expose_secret(), "t-1");
        assert!(token.expires.is_some());
    }

    #[tokio::test]
    async fn silence_ends_at_the_limit() {
        for begin in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
            let error = failure(&raw(begin, b"").await).await;
            assert_eq!(error.cause, Cause::Unavailable, "{error}");
        }
    }

    #[tokio::test]
    async fn an_endless_answer_is_read_no_further_than_the_limit() {
        // It ends with its connection. The pieces are few, so that a busy machine sends them before the time limit.
        let begin = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let error = failure(&raw(begin, &[b' '; 16 << 10]).await).await;
        assert_eq!(error.cause, Cause::Malformed, "{error}");
        assert!(error.message.contains("larger than 64 KiB"), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed_and_a_refusal_is_one() {
        let elsewhere = MockServer::start().await;
        let redirect = ResponseTemplate::new(302).insert_header("location", elsewhere.uri());
        let (_server, metadata) = answering(redirect).await;
        let error = failure(&metadata).await;
        assert_eq!(error.cause, Cause::Malformed);
        assert!(error.message.contains(crate::upstream::REDIRECT), "{error}");
        assert!(elsewhere.received_requests().await.unwrap().is_empty());
        let (_server, metadata) = answering(ResponseTemplate::new(404).set_body_string("no such account")).await;
        let error = failure(&metadata).await;
        assert_eq!(error.cause, Cause::CredentialsRejected);
        assert!(!error.message.contains("no such account"), "{error}");
    }
}
