//! Where the admin API listens.

use std::net::SocketAddr;
use std::str::FromStr;

/// An address, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminAddress(pub Option<SocketAddr>);

/// Whoever reaches the API may ask it anything: it knows nobody. On
/// loopback these are the ones who may forward a port of the pod.
const LOOPBACK_ONLY: &str = "the admin API listens on loopback only, at an address like 127.0.0.1:8081 or \
                             [::1]:8081, because it answers everybody who reaches it. Reach it with kubectl \
                             port-forward; an empty value turns it off";

impl FromStr for AdminAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let address: SocketAddr = text.parse().map_err(|_| LOOPBACK_ONLY)?;
        // Not written as ::ffff:127.0.0.1 either: the socket is one for IPv6 only there.
        if !address.ip().is_loopback() {
            return Err(LOOPBACK_ONLY);
        }
        Ok(Self(Some(address)))
    }
}

impl AdminAddress {
    /// Whether a socket at `listen` has this port already.
    pub fn is_taken_by(self, listen: SocketAddr) -> bool {
        self.0.is_some_and(|own| {
            own.port() == listen.port() && own.port() != 0 && (listen.ip().is_unspecified() || listen.ip() == own.ip())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::off("", None)]
    #[case::the_usual("127.0.0.1:8081", Some("127.0.0.1:8081"))]
    #[case::any_of_the_network("127.1.2.3:0", Some("127.1.2.3:0"))]
    #[case::version_6("[::1]:9", Some("[::1]:9"))]
    fn loopback_is_taken(#[case] text: &str, #[case] address: Option<&str>) {
        let wanted = address.map(|address| address.parse().unwrap());
        assert_eq!(text.parse(), Ok(AdminAddress(wanted)));
    }

    #[rstest]
    #[case::all("0.0.0.0:8081")]
    #[case::all_of_version_6("[::]:8081")]
    #[case::of_the_pod("10.0.0.7:8081")]
    #[case::mapped("[::ffff:127.0.0.1]:8081")]
    #[case::a_name("localhost:8081")]
    #[case::no_port("127.0.0.1")]
    fn anything_else_is_refused(#[case] text: &str) {
        let refused = AdminAddress::from_str(text).unwrap_err();
        assert!(refused.contains("loopback only"), "{refused}");
    }

    #[rstest]
    #[case("127.0.0.1:8080", "[::]:8080", true)]
    #[case("127.0.0.1:8080", "0.0.0.0:8080", true)]
    #[case("[::1]:8080", "[::1]:8080", true)]
    #[case("127.0.0.1:8080", "10.0.0.7:8080", false)]
    #[case("127.0.0.1:8081", "[::]:8080", false)]
    #[case("127.0.0.1:0", "[::]:0", false)]
    #[case("", "[::]:8080", false)]
    fn a_port_is_one_sockets(#[case] admin: AdminAddress, #[case] listen: SocketAddr, #[case] taken: bool) {
        assert_eq!(admin.is_taken_by(listen), taken);
    }
}
