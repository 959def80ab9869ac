//! Counts each client's open connections, and caps them. The Wasm filter counts those of a gateway
//! worker, the dynamic module those of a process. Both report each connection's start and end.

use crate::bounded::Bounded;
use crate::json::{self, JsonError};
use crate::key;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Prefix lengths, in bits, that identify a client; the same as in the shipped policy.
const V4_PREFIX: u8 = 32;
const V6_PREFIX: u8 = 64;

/// The largest configurable limit: more than Envoy has file descriptors for.
const MAX: u64 = 1_000_000;

/// The configuration document.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    max_per_address: Bounded<1, MAX>,
}

/// The most connections that a client can have open.
#[derive(Debug, Clone, Copy)]
pub struct Limit(u64);

/// The open connections, by client. Their number is bounded by Envoy's own connection limit.
#[derive(Debug, Default)]
pub struct Connections {
    open: BTreeMap<Vec<u8>, u64>,
}

/// An open connection's place in the count of its client; `None` without a client. Pass it to
/// [`Connections::close`] when the connection ends.
#[derive(Debug)]
#[must_use]
pub struct Place(Option<Vec<u8>>);

impl Limit {
    /// Parses the configuration, `{"max_per_address": NUMBER}`.
    ///
    /// # Errors
    /// Fails with the location of the first mistake.
    pub fn from_value(document: &serde_json::Value) -> Result<Self, JsonError> {
        let Document { max_per_address } = json::from_value(document)?;
        Ok(Self(max_per_address.get()))
    }
}

impl Connections {
    /// Counts a connection from `address` (Envoy's `ip:port`, or an address without a port).
    ///
    /// Returns `None` without counting it if the client has reached `limit`. Connections without an
    /// IP address, for example over a Unix socket, are not limited.
    pub fn open(&mut self, limit: Limit, address: &[u8]) -> Option<Place> {
        let Some(client) = key::client(address, V4_PREFIX, V6_PREFIX) else {
            return Some(Place(None));
        };
        match self.open.get_mut(&client) {
            Some(open) if *open >= limit.0 => return None,
            Some(open) => *open += 1,
            None => {
                self.open.insert(client.clone(), 1);
            }
        }
        Some(Place(Some(client)))
    }

    /// Frees the place of a connection that has ended.
    pub fn close(&mut self, place: Place) {
        let Some(client) = place.0 else { return };
        if let Some(open) = self.open.get_mut(&client) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn limit(max: u32) -> Limit {
        Limit::from_value(&json!({ "max_per_address": max })).unwrap()
    }

    #[test]
    fn a_client_cannot_exceed_its_limit() {
        let (mut connections, limit) = (Connections::default(), limit(2));
        let first = connections.open(limit, b"192.0.2.1:1").unwrap();
        let _second = connections.open(limit, b"192.0.2.1:2").unwrap();
        assert!(connections.open(limit, b"192.0.2.1:3").is_none());
        assert!(connections.open(limit, b"192.0.2.2:1").is_some(), "another address");
        connections.close(first);
        assert!(connections.open(limit, b"192.0.2.1:4").is_some());
        assert!(connections.open(limit, b"192.0.2.1:5").is_none());
    }

    #[test]
    fn a_lower_limit_counts_what_a_higher_one_let_in() {
        let mut connections = Connections::default();
        let mut open = |max| connections.open(limit(max), b"192.0.2.1:1").is_some();
        assert_eq!([3, 3, 2, 3, 3].map(&mut open), [true, true, false, true, false]);
    }

    #[test]
    fn ipv6_clients_are_counted_by_network() {
        let (mut connections, limit) = (Connections::default(), limit(1));
        let _first = connections.open(limit, b"[2001:db8::1]:1").unwrap();
        assert!(connections.open(limit, b"[2001:db8::2]:1").is_none());
        assert!(connections.open(limit, b"2001:db8::3").is_none(), "without a port");
        assert!(connections.open(limit, b"[2001:db8:0:1::1]:1").is_some());
    }

    #[test]
    fn connections_without_an_ip_address_are_not_limited() {
        let mut connections = Connections::default();
        let mut open = |_| connections.open(limit(1), b"/run/gateway.sock").is_some();
        assert!((1..5).all(&mut open));
    }

    #[test]
    fn closed_connections_leave_no_state() {
        let mut connections = Connections::default();
        let mut open =
            |last: u8| connections.open(limit(2), format!("192.0.2.{last}:1").as_bytes());
        let places: Vec<Place> = [1, 2, 3, 1].into_iter().map(|last| open(last).unwrap()).collect();
        assert_eq!(connections.open.len(), 3);
        places.into_iter().for_each(|place| connections.close(place));
        assert!(connections.open.is_empty());
    }

    #[test]
    fn an_invalid_configuration_is_refused() {
        let error = |value: Value| Limit::from_value(&value).unwrap_err().to_string();
        insta::assert_snapshot!(error(json!({})), @"the document: missing field `max_per_address`");
        insta::assert_snapshot!(error(json!({ "max_per_address": 0 })), @"/max_per_address: invalid value: integer `0`, expected a whole number from 1 to 1000000");
        insta::assert_snapshot!(error(json!({ "max_per_adress": 1 })), @"/max_per_adress: unknown field `max_per_adress`, expected `max_per_address`");
    }
}
