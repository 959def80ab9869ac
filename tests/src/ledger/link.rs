//! Connections to every server of a ledger. Each command goes to the server that has its key.

use crate::shim::cluster::owner;
use redis::{Cmd, Connection, FromRedisValue, Value};
use std::collections::HashMap;

/// A connection to each server; made by
/// [`LedgerServer::connect`](super::server::LedgerServer::connect).
pub struct Link {
    nodes: Vec<Connection>,
    /// The server for each hash tag (the text between a key's braces).
    node_of: HashMap<String, usize>,
}

impl Link {
    pub(super) fn new(nodes: Vec<Connection>) -> Self {
        Self { nodes, node_of: HashMap::new() }
    }

    /// Returns all connections.
    pub fn all(&mut self) -> &mut [Connection] {
        &mut self.nodes
    }

    /// Sends a command to the server that has `key`, or to the first server if there is no key.
    ///
    /// # Errors
    /// Fails if the server rejects it.
    pub fn query<T: FromRedisValue>(
        &mut self,
        key: Option<&str>,
        command: &Cmd,
    ) -> redis::RedisResult<T> {
        let node = key.map_or(0, |key| self.node(key));
        command.query(&mut self.nodes[node])
    }

    /// Sends commands with their keys, in one pipeline per server. Returns the replies in the order
    /// of the commands.
    ///
    /// # Panics
    /// Panics if a command is rejected.
    pub fn pipe(&mut self, commands: Vec<(&str, Cmd)>) -> Vec<Value> {
        let mut replies = vec![Value::Nil; commands.len()];
        let mut pipes = vec![(Vec::new(), redis::pipe()); self.nodes.len()];
        for (place, (key, command)) in commands.into_iter().enumerate() {
            let (places, pipe) = &mut pipes[self.node(key)];
            places.push(place);
            pipe.add_command(command);
        }
        let batches = pipes.iter().zip(&mut self.nodes);
        for ((places, pipe), node) in batches.filter(|((places, _), _)| !places.is_empty()) {
            let values: Vec<Value> = pipe.query(node).expect("replies");
            for (place, reply) in places.iter().zip(values) {
                replies[*place] = reply;
            }
        }
        replies
    }

    /// Returns the index of the server that has `key`.
    fn node(&mut self, key: &str) -> usize {
        if self.nodes.len() == 1 {
            return 0;
        }
        let tag = key.split(['{', '}']).nth(1).expect("a counter's or a mark's name");
        if let Some(node) = self.node_of.get(tag) {
            return *node;
        }
        let mut ask = redis::cmd("CLUSTER");
        let slot = ask.arg("KEYSLOT").arg(key).query(&mut self.nodes[0]);
        let node = owner(slot.expect("a key's slot"));
        self.node_of.insert(tag.to_owned(), node);
        node
    }
}
