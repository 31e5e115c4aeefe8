//! The proxy on the way to the Kubernetes API, by the rules that kubectl has.

use axum::http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;

/// Environment names of a proxy, as the configuration was read by them.
const NAMES: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
/// Environment names of the hosts that are asked without it, the first that is set.
const WITHOUT: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// A proxy that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proxy to the Kubernetes API (proxy-url in the kubeconfig, or HTTPS_PROXY) begins with {scheme}://: use http:// or \
     https://, or name the API server in NO_PROXY"
)]
pub struct BadProxy {
    scheme: String,
}

/// Makes the configuration's proxy usable: one without a scheme is an HTTP proxy, and one
/// of the environment is not asked for an API server on this host, or one that `NO_PROXY`
/// names. The proxy's address may hold a password: no message has it.
///
/// # Errors
/// If it is no HTTP proxy.
pub fn make_usable(config: &mut Config) -> Result<(), BadProxy> {
    let environment = NAMES.into_iter().filter_map(|name| std::env::var(name).ok());
    let without = WITHOUT.into_iter().find_map(|name| std::env::var(name).ok());
    let proxy = config.proxy_url.take();
    config.proxy_url = proxy
        .map(|proxy| usable_proxy(proxy, &config.cluster_url, environment, without.unwrap_or_default()))
        .transpose()?
        .flatten();
    Ok(())
}

fn usable_proxy(
    proxy: Uri,
    cluster: &Uri,
    mut environment: impl Iterator<Item = String>,
    without: String,
) -> Result<Option<Uri>, BadProxy> {
    let from_environment = environment.any(|value| value.trim().parse::<Uri>().is_ok_and(|uri| uri == proxy));
    // kube 5.0 looks for the proxy itself in NO_PROXY, not for the API server.
    if from_environment && (is_here(cluster) || is_named(cluster, without)) {
        return Ok(None);
    }
    match (proxy.scheme_str(), proxy.authority()) {
        (Some("http" | "https"), _) => Ok(Some(proxy)),
        (None, Some(authority)) => Ok(format!("http://{authority}").parse().ok()),
        (scheme, _) => Err(BadProxy {
            scheme: scheme.unwrap_or_default().to_owned(),
        }),
    }
}

/// Whether the value of `NO_PROXY` has the host of the API server, by the rules that all other calls follow.
fn is_named(cluster: &Uri, without: String) -> bool {
    // Some proxy for everything: what is not sent there is what was left out.
    let matcher = Matcher::builder().all("http://proxy").no(without).build();
    matcher.intercept(cluster).is_none()
}

fn is_here(cluster: &Uri) -> bool {
    let host = cluster.host().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    const FAR: &str = "https://api.example:6443";

    #[rstest]
    #[case::http("http://proxy:3128", FAR, Ok(Some("http://proxy:3128/")))]
    #[case::https("https://user:pass@proxy:3128", FAR, Ok(Some("https://user:pass@proxy:3128/")))]
    #[case::no_scheme("proxy:3128", FAR, Ok(Some("http://proxy:3128/")))]
    #[case::socks("socks5://user:pass@proxy:1080", FAR, Err("socks5"))]
    #[case::local_name("http://proxy:3128", "https://localhost:6443", Ok(None))]
    #[case::local_address("http://proxy:3128", "https://127.0.0.1:6443", Ok(None))]
    #[case::local_v6("http://proxy:3128", "https://[::1]:6443", Ok(None))]
    #[case::local_and_useless("socks5://proxy:1080", "https://127.0.0.1:6443", Ok(None))]
    fn proxies_of_the_environment(
        #[case] proxy: &str,
        #[case] cluster: &str,
        #[case] expected: Result<Option<&str>, &str>,
    ) {
        let usable = usable_proxy(
            proxy.parse().unwrap(),
            &cluster.parse().unwrap(),
            std::iter::once(proxy.to_owned()),
            String::new(),
        );
        let usable = usable.map(|proxy| proxy.map(|proxy| proxy.to_string()));
        let bad = |scheme: &str| BadProxy {
            scheme: scheme.to_owned(),
        };
        assert_eq!(usable, expected.map(|p| p.map(str::to_owned)).map_err(bad));
    }

    #[test]
    fn one_that_the_kubeconfig_names_is_asked_for_every_server() {
        let proxy: Uri = "http://proxy:3128".parse().unwrap();
        let cluster = "https://127.0.0.1:6443".parse().unwrap();
        let used = usable_proxy(proxy.clone(), &cluster, std::iter::empty(), "*".to_owned()).unwrap();
        assert_eq!(used, Some(proxy));
    }

    #[rstest]
    #[case::nothing("", true)]
    #[case::the_host("other.example, api.example", false)]
    #[case::its_domain(".example", false)]
    #[case::all("*", false)]
    #[case::the_proxy("proxy", true)]
    #[case::part_of_its_name("pi.example", true)]
    fn an_api_server_that_no_proxy_names_is_asked_directly(#[case] without: &str, #[case] through: bool) {
        let proxy: Uri = "http://proxy:3128".parse().unwrap();
        let environment = std::iter::once("http://proxy:3128".to_owned());
        let used = usable_proxy(proxy, &FAR.parse().unwrap(), environment, without.to_owned()).unwrap();
        assert_eq!(used.is_some(), through);
    }

    #[test]
    fn no_password_is_told() {
        let proxy = "socks5://user:secret@proxy:1080".parse().unwrap();
        let text = usable_proxy(proxy, &FAR.parse().unwrap(), std::iter::empty(), String::new())
            .unwrap_err()
            .to_string();
        assert!(text.contains("socks5://") && !text.contains("secret"), "{text}");
    }
}
