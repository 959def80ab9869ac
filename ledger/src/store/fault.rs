//! Why the ledger gave no decision.
//!
//! Raised by everything under [`crate::store`]; told to clients by front-ends.

use super::software::ConnectError;
use limits::ledger::Refusal;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// The ledger gave no decision. Each is a 503 to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no connection; nothing was sent.
    #[error("The ledger is not connected; nothing was charged.")]
    Disconnected,
    /// The server is too old, or neither Redis nor Valkey; nothing was sent.
    #[error(
        "The ledger must be Redis 7.0 or later or Valkey 7.2 or later, found {found}; nothing was \
         charged."
    )]
    Unsupported {
        /// Its name and version.
        found: String,
    },
    /// More is waiting than is taken on; nothing was sent.
    #[error("Too much is waiting for the ledger already; nothing was charged.")]
    Overloaded,
    /// The connection was lost, or no answer came, after sending: it is not known whether the
    /// ledger charged, so it is not sent again.
    #[error("The ledger's answer was lost; what was asked may have been charged.")]
    AnswerLost,
    /// The ledger answered that it cannot serve now: loading, read-only, out of memory, … The
    /// scripts write at their end, all at once: where Redis refuses one, it has written nothing.
    #[error("The ledger cannot serve now ({code}); nothing was charged.")]
    Unfit {
        /// Redis's error code, such as `LOADING`.
        code: String,
    },
    /// The ledger answered with something that is no answer to what was asked.
    #[error("The ledger's answer made no sense; what was asked may have been charged.")]
    Senseless,
    /// The in-memory ledger is full.
    #[error("The in-memory ledger is full of counters that still count; nothing was charged.")]
    Full,
    /// The ledger's clock shows a time that lies in none of the periods asked about. Asked again
    /// for that time it will answer; this is told only if its clock keeps jumping.
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
    /// What `error`, the outcome of a command that was sent, means.
    pub(crate) fn of(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::Moved) => Self::in_a_cluster(),
            ErrorKind::Server(_) | ErrorKind::Extension => {
                Self::Unfit { code: error.code().unwrap_or("ERR").to_owned() }
            }
            _ => Self::AnswerLost,
        }
    }

    /// A server told us to ask another one, and we were not told that there are others.
    pub(crate) fn in_a_cluster() -> Self {
        Self::Unfit { code: "MOVED: for a Cluster use redis+cluster://".to_owned() }
    }

    /// A word for it, as a metric's label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Unsupported { .. } => "unsupported",
            Self::Overloaded => "overloaded",
            Self::AnswerLost => "answer_lost",
            Self::Unfit { .. } => "unfit",
            Self::Senseless => "senseless",
            Self::Full => "full",
            Self::Clock { .. } => "clock",
        }
    }

    /// Whether the connection is to be replaced: it was lost, is silent or out of step; or the
    /// server has become a replica, and its name may lead to another one by now.
    pub(crate) fn breaks_connection(&self) -> bool {
        match self {
            Self::AnswerLost | Self::Senseless => true,
            Self::Unfit { code } => code == "READONLY",
            _ => false,
        }
    }
}
