//! A database for one test, of the kind that this test binary is for.

use harness::stack::postgres::Postgres;
use sqlx::AnyPool;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tempfile::TempDir;

/// The PostgreSQL of the tests that run at the moment: the last one to end stops it.
static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// A new database, with nothing in it. Gone when dropped.
pub(crate) enum Database {
    /// A file in a folder of its own.
    Sqlite(TempDir),
    /// On a server that others use too.
    Postgres { _server: Arc<Server>, url: String },
}

/// A PostgreSQL and its folder, in the order in which they end.
pub(crate) struct Server {
    postgres: Postgres,
    _dir: TempDir,
}

impl Database {
    /// A new one.
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

    /// Where it is.
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

/// Does something to the database at `url`, past the service.
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
