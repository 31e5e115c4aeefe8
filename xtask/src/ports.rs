//! Free ports on loopback.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};

use crate::Error;

/// Below the range that Linux gives to outgoing connections (32768 and up), so
/// that a port stays free while its server restarts.
const LOW: u16 = 15_000;
const HIGH: u16 = 32_000;
const ATTEMPTS: usize = 200;

/// `count` different ports that were free on 127.0.0.1 a moment ago.
pub fn free(count: usize) -> Result<Vec<u16>, Error> {
    let mut held: Vec<(u16, TcpListener)> = Vec::new();
    for _ in 0..ATTEMPTS {
        if held.len() == count {
            break;
        }
        let port = random_port();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(Error::Setup(format!(
            "found only {} of {count} free ports on 127.0.0.1 between {LOW} and {HIGH}",
            held.len()
        )));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

fn random_port() -> u16 {
    // Every RandomState has fresh keys, which is all the randomness needed here.
    let random = RandomState::new().build_hasher().finish() % u64::from(HIGH - LOW);
    LOW + u16::try_from(random).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_in_range() {
        let mut ports = free(5).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 5);
        assert!(ports.iter().all(|port| (LOW..HIGH).contains(port)));
    }
}
