//! Connections to every server of a ledger: each command goes to the one that has its key.

use crate::shim::cluster::owner;
use redis::{Cmd, Connection, FromRedisValue, Value};
use std::collections::HashMap;

/// A connection to each server; made by [`LedgerServer::connect`](super::server::LedgerServer::connect).
pub struct Link {
    nodes: Vec<Connection>,
    /// By what is between a key's braces.
    node_of: HashMap<String, usize>,
}

impl Link {
    pub(super) fn new(nodes: Vec<Connection>) -> Self {
        Self { nodes, node_of: HashMap::new() }
    }

    /// All of them.
    pub fn all(&mut self) -> &mut [Connection] {
        &mut self.nodes
    }

    /// Sends a command about `key`; to the first server if it is about none.
    ///
    /// # Errors
    /// Where the server refuses it.
    pub fn query<T: FromRedisValue>(
        &mut self,
        key: Option<&str>,
        command: &Cmd,
    ) -> redis::RedisResult<T> {
        let node = key.map_or(0, |key| self.node(key));
        command.query(&mut self.nodes[node])
    }

    /// Sends commands, each with its key, to each server all of its own in one go. The replies, in
    /// the commands' order.
    ///
    /// # Panics
    /// Where one is refused.
    pub fn pipe(&mut self, commands: Vec<(&str, Cmd)>) -> Vec<Value> {
        let mut replies = vec![Value::Nil; commands.len()];
        let mut pipes = vec![(Vec::new(), redis::pipe()); self.nodes.len()];
        for (place, (key, command)) in commands.into_iter().enumerate() {
            let (places, pipe) = &mut pipes[self.node(key)];
            places.push(place);
            pipe.add_command(command);
        }
        let asked = pipes.iter().zip(&mut self.nodes);
        for ((places, pipe), node) in asked.filter(|((places, _), _)| !places.is_empty()) {
            let told: Vec<Value> = pipe.query(node).expect("replies");
            for (place, reply) in places.iter().zip(told) {
                replies[*place] = reply;
            }
        }
        replies
    }

    /// Which server has `key`.
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
