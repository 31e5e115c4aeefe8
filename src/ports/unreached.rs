//! Why a call got no answer, in plain words: the errors of HTTP and TLS libraries name parts of these libraries.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage};

/// Where a proxy was given no user and no password, or does not take those that it was given.
pub const PROXY_WANTS_USER: &str = "the proxy wants a user name and a password in its address";

/// The innermost reason why there was no answer, like "connection refused". It names no address, unless the other side
/// wrote it.
pub fn describe_unreached(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let words = match deepest.downcast_ref::<io::Error>() {
        Some(error) => describe_io(error),
        None => deepest
            .downcast_ref::<rustls::Error>()
            .map_or_else(|| deepest.to_string(), describe_tls),
    };
    // A client's error of a proxy has no type of its own.
    if let Some(words) = words.strip_prefix("tunnel error: ") {
        return describe_tunnel(words).to_owned();
    }
    // hyper has no error type for answers that are not HTTP.
    if words.starts_with("invalid HTTP ") {
        return "what is there does not speak HTTP: perhaps its address must begin with https, not http".to_owned();
    }
    words
}

/// What a proxy made of the request for a tunnel.
fn describe_tunnel(words: &str) -> &str {
    match words {
        "unsuccessful" => "the proxy refuses to connect",
        "proxy authorization required" => PROXY_WANTS_USER,
        "unexpected end of file" => "the proxy ended the connection",
        words => words,
    }
}

/// What the operating system says, without the error number.
pub fn describe_io(error: &io::Error) -> String {
    // An error that is wrapped in an `io::Error` is not its `source()`.
    if let Some(inner) = error.get_ref() {
        if let Some(error) = inner.downcast_ref::<rustls::Error>() {
            return describe_tls(error);
        }
        if let Some(error) = inner.downcast_ref::<io::Error>() {
            return describe_io(error);
        }
    }
    if error.kind() == io::ErrorKind::TimedOut {
        return "no answer in time".to_owned();
    }
    let text = error.to_string();
    if text == "tls handshake eof" {
        return "it ended the connection before TLS was agreed on".to_owned();
    }
    let words = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = words.chars();
    match letters.next() {
        Some(first) if error.raw_os_error().is_some() => first.to_lowercase().chain(letters).collect(),
        _ => words.to_owned(),
    }
}

fn describe_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "what is there does not speak TLS: perhaps its address must begin with http, not https".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is from an issuer that is not trusted here".to_owned()
        }
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// As clients wrap what went wrong.
    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Outer(#[source] io::Error);

    fn of_tls(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[rstest::rstest]
    #[case::refused(io::Error::from_raw_os_error(111), "connection refused")]
    #[case::silent(io::ErrorKind::TimedOut.into(), "no answer in time")]
    #[case::without_tls(
        of_tls(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)),
        "what is there does not speak TLS: perhaps its address must begin with http, not https"
    )]
    #[case::stranger(
        of_tls(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        "its certificate is from an issuer that is not trusted here"
    )]
    #[case::wrapped_twice(
        io::Error::other(of_tls(rustls::Error::InvalidCertificate(CertificateError::Expired))),
        "its certificate has expired"
    )]
    #[case::ended(
        io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof"),
        "it ended the connection before TLS was agreed on"
    )]
    #[case::other(
        io::Error::other("failed to lookup address information"),
        "failed to lookup address information"
    )]
    fn the_innermost_reason_is_named(#[case] error: io::Error, #[case] words: &str) {
        assert_eq!(describe_unreached(&Outer(error)), words);
    }

    /// Against what libraries really say.
    #[tokio::test]
    async fn a_wrong_scheme_is_named() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serves = tokio::spawn(async move {
            // To a client of TLS a server of HTTP, to a client of HTTP what a server of TLS says.
            for says in [
                &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
                b"\x15\x03\x01\x00\x02\x02\x46",
            ] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                stream.write_all(says).await.unwrap();
            }
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        for (scheme, other) in [("https", "http, not https"), ("http", "https, not http")] {
            let error = http.get(format!("{scheme}://{address}/")).send().await.unwrap_err();
            let words = describe_unreached(&error.without_url());
            assert!(words.ends_with(other), "{scheme}: {words}");
        }
        serves.await.unwrap();
    }
}
