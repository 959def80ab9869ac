//! Why the database did not answer, and whether it may answer a little later.

/// Why the database did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is too busy, or away.
    #[error("the database did not answer in time")]
    Unavailable,
    /// It refused, or failed.
    #[error("the database: {0}")]
    Database(sqlx::Error),
    /// A row holds what this program never writes.
    #[error("the database holds a {what} that cannot be read")]
    Damaged {
        /// Which column.
        what: &'static str,
    },
}

impl StoreError {
    /// The same for another who waited for the same query.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Unavailable => Self::Unavailable,
            Self::Database(error) => Self::Database(sqlx::Error::Protocol(error.to_string())),
            Self::Damaged { what } => Self::Damaged { what },
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_passing(&error) { Self::Unavailable } else { Self::Database(error) }
    }
}

/// Whether the same request may well succeed a little later: the database is away, starting,
/// stopping, full or busy.
pub(super) fn is_passing(error: &sqlx::Error) -> bool {
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
