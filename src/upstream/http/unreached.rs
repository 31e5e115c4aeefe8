//! Why a call of HubSpot or Google got no answer, and by way of which proxy it went.

use std::sync::LazyLock;

use hyper_util::client::proxy::matcher::Matcher;

use crate::ports::unreached::describe_unreached;

/// The proxies that the environment names, as the clients read it.
static PROXIES: LazyLock<Matcher> = LazyLock::new(Matcher::from_env);

/// The innermost reason ("connection refused"), as `clean` leaves it, and the proxy if the call could not connect
/// through one. Of the proxy's address it names host and port, never a user or a password.
pub(crate) fn describe_call(error: &reqwest::Error, clean: impl FnOnce(&str) -> String) -> String {
    let reason = clean(&describe_unreached(error));
    let url = error.url().filter(|_| error.is_connect());
    match url.and_then(|url| proxy_to(&PROXIES, url.as_str())) {
        Some(proxy) => format!("{reason} (through the proxy {proxy})"),
        None => reason,
    }
}

/// Host and port of the proxy through which this URL is reached.
fn proxy_to(proxies: &Matcher, url: &str) -> Option<String> {
    let proxy = proxies.intercept(&url.parse().ok()?)?;
    let host = proxy.uri().host()?;
    let port = proxy.uri().port_u16();
    Some(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password_and_only_where_it_is_used() {
        let proxies = Matcher::builder()
            .https("http://ada:secret@proxy.example:3128")
            .no("googleads.googleapis.com")
            .build();
        let to = |url| proxy_to(&proxies, url);
        assert_eq!(to("https://api.hubapi.com/crm").as_deref(), Some("proxy.example:3128"));
        assert_eq!(to("https://googleads.googleapis.com/v25"), None);
        assert_eq!(to("http://127.0.0.1:4000/crm"), None);
    }

    /// Against what libraries really say.
    #[rstest::rstest]
    #[case("HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy refuses to connect")]
    #[case(
        "HTTP/1.1 407 Who are you\r\n\r\n",
        "the proxy wants a user name and a password in its address"
    )]
    #[case("", "the proxy ended the connection")]
    #[tokio::test]
    async fn what_a_proxy_says_is_said_of_the_proxy(#[case] answer: &'static str, #[case] words: &str) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serves = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let proxy = reqwest::Proxy::https(format!("http://{address}")).unwrap();
        let http = reqwest::Client::builder().proxy(proxy).build().unwrap();
        let error = http.get("https://api.hubapi.invalid/").send().await.unwrap_err();
        assert!(error.is_connect() && error.url().is_some());
        assert_eq!(describe_call(&error, str::to_owned), words);
        serves.await.unwrap();
    }
}
