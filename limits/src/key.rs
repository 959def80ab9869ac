//! From a key's value to the identity that counters are named by.
//!
//! Called by [`crate::plan`] with what a request carries, and by the operator's tools with what a
//! person typed (`user=42`): both ways lead to the same counter.

use crate::counter::Identity;
use crate::plan::Facts;
use crate::policy::{Key, KeySource, Policy};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What stands for a client address that cannot be read: such clients share one counter.
const NO_ADDRESS: &[u8] = b"unknown";

/// A key's value as a person typed it is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The policy has no such key.
    #[error("the policy has no key {0:?}")]
    Unknown(String),
    /// A client-address key's value is no address.
    #[error("expected an IP address for key {key:?}, found {value:?}")]
    NoAddress {
        /// The key.
        key: String,
        /// What was given.
        value: String,
    },
}

/// Who pays by key `name` for the request that `facts` tell of.
///
/// Where the key's source has no value, its `otherwise` pays; a checked policy ends that chain with
/// a source that is always there.
pub fn of_request(policy: &Policy, name: &str, facts: &impl Facts) -> Identity {
    let mut name = name;
    for _ in 0..=policy.keys.len() {
        let Some(key) = policy.keys.get(name) else { break };
        if let Some(value) = value(key, facts) {
            return identity(policy, name, &value);
        }
        match &key.otherwise {
            Some(next) => name = next,
            None => break,
        }
    }
    identity(policy, name, NO_ADDRESS)
}

/// Who pays by key `name` if its value is `text`, as a person would write it.
///
/// # Errors
/// [`BadKey`] if the policy has no such key, or the value is none of its kind.
pub fn of_text(policy: &Policy, name: &str, text: &str) -> Result<Identity, BadKey> {
    let key = policy.keys.get(name).ok_or_else(|| BadKey::Unknown(name.to_owned()))?;
    let value = match &key.source {
        KeySource::ClientIp { v4_prefix, v6_prefix } => {
            let bad = || BadKey::NoAddress { key: name.to_owned(), value: text.to_owned() };
            network(text.parse().map_err(|_| bad())?, *v4_prefix, *v6_prefix)
        }
        KeySource::JwtClaim(_) | KeySource::Header(_) => text.as_bytes().to_vec(),
    };
    Ok(identity(policy, name, &value))
}

fn identity(policy: &Policy, name: &str, value: &[u8]) -> Identity {
    Identity::derive(policy.salt.as_bytes(), [name.as_bytes(), value])
}

fn value(key: &Key, facts: &impl Facts) -> Option<Vec<u8>> {
    match &key.source {
        KeySource::JwtClaim(claim) => facts.claim(claim).map(|bytes| claim_text(&bytes)),
        KeySource::Header(name) => facts.header(name),
        KeySource::ClientIp { v4_prefix, v6_prefix } => {
            let address = facts.client_address().as_deref().and_then(address);
            Some(
                address
                    .map_or_else(|| NO_ADDRESS.to_vec(), |ip| network(ip, *v4_prefix, *v6_prefix)),
            )
        }
    }
    .filter(|value| !value.is_empty())
}

/// A claim's value as text. Envoy hands a number over as the 8 bytes of a double, which for a whole
/// number hold NULs, as no claim's text does.
pub(crate) fn claim_text(bytes: &[u8]) -> Vec<u8> {
    let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0'));
    match <[u8; 8]>::try_from(bytes) {
        Ok(eight) if !is_text => f64::from_le_bytes(eight).to_string().into_bytes(),
        _ => bytes.to_vec(),
    }
}

/// Reads Envoy's `ip:port`; an address without a port is taken too.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| text.parse()).ok()
}

/// The network's bytes, behind the length of its prefix; an IPv4 address in IPv6 clothes counts as
/// the IPv4 address that it is.
fn network(ip: IpAddr, v4_prefix: u8, v6_prefix: u8) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4_prefix)).unwrap_or(0);
            let mut bytes = vec![4, v4_prefix];
            bytes.extend((u32::from(ip) & mask).to_be_bytes());
            bytes
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6_prefix)).unwrap_or(0);
            let mut bytes = vec![6, v6_prefix];
            bytes.extend(Ipv6Addr::from(u128::from(ip) & mask).octets());
            bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_client(one: &str, other: &str) -> bool {
        let bytes = |text: &str| network(address(text.as_bytes()).unwrap(), 24, 64);
        bytes(one) == bytes(other)
    }

    #[test]
    fn a_client_is_its_network() {
        assert!(same_client("192.0.2.1:1000", "192.0.2.255:2000"));
        assert!(!same_client("192.0.2.1:1000", "192.0.3.1:1000"));
        assert!(same_client("[2001:db8::1]:1", "[2001:db8::ffff:1]:2"));
        assert!(!same_client("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"));
        assert!(same_client("[::ffff:192.0.2.1]:1", "192.0.2.1:1"));
    }

    #[test]
    fn a_number_and_its_text_are_one_claim() {
        assert_eq!(claim_text(&42f64.to_le_bytes()), b"42");
        assert_eq!(claim_text(&0f64.to_le_bytes()), b"0");
        assert_eq!(claim_text(b"42"), b"42");
        assert_eq!(claim_text(b"user1234"), b"user1234");
        assert_eq!(claim_text("né-1234".as_bytes()), "né-1234".as_bytes());
    }
}
