//! Counts each client's open connections at one gateway worker, and caps them. The filter reports
//! each connection's start and end.

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

/// One worker's open connections, by client. Its size is bounded by Envoy's own connection limit.
#[derive(Debug)]
pub struct Connections {
    max_per_address: u64,
    /// Open connections of each client.
    open: BTreeMap<Vec<u8>, u64>,
    /// The client of each connection.
    clients: BTreeMap<u32, Vec<u8>>,
}

impl Connections {
    /// Parses the configuration, `{"max_per_address": NUMBER}`.
    ///
    /// # Errors
    /// Fails with the location of the first mistake.
    pub fn from_value(document: serde_json::Value) -> Result<Self, JsonError> {
        let Document { max_per_address } = json::from_value(&document)?;
        Ok(Self {
            max_per_address: max_per_address.get(),
            open: BTreeMap::new(),
            clients: BTreeMap::new(),
        })
    }

    /// Counts connection `id` from `address` (Envoy's `ip:port`).
    ///
    /// Returns false without counting it if the client has reached its limit. Connections without
    /// an IP address, for example over a Unix socket, are not limited.
    pub fn open(&mut self, id: u32, address: &[u8]) -> bool {
        let Some(client) = key::client(address, V4_PREFIX, V6_PREFIX) else { return true };
        let open = self.open.entry(client.clone()).or_default();
        if *open >= self.max_per_address {
            return false;
        }
        *open += 1;
        self.clients.insert(id, client);
        true
    }

    /// Removes connection `id`, which has ended. Ignores a connection that was not counted.
    pub fn close(&mut self, id: u32) {
        let Some(client) = self.clients.remove(&id) else { return };
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

    fn connections(max: u32) -> Connections {
        Connections::from_value(json!({ "max_per_address": max })).unwrap()
    }

    #[test]
    fn a_client_cannot_exceed_its_limit() {
        let mut connections = connections(2);
        assert!(connections.open(1, b"192.0.2.1:1"));
        assert!(connections.open(2, b"192.0.2.1:2"));
        assert!(!connections.open(3, b"192.0.2.1:3"));
        assert!(connections.open(4, b"192.0.2.2:1"), "another address");
        connections.close(3);
        assert!(!connections.open(5, b"192.0.2.1:4"), "closing a refused connection frees nothing");
        connections.close(1);
        connections.close(1);
        assert!(connections.open(6, b"192.0.2.1:5"));
        assert!(!connections.open(7, b"192.0.2.1:6"));
    }

    #[test]
    fn ipv6_clients_are_counted_by_network() {
        let mut connections = connections(1);
        assert!(connections.open(1, b"[2001:db8::1]:1"));
        assert!(!connections.open(2, b"[2001:db8::2]:1"));
        assert!(connections.open(3, b"[2001:db8:0:1::1]:1"));
    }

    #[test]
    fn connections_without_an_ip_address_are_not_limited() {
        let mut connections = connections(1);
        assert!((1..5).all(|id| connections.open(id, b"/run/gateway.sock")));
    }

    #[test]
    fn closed_connections_leave_no_state() {
        let mut connections = connections(1);
        for id in 0..3 {
            assert!(connections.open(id, format!("192.0.2.{id}:1").as_bytes()));
        }
        (0..3).for_each(|id| connections.close(id));
        assert!(connections.open.is_empty() && connections.clients.is_empty());
    }

    #[test]
    fn an_invalid_configuration_is_refused() {
        let error = |value: Value| Connections::from_value(value).unwrap_err().to_string();
        insta::assert_snapshot!(error(json!({})), @"the document: missing field `max_per_address`");
        insta::assert_snapshot!(error(json!({ "max_per_address": 0 })), @"/max_per_address: invalid value: integer `0`, expected a whole number from 1 to 1000000");
        insta::assert_snapshot!(error(json!({ "max_per_adress": 1 })), @"/max_per_adress: unknown field `max_per_adress`, expected `max_per_address`");
    }
}
