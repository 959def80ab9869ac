//! Whether anything in the database has changed: far cheaper to ask than what it holds.
//!
//! Wanted by [`crate::accounts`] for each request.
//!
//! # Exact
//! SQLite's `PRAGMA data_version` differs from what it was on the same connection before, if and
//! only if another connection, of this process or of any other, has committed a change in between.
//! It reads the head of the write-ahead log's index, as every transaction does, so a change is seen
//! as soon as its commit has returned to whoever made it. The connection that is asked here can
//! only read and is asked for nothing else, so all changes are other connections'.
//!
//! PostgreSQL has nothing like it: there, nothing is known.
//!
//! # In place
//! It is asked in the thread of one of those who want to know: it takes a microsecond or two, which
//! is less than handing the question to another thread and waiting for it. It waits for no other process: what
//! cannot be told at once is not known. Readers of a write-ahead log do not wait for writers.
//!
//! # Together
//! Whoever wants to know lets the others that have come get as far first. Then one of them asks,
//! and what it is told is the answer for all who came before it asked: in an idle service that is
//! one, in a busy one a dozen.

use super::place::Place;
use crate::clock;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sqlx::AnyPool;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::yield_now;

/// How long after a failure another connection is made.
const REST: Duration = Duration::from_secs(1);

/// What the database held at some moment. Two that are equal are of moments between which nothing
/// has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Versions of different connections have nothing to do with each other.
    connection: u64,
    version: i64,
}

/// What is asked: none for a database that cannot tell.
#[derive(Debug, Clone)]
pub(super) struct Changes(Option<Arc<Watched>>);

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// How often it has been asked, or begun to be: counted before asking, under the lock.
    asked: AtomicU64,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    connection: Option<Connection>,
    /// How many connections there have been.
    connections: u64,
    /// When it failed last, until it succeeds again.
    failed: Option<Instant>,
    /// What it told last.
    told: Option<State>,
}

impl Watch {
    fn ask(&mut self, path: &Path) -> Option<State> {
        if self.connection.is_none() && self.has_rested() {
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
            // Whoever holds the file is soon done with it, and the connection as good as before.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => None,
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// The connection is not asked again, and another not made at once. It is told once.
    fn fail(&mut self, error: &rusqlite::Error) {
        self.connection = None;
        if self.failed.replace(clock::start()).is_none() {
            tracing::warn!(%error, "SQLite does not tell whether anything has changed");
        }
    }

    fn has_rested(&self) -> bool {
        self.failed.is_none_or(|failed| failed.elapsed() >= REST)
    }
}

impl Changes {
    /// As [`super::Store::state`], which says what nothing means.
    pub(super) async fn state(&self, pool: &AnyPool) -> Option<State> {
        let watched = self.0.as_ref()?;
        let came = watched.asked.load(Ordering::SeqCst);
        yield_now().await;
        let mut watch = watched.watch();
        if watched.asked.load(Ordering::SeqCst) == came {
            watched.asked.fetch_add(1, Ordering::SeqCst);
            // Whatever becomes of the question, the last answer is none to it.
            watch.told = None;
            watch.told = if pool.is_closed() { None } else { watch.ask(&watched.path) };
        }
        watch.told
    }

    pub(super) fn of(place: &Place) -> Self {
        Self(match place {
            Place::Sqlite(path) => {
                let (path, asked, watch) = (path.clone(), AtomicU64::new(0), Mutex::default());
                Some(Arc::new(Watched { path, asked, watch }))
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
    // What begins with `/` is a path and no URI, whatever it is called.
    let absolute = std::path::absolute(path);
    let absolute = absolute.map_err(|_| rusqlite::Error::InvalidPath(path.to_owned()))?;
    let connection = Connection::open_with_flags(absolute, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

/// The statement is kept, and ends with its row: until it has, it would hold the log.
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
    async fn a_change_of_any_connection_is_seen_and_nothing_else() {
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
        // What is rolled back has changed nothing.
        another.execute("BEGIN IMMEDIATE; DELETE FROM users; ROLLBACK").await;
        assert_eq!(store.state().await, Some(last));
        // Nor has what SQLite does on its own: it moves the log's pages into the file.
        another.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let folded = store.state().await.unwrap();
        another.execute("DELETE FROM users").await;
        assert_ne!(store.state().await, Some(folded));
    }

    fn asked(store: &Store) -> u64 {
        store.changes.0.as_ref().unwrap().asked.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn those_who_come_together_ask_once() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        for times in 1..=3 {
            let told = join_all((0..10).map(|_| store.state())).await;
            assert_eq!(asked(&store), times);
            assert_eq!(told, [told[0]; 10]);
            store.execute("DELETE FROM users").await;
        }
    }

    /// Readers on several threads, while all that is told after each commit is written down: what
    /// had been written down before a reader came, but for the last of it, is over.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_is_told_what_was_before_they_came() {
        const COMMITS: usize = 200;
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let told = Arc::new(Mutex::new(vec![store.state().await.unwrap()]));
        let readers = (0..8).map(|_| {
            let (store, told) = (store.clone(), Arc::clone(&told));
            tokio::spawn(async move {
                loop {
                    let before = told.lock().unwrap().len();
                    let state = store.state().await.unwrap();
                    assert!(!told.lock().unwrap()[..before - 1].contains(&state));
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
            told.lock().unwrap().push(state);
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
        assert_eq!(first.version, second.version, "they would be taken for the same");
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn of_a_closed_store_nothing_is_known() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        assert!(store.state().await.is_some());
        store.close().await;
        assert_eq!(store.state().await, None);
        let left = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 1, "the log is folded into the file by whoever closes last");
    }

    #[tokio::test]
    async fn a_writer_is_not_waited_for() {
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let before = store.state().await.unwrap();
        let _writing = another.begin().await.unwrap();
        assert_eq!(store.state().await, Some(before));
    }

    #[tokio::test]
    async fn one_that_cannot_be_asked_rests() {
        let dir = TempDir::new().unwrap();
        let mut store = open(&dir).await;
        store.changes = Changes::of(&Place::Sqlite(dir.path().join("missing/test.db")));
        assert_eq!([store.state().await, store.state().await], [None, None]);
        let connections = store.changes.0.as_ref().unwrap().watch().connections;
        assert_eq!(connections, 1, "it is not tried for each request");
    }

    #[test]
    fn who_has_the_file_to_themselves_is_not_waited_for() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("test.db");
        let holder = Connection::open(&path).unwrap();
        holder.execute_batch("CREATE TABLE a (b)").unwrap();
        let asked = super::open(&path).unwrap();
        assert!(version(&asked).is_ok());
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let busy = version(&asked).unwrap_err();
        assert_eq!(busy.sqlite_error_code(), Some(ErrorCode::DatabaseBusy));
    }
}
