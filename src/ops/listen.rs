//! The socket of health and metrics: one for both IP families.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Listens on an address. `[::]` takes IPv4 too, whatever the host's default is, and stands for `0.0.0.0` on a host
/// without IPv6.
///
/// # Errors
/// Where the address cannot be listened on.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    with_fallback(address, open_socket)
}

fn open_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A port whose last connections are still dying is free for the next process.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn with_fallback<T>(address: SocketAddr, open: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match open(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && may_lack_v6(&error) => {
            tracing::info!(%error, "this host has no IPv6: listening on IPv4 only");
            open((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        result => result,
    }
}

/// A port that is taken or forbidden is so in both families.
fn may_lack_v6(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv6Addr;

    use rstest::rstest;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn one_socket_takes_both_families() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        // Not every host that has IPv6 in its kernel has an address of it.
        if std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
    }

    #[rstest]
    #[case::off_in_the_kernel("[::]:8080", io::ErrorKind::Unsupported, Some("0.0.0.0:8080"))]
    #[case::no_address("[::]:8080", io::ErrorKind::AddrNotAvailable, Some("0.0.0.0:8080"))]
    #[case::taken("[::]:8080", io::ErrorKind::AddrInUse, None)]
    #[case::forbidden("[::]:80", io::ErrorKind::PermissionDenied, None)]
    #[case::one_address_was_meant("[::1]:8080", io::ErrorKind::AddrNotAvailable, None)]
    fn without_ipv6_every_address_is_every_ipv4_address(
        #[case] wanted: &str,
        #[case] failure: io::ErrorKind,
        #[case] bound: Option<&str>,
    ) {
        let open = |address: SocketAddr| {
            if address.is_ipv6() {
                Err(io::Error::from(failure))
            } else {
                Ok(address.to_string())
            }
        };
        assert_eq!(with_fallback(wanted.parse().unwrap(), open).ok().as_deref(), bound);
    }
}
