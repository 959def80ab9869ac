//! Reasons that the ledger gave no decision.
//!
//! Raised by everything under [`crate::store`], and reported to clients by front-ends.

use super::software::ConnectError;
use limits::ledger::Refusal;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// A reason that the ledger gave no decision. Each is a 503 to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not connected. Nothing was sent.
    #[error("The ledger is not connected; nothing was charged.")]
    Disconnected,
    /// The server is too old, or not Redis or Valkey. Nothing was sent.
    #[error(
        "The ledger must be Redis 7.0 or later or Valkey 7.2 or later, found {found}; nothing was \
         charged."
    )]
    Unsupported {
        /// The server's name and version.
        found: String,
    },
    /// The queue is full. Nothing was sent.
    #[error("The ledger's queue is full; nothing was charged.")]
    Overloaded,
    /// The connection was lost or timed out after sending. The ledger may have charged, so nothing
    /// is sent again.
    #[error("The ledger's answer was lost; the request may have been charged.")]
    AnswerLost,
    /// The ledger cannot serve now: it is loading, read-only, out of memory, … Scripts write
    /// everything at their end, so if Redis refuses one, nothing was written.
    #[error("The ledger cannot serve now ({code}); nothing was charged.")]
    NotServing {
        /// Redis's error code, such as `LOADING`.
        code: String,
    },
    /// The ledger's reply is invalid.
    #[error("The ledger's reply was invalid; the request may have been charged.")]
    InvalidReply,
    /// The in-memory ledger is full.
    #[error("The in-memory ledger is full of counters that still count; nothing was charged.")]
    Full,
    /// The ledger's clock is in none of the periods given. The request is retried for the clock's
    /// time, so this is only reported if the clock keeps jumping.
    #[error("The ledger's clock keeps jumping (to {now_ms} ms); nothing was charged.")]
    Clock {
        /// The ledger's time.
        now_ms: u64,
    },
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Clock { now_ms } => Self::Clock { now_ms },
            Refusal::Full { .. } => Self::Full,
        }
    }
}

impl From<&ConnectError> for Fault {
    fn from(error: &ConnectError) -> Self {
        match error {
            ConnectError::Redis(_) => Self::Disconnected,
            ConnectError::Unsupported { found } => Self::Unsupported { found: found.clone() },
        }
    }
}

impl Fault {
    /// Classifies the error of a command that was sent.
    pub(crate) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => Self::in_a_cluster(),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::NotServing { code: error.code().unwrap_or("ERR").to_owned() }
            }
            _ => Self::AnswerLost,
        }
    }

    /// Returns the fault for a redirection by a server that was not configured as a Cluster.
    pub(crate) fn in_a_cluster() -> Self {
        Self::NotServing { code: "MOVED: for a Cluster use redis+cluster://".to_owned() }
    }

    /// Returns the fault's metric label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Unsupported { .. } => "unsupported",
            Self::Overloaded => "overloaded",
            Self::AnswerLost => "answer_lost",
            Self::NotServing { .. } => "unfit",
            Self::InvalidReply => "senseless",
            Self::Full => "full",
            Self::Clock { .. } => "clock",
        }
    }

    /// Returns true if the connection must be replaced: it was lost, timed out or is out of step;
    /// or the server has become a replica, so its name may resolve to another server by now.
    pub(crate) fn breaks_connection(&self) -> bool {
        match self {
            Self::AnswerLost | Self::InvalidReply => true,
            Self::NotServing { code } => code == "READONLY",
            _ => false,
        }
    }
}
