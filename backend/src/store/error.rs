//! Database errors, and which of them are temporary.

/// A database operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is busy or unreachable.
    #[error("the database did not answer in time")]
    Unavailable,
    /// The database rejected the query, or failed.
    #[error("database error: {0}")]
    Database(sqlx::Error),
    /// A row holds a value that this program never writes.
    #[error("the database holds an unreadable {what}")]
    Damaged {
        /// The damaged column.
        what: &'static str,
    },
}

impl StoreError {
    /// Returns a copy for another caller that waited for the same query.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match self {
            Self::Unavailable => Self::Unavailable,
            Self::Database(error) => Self::Database(sqlx::Error::Protocol(error.to_string())),
            Self::Damaged { what } => Self::Damaged { what },
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_temporary(&error) { Self::Unavailable } else { Self::Database(error) }
    }
}

/// Returns true if the same request may succeed a little later: the database is unreachable,
/// starting, stopping, full or busy.
pub(super) fn is_temporary(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // SQLITE_BUSY, and PostgreSQL's connection errors, cancellations and conflicts.
            ["5", "261", "517", "53300", "57014", "40001", "40P01", "55P03"].contains(&&*code)
                || code.starts_with("57P")
                || code.starts_with("08")
        }),
        _ => false,
    }
}
