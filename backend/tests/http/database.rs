//! A database for one test, SQLite or PostgreSQL depending on the test binary.

use harness::stack::postgres::Postgres;
use sqlx::AnyPool;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// The PostgreSQL server shared by the running tests. The last one to end stops it.
static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A new, empty database. It is deleted when dropped.
pub(crate) enum Database {
    /// A file in a new folder.
    Sqlite(TempDir),
    /// A database on a shared server.
    Postgres { _server: Arc<Server>, url: String },
}

/// A PostgreSQL server and its folder, in drop order.
pub(crate) struct Server {
    postgres: Postgres,
    _dir: TempDir,
}

impl Database {
    /// Creates a database.
    pub(crate) fn new() -> Self {
        if env!("CARGO_CRATE_NAME") != "postgres" {
            return Self::Sqlite(TempDir::new().unwrap());
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let server = Server::shared();
        execute(&server.postgres.url("postgres"), format!("CREATE DATABASE {name}"));
        let url = server.postgres.url(&name);
        Self::Postgres { _server: server, url }
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(dir) => format!("sqlite://{}", dir.path().join("test.db").display()),
            Self::Postgres { url, .. } => url.clone(),
        }
    }
}

impl Server {
    fn shared() -> Arc<Self> {
        let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = server.upgrade() {
            return running;
        }
        let dir = TempDir::new().unwrap();
        let started = Arc::new(Self { postgres: Postgres::start(dir.path()).unwrap(), _dir: dir });
        *server = Arc::downgrade(&started);
        started
    }
}

/// Runs `work` on the database at `url`, bypassing the backend.
pub(crate) fn with<T>(url: &str, work: impl AsyncFnOnce(AnyPool) -> T) -> T {
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = AnyPool::connect(url).await.unwrap();
        let done = work(pool.clone()).await;
        pool.close().await;
        done
    })
}

fn execute(url: &str, sql: String) {
    with(url, async |pool| sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap());
}
