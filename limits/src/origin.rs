//! The network that a request comes from, about as large as one provider gets. The table of
//! `on_failure: local` shares its room among them. Used by [`crate::gate`] and [`crate::ledger`].

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The first 16 bits of an IPv4 address, or the first 32 of an IPv6 address.
///
/// Many providers lend a customer an IPv6 /48, and some a /40, so shorter prefixes would let one
/// machine come from many networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Origin(u32);

impl Origin {
    /// The origin of requests without an address. No address on the internet has it.
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);

    /// Returns the origin of a client. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub(crate) fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            IpAddr::V4(ip) => Self(u32::from(ip) >> 16),
            IpAddr::V6(ip) => {
                let [first, second, ..] = ip.segments();
                Self(u32::from(first) << 16 | u32::from(second))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, is_same: bool) {
        let of = |text: &str| Origin::of(text.parse().unwrap());
        assert_eq!(of(one) == of(other), is_same, "{one} {other}");
    }

    #[test]
    fn an_origin_is_a_large_network() {
        check("192.0.2.1", "192.0.255.255", true);
        check("192.0.2.1", "192.1.2.1", false);
        check("2001:db8::1", "2001:db8:ffff::1", true);
        check("2001:db8::1", "2001:db9::1", false);
        check("::ffff:192.0.2.1", "192.0.2.1", true);
        assert_ne!(Origin::of("255.255.255.255".parse().unwrap()), Origin::UNKNOWN);
    }
}
