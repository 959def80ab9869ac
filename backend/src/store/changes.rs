//! Change detection for the database, far cheaper than reading the data again.
//!
//! [`crate::accounts`] calls this for each request.
//!
//! # Exact
//! SQLite's `PRAGMA data_version` differs from its previous value on the same connection if and
//! only if another connection, of any process, committed a change in between. It reads the header
//! of the write-ahead log's index, as every transaction does, so a change is visible as soon as its
//! commit has returned. The connection used here is read-only and used for nothing else, so every
//! change comes from another connection.
//!
//! PostgreSQL has no equivalent, so there the state is always unknown.
//!
//! # In place
//! The query runs on the caller's thread. It takes a microsecond or two, less than handing it to
//! another thread would. It never waits for another process: if SQLite cannot answer at once, the
//! state is unknown. Readers of a write-ahead log do not wait for writers.
//!
//! # Shared
//! A caller first yields, so that other pending callers arrive too. Then one of them queries, and
//! its answer serves all who arrived before the query started: one in an idle service, a dozen in a
//! busy one.

use super::place::Place;
use crate::clock;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sqlx::AnyPool;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::yield_now;

/// The pause between a failure and the next connection attempt.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A version of the database's contents. Nothing changed between two moments with equal states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The connection that read the version. Versions of different connections are not comparable.
    connection: u64,
    version: i64,
}

/// The change detector. `None` on PostgreSQL, which has no equivalent.
#[derive(Debug, Clone)]
pub(super) struct Changes(Option<Arc<Watched>>);

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// The number of queries started. Incremented under the lock, before the query.
    queries: AtomicU64,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    connection: Option<Connection>,
    /// The number of connection attempts so far.
    connections: u64,
    /// The time of the last failure, until the next success.
    failed: Option<Instant>,
    /// The last answer.
    last_answer: Option<State>,
}

impl Watch {
    fn ask(&mut self, path: &Path) -> Option<State> {
        if self.connection.is_none() && self.can_retry() {
            match open(path) {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => self.fail(&error),
            }
            self.connections += 1;
        }
        match version(self.connection.as_ref()?) {
            Ok(version) => {
                self.failed = None;
                Some(State { connection: self.connections, version })
            }
            // The holder will release the file soon, and the connection is still good.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => None,
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// Drops the connection and pauses before the next attempt. Logs only the first failure.
    fn fail(&mut self, error: &rusqlite::Error) {
        self.connection = None;
        if self.failed.replace(clock::start()).is_none() {
            tracing::warn!(%error, "cannot query SQLite's data_version: every request will read its session from the database");
        }
    }

    fn can_retry(&self) -> bool {
        self.failed.is_none_or(|failed| failed.elapsed() >= RETRY_PAUSE)
    }
}

impl Changes {
    /// Implements [`super::Store::state`].
    pub(super) async fn state(&self, pool: &AnyPool) -> Option<State> {
        let watched = self.0.as_ref()?;
        let seen = watched.queries.load(Ordering::SeqCst);
        yield_now().await;
        let mut watch = watched.watch();
        if watched.queries.load(Ordering::SeqCst) == seen {
            watched.queries.fetch_add(1, Ordering::SeqCst);
            // A failed query must not leave the previous answer in place.
            watch.last_answer = None;
            watch.last_answer = if pool.is_closed() { None } else { watch.ask(&watched.path) };
        }
        watch.last_answer
    }

    pub(super) fn of(place: &Place) -> Self {
        Self(match place {
            Place::Sqlite(path) => {
                let (path, queries, watch) = (path.clone(), AtomicU64::new(0), Mutex::default());
                Some(Arc::new(Watched { path, queries, watch }))
            }
            Place::Postgres(_) => None,
        })
    }

    /// Closes the connection.
    pub(super) fn close(&self) {
        if let Some(watched) = &self.0 {
            watched.watch().connection = None;
        }
    }
}

impl Watched {
    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // An absolute path begins with `/`, so SQLite cannot take it for a URI.
    let absolute = std::path::absolute(path);
    let absolute = absolute.map_err(|_| rusqlite::Error::InvalidPath(path.to_owned()))?;
    let connection = Connection::open_with_flags(absolute, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

/// Reads the data version. The statement is cached, and finishes with its row; an unfinished one
/// would hold the log.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use futures_util::future::join_all;
    use tempfile::TempDir;

    async fn open(dir: &TempDir) -> Store {
        Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap()
    }

    #[tokio::test]
    async fn only_committed_changes_alter_the_state() {
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let mut last = store.state().await.unwrap();
        for n in 0..20 {
            let writer = if n % 2 == 0 { &store } else { &another };
            let sql = format!("INSERT INTO users VALUES ('{n}', '{n}', '', 'free', 1, 0, 0)");
            writer.execute(&sql).await;
            let changed = store.state().await.unwrap();
            assert_ne!(changed, last, "{n}");
            another.ping().await.unwrap();
            assert_eq!(store.state().await.unwrap(), changed, "{n}");
            last = changed;
        }
        // A rollback changes nothing.
        another.execute("BEGIN IMMEDIATE; DELETE FROM users; ROLLBACK").await;
        assert_eq!(store.state().await, Some(last));
        // Nor does a checkpoint, which moves the log's pages into the file.
        another.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let folded = store.state().await.unwrap();
        another.execute("DELETE FROM users").await;
        assert_ne!(store.state().await, Some(folded));
    }

    fn count_queries(store: &Store) -> u64 {
        store.changes.0.as_ref().unwrap().queries.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_query() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        for times in 1..=3 {
            let states = join_all((0..10).map(|_| store.state())).await;
            assert_eq!(count_queries(&store), times);
            assert_eq!(states, [states[0]; 10]);
            store.execute("DELETE FROM users").await;
        }
    }

    /// Several threads read while every state after a commit is appended to a list. A reader must
    /// never see a state that had already been superseded when it started.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn callers_never_get_a_state_from_before_their_call() {
        const COMMITS: usize = 200;
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let states = Arc::new(Mutex::new(vec![store.state().await.unwrap()]));
        let readers = (0..8).map(|_| {
            let (store, states) = (store.clone(), Arc::clone(&states));
            tokio::spawn(async move {
                loop {
                    let before = states.lock().unwrap().len();
                    let state = store.state().await.unwrap();
                    assert!(!states.lock().unwrap()[..before - 1].contains(&state));
                    if before > COMMITS {
                        return;
                    }
                }
            })
        });
        let readers: Vec<_> = readers.collect();
        for n in 0..COMMITS {
            another
                .execute(&format!("INSERT INTO users VALUES ('{n}', '{n}', '', 'free', 1, 0, 0)"))
                .await;
            let state = store.state().await.unwrap();
            states.lock().unwrap().push(state);
        }
        for reader in readers {
            reader.await.unwrap();
        }
    }

    #[tokio::test]
    async fn states_of_two_connections_are_never_equal() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        let first = store.state().await.unwrap();
        store.changes.close();
        let second = store.state().await.unwrap();
        assert_eq!(first.version, second.version, "equal versions of different connections");
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn a_closed_store_has_no_state() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        assert!(store.state().await.is_some());
        store.close().await;
        assert_eq!(store.state().await, None);
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "the last connection to close folds the log into the file");
    }

    #[tokio::test]
    async fn a_writer_does_not_block_the_state() {
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let before = store.state().await.unwrap();
        let _writing = another.begin().await.unwrap();
        assert_eq!(store.state().await, Some(before));
    }

    #[tokio::test]
    async fn a_failed_connection_is_not_retried_at_once() {
        let dir = TempDir::new().unwrap();
        let mut store = open(&dir).await;
        store.changes = Changes::of(&Place::Sqlite(dir.path().join("missing/test.db")));
        assert_eq!([store.state().await, store.state().await], [None, None]);
        let connections = store.changes.0.as_ref().unwrap().watch().connections;
        assert_eq!(connections, 1, "a failed connection is not retried for each request");
    }

    #[test]
    fn an_exclusive_lock_is_not_waited_for() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("test.db");
        let holder = Connection::open(&path).unwrap();
        holder.execute_batch("CREATE TABLE a (b)").unwrap();
        let reader = super::open(&path).unwrap();
        assert!(version(&reader).is_ok());
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let busy = version(&reader).unwrap_err();
        assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    }
}
