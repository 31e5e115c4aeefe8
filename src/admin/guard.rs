//! Keeps the pages of others from asking: a browser that a name led here (DNS rebinding) sends that name as `Host`.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::answer::AdminRefusal;
use super::page::refuse;
use super::reader::Reader;

/// No script, nothing of other hosts, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    // Stricter, and browsers would not say that a form of ours is ours.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// Refuses requests of foreign hosts, and says with each answer what a browser may do with it.
pub(super) async fn check_request(request: Request, next: Next) -> Response {
    let reader = Reader::of(request.uri(), request.headers());
    let mut response = if !is_own_host(request.headers()) {
        refuse(reader, &AdminRefusal::ForeignHost)
    } else if !is_own_origin(request.headers()) {
        refuse(reader, &AdminRefusal::ForeignOrigin)
    } else {
        next.run(request).await
    };
    response
        .headers_mut()
        .extend(HEADERS.map(|(name, value)| (name, value)));
    response
}

/// True if the page that asks, where a browser names it, is one of ours.
fn is_own_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
    origin.is_some() && origin == host
}

/// True for `localhost` and IP addresses, with any port: no name of a foreign domain leads to either.
fn is_own_host(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
        return false;
    };
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
    }
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    is_port(port) && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok())
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("localhost", true)]
    #[case("LocalHost:8081", true)]
    #[case("127.0.0.1:8081", true)]
    #[case("10.1.2.3", true)]
    #[case("[::1]:8081", true)]
    #[case("[::1]", true)]
    #[case("localhost.evil.example", false)]
    #[case("evil.example:8081", false)]
    #[case("127.0.0.1.evil.example", false)]
    #[case("localhost:80:80", false)]
    #[case("localhost@evil.example", false)]
    #[case("[evil.example]:8081", false)]
    #[case("[::1", false)]
    #[case("", false)]
    fn hosts(#[case] host: &str, #[case] own: bool) {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        assert_eq!(is_own_host(&headers), own);
    }

    #[rstest::rstest]
    #[case("http://localhost:8081", true)]
    #[case("http://localhost", false)]
    #[case("https://evil.example", false)]
    #[case("null", false)]
    fn pages_that_ask(#[case] origin: &str, #[case] own: bool) {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        let headers = HeaderMap::from_iter([(HOST, value("localhost:8081")), (ORIGIN, value(origin))]);
        assert_eq!(is_own_origin(&headers), own);
    }

    #[test]
    fn one_host_exactly() {
        assert!(!is_own_host(&HeaderMap::new()));
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("localhost"));
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_own_host(&two));
    }
}
