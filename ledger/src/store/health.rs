//! A store's health.
//!
//! Used by [`super::Store::health`] and [`super::cluster`].

use super::fault::Fault;
use redis::Cmd;

/// The key for health checks. On a Cluster, a tag is appended.
pub(super) const HEALTH: &str = "tg:health";

/// A store's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The store answers.
    Up,
    /// Part of the store answers.
    Partial {
        /// The number of servers that answer.
        up: usize,
        /// The number of servers.
        of: usize,
    },
    /// The store does not answer.
    Down(Fault),
}

/// Runs the commands that a decision needs. What it writes expires quickly.
const PROBE: &str = "redis.call('TIME') redis.call('GET', KEYS[1]) redis.call('MGET', KEYS[1], KEYS[1]) \
    return redis.call('SET', KEYS[1], 1, 'PX', 100)";

/// Builds a probe. Replicas and full or loading servers refuse it, and so does a server whose user
/// lacks a right that decisions need.
pub(super) fn probe(key: &str) -> Cmd {
    let mut eval = redis::cmd("EVAL");
    eval.arg(PROBE).arg(1).arg(key);
    eval
}
