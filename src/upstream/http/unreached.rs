//! Why a call of HubSpot or Google got no answer, and by way of which proxy it went.

use std::sync::LazyLock;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::ports::unreached::{PROXY_WANTS_USER, describe_unreached};

/// The proxies that the environment names, as the clients read it.
static PROXIES: LazyLock<Matcher> = LazyLock::new(Matcher::from_env);

/// The innermost reason ("connection refused"), as `clean` leaves it, and the proxy if the call could not connect
/// through one. Of the proxy's address it names host and port, never a user or a password.
pub(crate) fn describe_call(error: &reqwest::Error, clean: impl FnOnce(&str) -> String) -> String {
    describe_call_by(&PROXIES, error, clean)
}

fn describe_call_by(proxies: &Matcher, error: &reqwest::Error, clean: impl FnOnce(&str) -> String) -> String {
    let url = error.url().filter(|_| error.is_connect());
    let proxy = url.and_then(|url| proxy_to(proxies, url.as_str()));
    let mut reason = describe_unreached(error);
    if reason == PROXY_WANTS_USER && proxy.as_ref().is_some_and(|proxy| proxy.basic_auth().is_some()) {
        // HTTP has one status for both.
        "the proxy refuses the user name and the password in its address".clone_into(&mut reason);
    }
    let reason = clean(&reason);
    match proxy.as_ref().and_then(name_of) {
        Some(proxy) => format!("{reason} (through the proxy {proxy})"),
        None => reason,
    }
}

/// The proxy through which this URL is reached.
fn proxy_to(proxies: &Matcher, url: &str) -> Option<Intercept> {
    proxies.intercept(&url.parse().ok()?)
}

/// Its host and port.
fn name_of(proxy: &Intercept) -> Option<String> {
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
        let to = |url| proxy_to(&proxies, url).as_ref().and_then(name_of);
        assert_eq!(to("https://api.hubapi.com/crm").as_deref(), Some("proxy.example:3128"));
        assert_eq!(to("https://googleads.googleapis.com/v25"), None);
        assert_eq!(to("http://127.0.0.1:4000/crm"), None);
    }

    /// Against what libraries really say.
    #[rstest::rstest]
    #[case("HTTP/1.1 403 Forbidden\r\n\r\n", "", "the proxy refuses to connect")]
    #[case("HTTP/1.1 407 Who are you\r\n\r\n", "", PROXY_WANTS_USER)]
    #[case(
        "HTTP/1.1 407 Who are you\r\n\r\n",
        "ada:wrong@",
        "the proxy refuses the user name and the password in its address"
    )]
    #[case("HTTP/1.1 403 Forbidden\r\n\r\n", "ada:secret@", "the proxy refuses to connect")]
    #[case("", "", "the proxy ended the connection")]
    #[tokio::test]
    async fn what_a_proxy_says_is_said_of_the_proxy(
        #[case] answer: &'static str,
        #[case] user: &str,
        #[case] words: &str,
    ) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serves = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let url = format!("http://{user}{address}");
        let proxy = reqwest::Proxy::https(&url).unwrap();
        let http = reqwest::Client::builder().proxy(proxy).build().unwrap();
        let error = http.get("https://api.hubapi.invalid/").send().await.unwrap_err();
        assert!(error.is_connect() && error.url().is_some());
        let proxies = Matcher::builder().https(url).build();
        let expected = format!("{words} (through the proxy {address})");
        assert_eq!(describe_call_by(&proxies, &error, str::to_owned), expected);
        serves.await.unwrap();
    }
}
