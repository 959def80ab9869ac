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

/// Builds a write that expires quickly. Replicas and full or loading servers refuse it.
pub(super) fn write_probe(key: &str) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(key).arg("1").arg("PX").arg(100);
    set
}
