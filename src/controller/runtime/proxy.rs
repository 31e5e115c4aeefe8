//! The proxy on the way to the Kubernetes API, by the rules that kubectl has.

use axum::http::Uri;
use kube::Config;

/// Environment names of a proxy, as the configuration was read by them.
const NAMES: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];

/// A proxy that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the proxy to the Kubernetes API (proxy-url in the kubeconfig, or HTTPS_PROXY) begins with {scheme}://: use http:// or \
     https://, or name the API server in NO_PROXY"
)]
pub struct BadProxy {
    scheme: String,
}

/// Makes the configuration's proxy usable: one without a scheme is an HTTP proxy, and one of the environment is not asked
/// for an API server on this host. The proxy's address may hold a password: no message has it.
pub(crate) fn make_usable(config: &mut Config) -> Result<(), BadProxy> {
    let environment = NAMES.into_iter().filter_map(|name| std::env::var(name).ok());
    let proxy = config.proxy_url.take();
    config.proxy_url = proxy
        .map(|proxy| usable_proxy(proxy, &config.cluster_url, environment))
        .transpose()?
        .flatten();
    Ok(())
}

fn usable_proxy(
    proxy: Uri,
    cluster: &Uri,
    mut environment: impl Iterator<Item = String>,
) -> Result<Option<Uri>, BadProxy> {
    let from_environment = environment.any(|value| value.trim().parse::<Uri>().is_ok_and(|uri| uri == proxy));
    if from_environment && is_here(cluster) {
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
        let used = usable_proxy(proxy.clone(), &cluster, std::iter::empty()).unwrap();
        assert_eq!(used, Some(proxy));
    }

    #[test]
    fn no_password_is_told() {
        let proxy = "socks5://user:secret@proxy:1080".parse().unwrap();
        let text = usable_proxy(proxy, &FAR.parse().unwrap(), std::iter::empty())
            .unwrap_err()
            .to_string();
        assert!(text.contains("socks5://") && !text.contains("secret"), "{text}");
    }
}
