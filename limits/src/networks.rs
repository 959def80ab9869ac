//! Sets of IP networks, and the search for an address in them. Built by [`crate::policy`], used by
//! [`crate::matching`].
//!
//! A set is a sorted list of disjoint ranges for each IP version, so a search takes as many steps as
//! the number of networks has bits. An IPv4-mapped IPv6 address counts as the IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A set of IP networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<Range<u32>>,
    v6: Vec<Range<u128>>,
}

/// The addresses from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range<T> {
    first: T,
    last: T,
}

/// A network: an address and the number of its leading bits that count. All other bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A malformed [`Network`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    /// Neither an address nor a network.
    #[error("expected a network such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1")]
    Malformed,
    /// The address has bits outside the network.
    #[error("the address has bits after its first {prefix}: write {network}")]
    HostBits {
        /// The prefix length as written.
        prefix: u8,
        /// The network of the address.
        network: String,
    },
}

impl Network {
    /// Parses a network in CIDR notation, or a single address.
    ///
    /// # Errors
    /// [`BadNetwork`] if the text is malformed, or if the address has bits outside the network.
    pub fn parse(text: &str) -> Result<Self, BadNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().map_err(|_| BadNetwork::Malformed)?;
        let whole = if written.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(whole), |text| digits(text).ok_or(BadNetwork::Malformed))?;
        if prefix > whole {
            return Err(BadNetwork::Malformed);
        }
        let address = cut(written, prefix);
        if address != written {
            return Err(BadNetwork::HostBits { prefix, network: format!("{address}/{prefix}") });
        }
        Ok(match (address.to_canonical(), prefix.checked_sub(96)) {
            (IpAddr::V4(v4), Some(rest)) if address.is_ipv6() => {
                Self { address: IpAddr::V4(v4), prefix: rest }
            }
            _ => Self { address, prefix },
        })
    }
}

/// Parses a prefix length: one to three digits, without a sign.
fn digits(text: &str) -> Option<u8> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Clears all bits of `address` after the first `prefix`.
fn cut(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(u32::from(v4) & !host_bits_v4(prefix))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !host_bits_v6(prefix))),
    }
}

fn host_bits_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

fn host_bits_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0)
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for Network { address, prefix } in networks {
            match address {
                IpAddr::V4(ip) => {
                    let first = u32::from(ip);
                    v4.push(Range { first, last: first | host_bits_v4(prefix) });
                }
                IpAddr::V6(ip) => {
                    let first = u128::from(ip);
                    v6.push(Range { first, last: first | host_bits_v6(prefix) });
                }
            }
        }
        Self { v4: merged(v4), v6: merged(v6) }
    }
}

/// Sorts ranges and joins those that overlap.
fn merged<T: Copy + Ord>(mut ranges: Vec<Range<T>>) -> Vec<Range<T>> {
    ranges.sort_unstable();
    let mut merged: Vec<Range<T>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(before) if range.first <= before.last => before.last = before.last.max(range.last),
            _ => merged.push(range),
        }
    }
    merged.shrink_to_fit();
    merged
}

impl Networks {
    /// Returns true if one of the networks contains `address`.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(ip) => is_within(&self.v4, u32::from(ip)),
            IpAddr::V6(ip) => is_within(&self.v6, u128::from(ip)),
        }
    }
}

fn is_within<T: Copy + Ord>(ranges: &[Range<T>], address: T) -> bool {
    let after = ranges.partition_point(|range| range.first <= address);
    let nearest = after.checked_sub(1).and_then(|at| ranges.get(at));
    nearest.is_some_and(|range| address <= range.last)
}

/// Parses a client's address: Envoy's `ip:port`, or an address without a port. Returns `None` for
/// anything else, for example the name of a Unix socket.
#[must_use]
pub fn address(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse::<SocketAddr>().map(|socket| socket.ip()).or_else(|_| text.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(texts: &[&str]) -> Networks {
        texts.iter().map(|text| Network::parse(text).unwrap()).collect()
    }

    fn check(networks: &[&str], inside: &[&str], outside: &[&str]) {
        let set = set(networks);
        let contains = |text: &&&str| set.contain(text.parse().unwrap());
        assert_eq!(inside.iter().find(|text| !contains(text)), None, "{networks:?}");
        assert_eq!(outside.iter().find(|text| contains(text)), None, "{networks:?}");
    }

    #[test]
    fn a_set_contains_the_addresses_of_its_networks() {
        check(&["10.0.0.0/8"], &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]);
        check(&["192.0.2.1"], &["192.0.2.1"], &["192.0.2.0", "192.0.2.2", "::192.0.2.1"]);
        check(&["0.0.0.0/0"], &["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], &["::1"]);
        check(&["::/0"], &["::", "ffff::"], &["1.2.3.4", "::ffff:1.2.3.4"]);
        check(&["2001:db8::/32"], &["2001:db8:ffff::"], &["2001:db7:ffff::", "2001:db9::"]);
        check(&["::ffff:10.0.0.0/104"], &["10.1.2.3", "::ffff:10.1.2.3"], &["11.0.0.0"]);
        check(&["10.0.0.0/8", "10.1.0.0/16"], &["10.1.2.3", "10.200.0.1"], &["11.0.0.0"]);
        check(&["10.0.0.0/9", "10.128.0.0/9"], &["10.127.255.255", "10.128.0.0"], &["11.0.0.0"]);
        check(&[], &[], &["10.0.0.1", "::1"]);
    }

    #[test]
    fn malformed_networks_are_refused() {
        for text in
            ["", "office", "10.0.0/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/+8", "::/-1"]
        {
            assert_eq!(Network::parse(text), Err(BadNetwork::Malformed), "{text}");
        }
        let error = |text: &str| Network::parse(text).unwrap_err().to_string();
        insta::assert_snapshot!(error("10.0.0.1/8"), @"the address has bits after its first 8: write 10.0.0.0/8");
        insta::assert_snapshot!(error("2001:db8::1/32"), @"the address has bits after its first 32: write 2001:db8::/32");
    }

    #[test]
    fn the_address_of_a_client_has_a_port_or_not() {
        for text in ["192.0.2.1:80", "192.0.2.1", "[::1]:80", "::1"] {
            assert!(address(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["", "@/tmp/socket", "192.0.2.1:", "localhost"] {
            assert!(address(text.as_bytes()).is_none(), "{text}");
        }
    }

    /// Returns true if the first `prefix` bits agree.
    fn model(network: u32, prefix: u8, address: u32) -> bool {
        (0..prefix).all(|bit| (network ^ address) & (1 << (31 - bit)) == 0)
    }

    proptest! {
        #[test]
        fn a_set_agrees_with_a_scan_of_its_networks(
            networks in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..20),
            address in any::<u32>(),
            near in any::<prop::sample::Index>(),
            flip in 0..32_u32,
        ) {
            let set: Networks = networks
                .iter()
                .map(|(ip, prefix)| Network {
                    address: cut(Ipv4Addr::from(*ip).into(), *prefix),
                    prefix: *prefix,
                })
                .collect();
            let nearby = networks.get(near.index(networks.len().max(1)));
            for address in [address, nearby.map_or(0, |(ip, _)| ip ^ (1_u32 << flip))] {
                let expected = networks.iter().any(|(ip, prefix)| model(*ip, *prefix, address));
                let v4 = Ipv4Addr::from(address);
                prop_assert_eq!(set.contain(v4.into()), expected);
                prop_assert_eq!(set.contain(v4.to_ipv6_mapped().into()), expected);
            }
        }
    }
}
