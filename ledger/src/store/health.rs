//! A store's health.
//!
//! Asked by [`super::Store::health`] and [`super::cluster`].

use super::fault::Fault;
use redis::Cmd;

/// The key that a server's health is tried on; for a server of a Cluster, with a tag.
pub(super) const HEALTH: &str = "tg:health";

/// A store's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// A part of it answers.
    Partly {
        /// Servers that answer.
        up: usize,
        /// All servers.
        of: usize,
    },
    /// It does not answer.
    Ill(Fault),
}

/// A write that leaves nothing: a replica, a full or a loading server refuse it.
pub(super) fn write_probe(key: &str) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(key).arg("1").arg("PX").arg(100);
    set
}
