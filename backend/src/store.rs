//! The database: users and signing keys. The only place that knows SQL.
//!
//! Opened by [`crate::app`], asked by [`crate::accounts`]. The queries keep to what SQLite and
//! PostgreSQL share (`$1`, TEXT, BIGINT, `ON CONFLICT`), and go through sqlx's `Any` driver.

mod migrations;
pub mod signing_keys;
pub mod users;

pub use migrations::MigrationError;

use sqlx::AnyPool;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Each connection is a thread; SQLite writes one at a time whatever their number.
const MAX_CONNECTIONS: u32 = 4;
/// How long a request waits for one of them.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// The database of one service, shared by all who serve.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
}

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
    /// The file is no database of ours, or a newer one.
    #[error("cannot use {} as a database: {reason}", path.display())]
    Migrate {
        /// Which file.
        path: PathBuf,
        /// What the database said.
        reason: MigrationError,
    },
}

impl Store {
    /// Opens the SQLite database in the file at `path`, making it if need be, and brings its
    /// schema up to date. Any number of processes may do so at the same time.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        let file_error = |source| OpenError::File { path: path.to_owned(), source };
        make_private(path).map_err(file_error)?;
        let url = url_of(path).map_err(file_error)?;
        sqlx::any::install_default_drivers();
        Self::connect(&url)
            .await
            .map_err(|reason| OpenError::Migrate { path: path.to_owned(), reason })
    }

    async fn connect(url: &str) -> Result<Self, MigrationError> {
        let options = AnyConnectOptions::from_str(url)?;
        let pool = AnyPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        migrations::run(&pool).await?;
        Ok(Self { pool })
    }

    /// Closes all connections; SQLite then folds its write-ahead log into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => Self::Unavailable,
            error => Self::Database(error),
        }
    }
}

/// The file holds password hashes and the signing key: if it is made here, it is its owner's only.
/// (SQLite gives the files beside it the same mode.)
fn make_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map(|_| ())
}

/// The file as the URL that sqlx expects. Any byte that could mean something in a URL is escaped.
fn url_of(path: &Path) -> io::Result<String> {
    let absolute = std::path::absolute(path)?;
    let mut url = "sqlite://".to_owned();
    for byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                url.push(char::from(*byte))
            }
            byte => write!(url, "%{byte:02X}").map_err(io::Error::other)?,
        }
    }
    Ok(url)
}
