//! A Redis Cluster of real processes on loopback: three primaries, joined by hand.

use super::proxy::Proxy;
use super::{start_redis, wait_for};
use harness::stack::{Port, Server};
use redis::{Client, Connection, Value};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// The number of primaries.
const NODES: usize = 3;
const SLOTS: usize = 16_384;

/// Returns the first and last slot of a node.
const fn range(node: usize) -> (usize, usize) {
    (node * SLOTS / NODES, (node + 1) * SLOTS / NODES - 1)
}

/// Returns the node that initially has `slot`.
#[must_use]
pub fn owner(slot: u16) -> usize {
    ((usize::from(slot) + 1) * NODES - 1) / SLOTS
}

/// A running Cluster.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes. Each has a third of the slots, in order.
    pub nodes: Vec<Server>,
    /// The bus port of each node.
    buses: Vec<Port>,
    _dirs: Vec<TempDir>,
}

impl Cluster {
    /// Starts the nodes and joins them.
    ///
    /// # Panics
    /// Panics if they do not form a Cluster.
    #[must_use]
    pub fn start() -> Self {
        // Each node keeps its configuration in its own directory.
        let dirs: Vec<_> = (0..NODES).map(|_| TempDir::new().expect("a directory")).collect();
        let buses: Vec<_> = (0..NODES).map(|_| Port::free().expect("a free port")).collect();
        let pairs = dirs.iter().zip(&buses);
        let nodes: Vec<_> = pairs.map(|(dir, bus)| start_node(dir.path(), bus)).collect();
        let cluster = Self { nodes, buses, _dirs: dirs };
        for (at, node) in cluster.nodes.iter().enumerate() {
            let (first, last) = range(at);
            cluster.ask(at, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            cluster.ask(at, &["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            let port = node.port().to_string();
            if at > 0 {
                let bus = cluster.buses[at].number().to_string();
                cluster.ask(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
        for at in 0..NODES {
            wait_for("the Cluster to form", || cluster.is_whole(at).then_some(()));
        }
        cluster
    }

    /// Starts a proxy for a node that is not a seed. The Cluster announces the proxy's port to
    /// clients instead of the node's.
    ///
    /// # Panics
    /// Panics if the other nodes do not announce it.
    #[must_use]
    pub fn start_proxy_for(&self, node: usize) -> Proxy {
        let proxy = Proxy::start(self.nodes[node].addr());
        let port = i64::from(proxy.addr().port());
        self.ask(node, &["CONFIG", "SET", "cluster-announce-port", &port.to_string()]);
        for at in 0..NODES {
            wait_for("the proxy to be announced", || {
                format!("{:?}", self.ask(at, &["CLUSTER", "SLOTS"]))
                    .contains(&format!("int({port})"))
                    .then_some(())
            });
        }
        proxy
    }

    /// Returns the Cluster's URL for a shim, with two nodes as seeds.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+cluster://{},{}", self.nodes[0].addr(), self.nodes[1].addr())
    }

    /// Connects to a node.
    ///
    /// # Panics
    /// Panics if it cannot connect.
    #[must_use]
    pub fn connection(&self, at: usize) -> Connection {
        let client = Client::open(format!("redis://{}", self.nodes[at].addr())).expect("a URL");
        client.get_connection_with_timeout(Duration::from_secs(10)).expect("the node answers")
    }

    /// Sends one command to one node.
    ///
    /// # Panics
    /// Panics if the node rejects it.
    pub fn ask(&self, at: usize, command: &[&str]) -> Value {
        let mut cmd = redis::cmd(command[0]);
        cmd.arg(&command[1..]);
        cmd.query(&mut self.connection(at)).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Returns the node that initially has `key`. The Cluster computes the slot.
    ///
    /// # Panics
    /// Panics if the Cluster does not answer.
    #[must_use]
    pub fn node_of(&self, key: &str) -> usize {
        let slot = self.ask(0, &["CLUSTER", "KEYSLOT", key]);
        owner(redis::from_redis_value(slot).expect("a slot"))
    }

    /// Returns a node's id.
    ///
    /// # Panics
    /// Panics if the node does not answer.
    #[must_use]
    pub fn id(&self, at: usize) -> String {
        redis::from_redis_value(self.ask(at, &["CLUSTER", "MYID"])).expect("an id")
    }

    fn is_whole(&self, at: usize) -> bool {
        let info: String =
            redis::from_redis_value(self.ask(at, &["CLUSTER", "INFO"])).expect("text");
        info.contains("cluster_state:ok") && info.contains(&format!("cluster_known_nodes:{NODES}"))
    }
}

fn start_node(dir: &Path, bus: &Port) -> Server {
    // Without full coverage, two nodes keep serving when the third fails.
    let args = ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"];
    let bus = bus.number().to_string();
    start_redis(
        dir,
        &[&args[..], &["--cluster-node-timeout", "2000", "--cluster-port", &bus]].concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_exactly_one_owner() {
        for node in 0..NODES {
            let (first, last) = range(node);
            assert!((first..=last).all(|slot| owner(u16::try_from(slot).unwrap()) == node));
        }
        assert_eq!((range(0).0, range(NODES - 1).1), (0, SLOTS - 1));
    }
}
