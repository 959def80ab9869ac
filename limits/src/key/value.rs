//! Extracts a request's value for a key or a limit table.

use crate::facts::{Facts, Value};
use crate::path::NormalPath;
use crate::policy::Source;
use crate::{cookie, host, networks, query};
use std::net::IpAddr;

/// The value used when a request lacks one that every request should have. All requests without it
/// share one counter.
pub(super) const NONE: &[u8] = b"unknown";

/// Returns the value of `source` as a key; `None` if the request has none.
pub(super) fn of(source: &Source, facts: &impl Facts) -> Option<Vec<u8>> {
    match source {
        Source::ClientIp { v4_prefix, v6_prefix } => {
            let address = facts.client_address().unwrap_or_default();
            Some(client(&address, *v4_prefix, *v6_prefix).unwrap_or_else(|| NONE.to_vec()))
        }
        Source::Host => Some(host::normal(&facts.host().unwrap_or_default()).into_bytes()),
        Source::Path | Source::Method => {
            Some(text_of(source, facts).unwrap_or_else(|| NONE.to_vec()))
        }
        _ => text_of(source, facts),
    }
}

/// Returns the value of `source` as text; always `None` for a client address.
pub(crate) fn text_of(source: &Source, facts: &impl Facts) -> Option<Vec<u8>> {
    value_of(source, facts).map(Value::into_text).filter(|text| !text.is_empty())
}

/// Returns the value of `source`, which can be empty; always `None` for a client address.
pub(crate) fn value_of(source: &Source, facts: &impl Facts) -> Option<Value> {
    let text = match source {
        Source::JwtClaim(names) => return facts.claim(names),
        Source::RouteMetadata(names) => return facts.route_metadata(names),
        Source::Metadata(names) => return facts.metadata(names),
        Source::Header(name) => facts.header(name),
        Source::Query(name) => query::parameter(&facts.path()?, name),
        Source::Cookie(name) => cookie::value(&facts.cookies()?, name),
        Source::Host => Some(host::normal(&facts.host()?).into_bytes()),
        Source::Path => Some(NormalPath::parse(&facts.path()?).ok()?.to_string().into_bytes()),
        Source::Method => facts.method(),
        Source::RouteName => facts.route_name(),
        Source::Constant(text) => Some(text.clone().into_bytes()),
        Source::ContentLength => facts.header("content-length"),
        Source::ClientIp { .. } => None,
    };
    text.map(Value::Text)
}

/// Returns the network of a client's address (Envoy's `ip:port`); `None` if it cannot be parsed.
pub(crate) fn client(bytes: &[u8], v4_prefix: u8, v6_prefix: u8) -> Option<Vec<u8>> {
    networks::address(bytes).map(|ip| network(ip, v4_prefix, v6_prefix))
}

/// Returns the network's bytes, preceded by the IP version and the prefix length. An IPv4-mapped
/// IPv6 address counts as the IPv4 address.
pub(super) fn network(ip: IpAddr, v4_prefix: u8, v6_prefix: u8) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4_prefix)).unwrap_or(0);
            let [a, b, c, d] = (u32::from(ip) & mask).to_be_bytes();
            vec![4, v4_prefix, a, b, c, d]
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6_prefix)).unwrap_or(0);
            [[6, v6_prefix].as_slice(), &(u128::from(ip) & mask).to_be_bytes()].concat()
        }
    }
}

/// Formats the bytes made by [`network`] in CIDR notation.
pub(super) fn shown_network(bytes: &[u8]) -> Option<String> {
    let (&[_, prefix], address) = bytes.split_first_chunk::<2>()?;
    let address: IpAddr = match address.len() {
        4 => <[u8; 4]>::try_from(address).ok()?.into(),
        16 => <[u8; 16]>::try_from(address).ok()?.into(),
        _ => return None,
    };
    Some(format!("{address}/{prefix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_client(one: &str, other: &str) -> bool {
        let bytes = |text: &str| network(networks::address(text.as_bytes()).unwrap(), 24, 64);
        bytes(one) == bytes(other)
    }

    #[test]
    fn clients_in_one_network_are_one_client() {
        assert!(same_client("192.0.2.1:1000", "192.0.2.255:2000"));
        assert!(!same_client("192.0.2.1:1000", "192.0.3.1:1000"));
        assert!(same_client("[2001:db8::1]:1", "[2001:db8::ffff:1]:2"));
        assert!(!same_client("[2001:db8::1]:1", "[2001:db8:0:1::1]:1"));
        assert!(same_client("[::ffff:192.0.2.1]:1", "192.0.2.1:1"));
    }

    #[test]
    fn networks_are_shown_in_cidr_notation() {
        let shown = |text: &str| shown_network(&network(text.parse().unwrap(), 24, 64));
        assert_eq!(shown("192.0.2.7").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(shown("2001:db8::7").as_deref(), Some("2001:db8::/64"));
        assert_eq!(shown_network(NONE), None);
    }
}
