//! Clients of foreign services, and what they share: limits for the size of answers, for the waits they ask for, for
//! texts that are passed on as codes, ids and names, and for values of Secrets. An answer may come from anybody: the
//! service, a proxy, or somebody in between.

pub mod google;
pub mod http;
pub mod hubspot;
mod secret_value;
#[cfg(test)]
mod test_support;

/// The message about a redirect. None is followed: the body and the token would go along.
pub const REDIRECT: &str =
    "the answer is a redirect, which is not followed. Check the endpoint and the proxies on the way";

/// True for the status of an answer that names another address.
pub const fn is_redirect(status: u16) -> bool {
    matches!(status, 300..=399)
}

/// The settings that every client needs: no redirect is followed, no `Referer` is sent, and no answer without TLS is
/// taken unless an endpoint is plain `http` by its flag.
pub fn client_builder(endpoints: &[&str]) -> reqwest::ClientBuilder {
    let plain = endpoints.iter().any(|url| url.starts_with("http://"));
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .https_only(!plain)
}
