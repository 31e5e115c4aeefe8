//! What the clients of foreign services have in common: how much of an answer is read, how long a wait one may ask for,
//! and which of its texts may pass on as codes, ids and names; and how much of a Secret. An answer may come from
//! anybody: the service, a proxy, or whoever stands in between.

pub mod google;
pub mod http;
pub mod hubspot;
mod secret_value;

/// What is wrong with an answer that wants to send us elsewhere. None is followed: body and token would go along.
pub const REDIRECT: &str =
    "the answer is a redirect, which is not followed. Check the endpoint and the proxies on the way";

/// True for the status of an answer that names another address.
pub const fn is_redirect(status: u16) -> bool {
    matches!(status, 300..=399)
}

/// The settings that every client needs: no redirect is followed, no `Referer` is sent, and no answer without TLS is taken
/// unless an endpoint is plain `http` by its flag.
pub fn client_builder(endpoints: &[&str]) -> reqwest::ClientBuilder {
    let plain = endpoints.iter().any(|url| url.starts_with("http://"));
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .https_only(!plain)
}
