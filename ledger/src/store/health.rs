//! Whether a store answers.
//!
//! Asked by [`super::Store::health`] and [`super::cluster`].

use super::fault::Fault;
use redis::Cmd;

/// The key that the health of a server is tried on; of one of a Cluster's, with a tag.
pub(super) const HEALTH: &str = "tg:health";

/// How well the ledger is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// A part of it answers.
    Partly {
        /// Servers that do.
        up: usize,
        /// All servers.
        of: usize,
    },
    /// It does not.
    Ill(Fault),
}

/// A write that leaves nothing: a replica, a full or a loading server refuse it.
pub(super) fn write_probe(key: &str) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(key).arg("1").arg("PX").arg(100);
    set
}
