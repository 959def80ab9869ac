//! The database: users, their sessions and résumés, and signing keys. The only place that knows SQL.
//!
//! Opened by [`crate::app`], asked by `crate::accounts` and `crate::resumes`. The queries
//! keep to what SQLite and PostgreSQL share (`$1`, TEXT, BIGINT, `ON CONFLICT`), and go through
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

/// The most connections to a SQLite file: each is a thread, and one at a time writes, whatever
/// their number.
const MAX_SQLITE_CONNECTIONS: u32 = 4;
/// The most connections of one process to a PostgreSQL server.
const MAX_POSTGRES_CONNECTIONS: u32 = 16;
/// What is deleted is overwritten in the file: an account's secret goes with the account.
const SQLITE_DELETES: &str = "PRAGMA secure_delete = ON";
/// What bounds a statement on PostgreSQL, and the time that a client which has gone holds its rows.
const POSTGRES_LIMITS: &str =
    "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '10s'";
/// How long a request waits for one of them.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The database of one service, shared by all who serve.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    kind: Kind,
    changes: Changes,
}

/// Why the database cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file can be neither opened nor made.
    #[error("cannot open or make {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be reached, is no database of ours, or a newer one.
    #[error("cannot use {place} as a database: {reason}")]
    Migrate {
        /// Which one.
        place: Place,
        /// What the database said.
        reason: MigrationError,
    },
}

impl Store {
    /// Opens the database, making a SQLite file if need be, and brings its schema up to date. Any
    /// number of processes may do so at the same time.
    ///
    /// # Errors
    /// [`OpenError`], which names the place.
    pub async fn open(place: &Place) -> Result<Self, OpenError> {
        if let Place::Sqlite(path) = place {
            let file_error = |source| OpenError::File { path: path.clone(), source };
            make_private(path).map_err(file_error)?;
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
                        sqlx::raw_sql(SQLITE_DELETES).execute(connection).await.map(drop)
                    })
                })
            }
            Kind::Postgres => {
                options.max_connections(MAX_POSTGRES_CONNECTIONS).after_connect(|connection, _| {
                    Box::pin(async move {
                        sqlx::raw_sql(POSTGRES_LIMITS).execute(connection).await.map(drop)
                    })
                })
            }
        };
        let pool = options.connect_with(AnyConnectOptions::from_str(&url)?).await?;
        migrations::run(&pool, kind).await?;
        Ok(Self { pool, kind, changes: Changes::of(place) })
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// [`StoreError`], if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Returns what the database holds, at a moment after this was called, if that can be told: not
    /// on PostgreSQL, and not once the store is closed. Callers then query what they need, and get
    /// that query's error.
    pub async fn state(&self) -> Option<State> {
        self.changes.state(&self.pool).await
    }

    /// A transaction that will write. It waits for others to end theirs before it reads: what it
    /// reads stays true until it has written.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            // A row that has been written is held till the end, and written rows are read anew.
            Kind::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        Ok(self.pool.begin_with(begin).await?)
    }

    /// Runs statements of a test's own.
    #[cfg(test)]
    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    /// Counts what a test asks for.
    #[cfg(test)]
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Closes all connections; SQLite then folds its write-ahead log into the file.
    pub async fn close(&self) {
        // From here on nobody opens another connection; the last one to be closed is the pool's.
        let closed = self.pool.close();
        self.changes.close();
        closed.await;
    }
}

/// The file holds password hashes and the signing key: if it is made here, it is its owner's only.
/// (SQLite gives the files beside it the same mode.)
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map(|_| ())
}
