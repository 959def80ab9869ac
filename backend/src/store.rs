//! The database: users, sessions, résumés and signing keys. The only module that contains SQL.
//!
//! Opened by [`crate::app`]; queried by `crate::accounts` and `crate::resumes`. Queries stick to
//! the SQL that SQLite and PostgreSQL share (`$1`, TEXT, BIGINT, `ON CONFLICT`) and go through
//! sqlx's `Any` driver.

mod changes;
mod error;
mod migrations;
pub(crate) mod password_tries;
mod place;
pub(crate) mod resumes;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod user_secrets;
pub(crate) mod users;

pub use changes::State;
pub use error::StoreError;
pub use migrations::MigrationError;
pub use place::{EXPECTED as EXPECTED_PLACE, Place};

use changes::Changes;
use place::Kind;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyPool, Transaction};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The most connections to a SQLite file. Each is a thread, and only one can write at a time.
const MAX_SQLITE_CONNECTIONS: u32 = 4;
/// The most connections from one process to a PostgreSQL server.
const MAX_POSTGRES_CONNECTIONS: u32 = 16;
/// Overwrites deleted data in the file, so a deleted account's secret is really gone.
const SQLITE_SECURE_DELETE: &str = "PRAGMA secure_delete = ON";
/// Limits a statement's duration, and how long a vanished client can keep its rows locked.
const POSTGRES_TIMEOUTS: &str =
    "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'";
/// The longest that a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection pool to the service's database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    kind: Kind,
    changes: Changes,
}

/// A database that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can be neither opened nor created.
    #[error("cannot open or create {}", path.display())]
    File {
        /// The file's path.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The server is unreachable, the database isn't ours, or its schema is too new.
    #[error("cannot use {place} as a database: {reason}")]
    Migrate {
        /// The database's location.
        place: Place,
        /// The database's error.
        reason: MigrationError,
    },
}

impl Store {
    /// Opens the database and brings its schema up to date. Creates a SQLite file if needed. Any
    /// number of processes may do this at once.
    ///
    /// # Errors
    /// [`OpenError`], which names the place.
    pub async fn open(place: &Place) -> Result<Self, OpenError> {
        if let Place::Sqlite(path) = place {
            let file_error = |source| OpenError::File { path: path.clone(), source };
            create_private(path).map_err(file_error)?;
        }
        sqlx::any::install_default_drivers();
        let connected = Self::connect(place).await;
        connected.map_err(|reason| OpenError::Migrate { place: place.clone(), reason })
    }

    async fn connect(place: &Place) -> Result<Self, MigrationError> {
        let kind = place.kind();
        let url = place.url().map_err(sqlx::Error::Io)?;
        let options = AnyPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        let options = match kind {
            Kind::Sqlite => {
                options.max_connections(MAX_SQLITE_CONNECTIONS).after_connect(|connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(SQLITE_SECURE_DELETE).execute(connection).await.map(drop)
                    })
                })
            }
            Kind::Postgres => {
                options.max_connections(MAX_POSTGRES_CONNECTIONS).after_connect(|connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(POSTGRES_TIMEOUTS).execute(connection).await.map(drop)
                    })
                })
            }
        };
        let pool = options.connect_with(AnyConnectOptions::from_str(&url)?).await?;
        migrations::run(&pool, kind).await?;
        Ok(Self { pool, kind, changes: Changes::of(place) })
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`StoreError`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Returns the state of the database's contents at some moment after this call. Returns `None`
    /// on PostgreSQL, and after the store is closed; callers then query the row and get its error.
    pub async fn state(&self) -> Option<State> {
        self.changes.state(&self.pool).await
    }

    /// Starts a write transaction. It waits for other writers before it reads, so its reads stay
    /// valid until it commits.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            // A written row stays locked until commit, and a locked row is read afresh.
            Kind::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        Ok(self.pool.begin_with(begin).await?)
    }

    /// Runs SQL statements.
    #[cfg(test)]
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    /// Runs a query that returns one number.
    #[cfg(test)]
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Closes all connections; SQLite then folds its write-ahead log into the file.
    pub async fn close(&self) {
        // After this call no new connection opens, and the pool's connections close last.
        let closed = self.pool.close();
        self.changes.close();
        closed.await;
    }
}

/// Creates the file readable by its owner only: it holds password hashes and the signing key.
/// SQLite gives its companion files the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map(|_| ())
}
