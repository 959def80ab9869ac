//! Whether anything in the database has changed: far cheaper to ask than what it holds.
//!
//! Asked by [`crate::accounts`] for each batch of requests.
//!
//! # Exact
//! SQLite's `PRAGMA data_version` differs from what it was on the same connection before, if and
//! only if another connection, of this process or of any other, has committed a change in between.
//! It reads the head of the write-ahead log's index, as every transaction does, so a change is seen
//! as soon as its commit has returned to whoever made it. The connection that is asked here writes
//! nothing and is asked for nothing else, so all changes are other connections'.
//!
//! PostgreSQL has nothing like it: there, nothing is known.

use super::{Kind, Store, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Connection, Row};
use std::sync::Arc;
use tokio::sync::Mutex;

/// What the database held at some moment. Two that are equal are of moments between which nothing
/// has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Versions of different connections have nothing to do with each other.
    connection: u64,
    version: i64,
}

/// The connection that is asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes(Arc<Mutex<Watch>>);

#[derive(Debug, Default)]
struct Watch {
    connection: Option<AnyConnection>,
    /// How many connections there have been.
    connections: u64,
}

impl Store {
    /// What the database holds now, if that can be told: not on PostgreSQL, and not while another
    /// is asking.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn state(&self) -> Result<Option<State>, StoreError> {
        if self.kind != Kind::Sqlite {
            return Ok(None);
        }
        let Ok(mut watch) = self.changes.0.try_lock() else { return Ok(None) };
        // Out of its place while it is asked: one that fails, or is left in the middle, is not
        // asked again.
        let mut connection = match watch.connection.take() {
            Some(connection) => connection,
            None => {
                watch.connections += 1;
                PoolConnection::<Any>::detach(self.pool.acquire().await?)
            }
        };
        let row = sqlx::query("PRAGMA data_version").fetch_one(&mut connection).await?;
        let state = State { connection: watch.connections, version: row.try_get(0)? };
        watch.connection = Some(connection);
        Ok(Some(state))
    }
}

impl Changes {
    /// Closes the connection.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.0.lock().await.connection.take() {
            // What cannot be closed in order ends with the process.
            let _closed = connection.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;
    use tempfile::TempDir;

    async fn open(dir: &TempDir) -> Store {
        Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap()
    }

    #[tokio::test]
    async fn a_change_of_any_connection_is_seen_and_nothing_else() {
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let mut last = store.state().await.unwrap().unwrap();
        for n in 0..20 {
            let writer = if n % 2 == 0 { &store } else { &another };
            let sql = format!("INSERT INTO users VALUES ('{n}', '{n}', '', 'free', 1, 0, 0)");
            writer.execute(&sql).await;
            let changed = store.state().await.unwrap().unwrap();
            assert_ne!(changed, last, "{n}");
            another.ping().await.unwrap();
            assert_eq!(store.state().await.unwrap().unwrap(), changed, "{n}");
            last = changed;
        }
        // What is rolled back has changed nothing.
        another.execute("BEGIN IMMEDIATE; DELETE FROM users; ROLLBACK").await;
        assert_eq!(store.state().await.unwrap(), Some(last));
        // Nor has what SQLite does on its own: it moves the log's pages into the file.
        another.execute("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let folded = store.state().await.unwrap().unwrap();
        another.execute("DELETE FROM users").await;
        assert_ne!(store.state().await.unwrap(), Some(folded));
    }

    #[tokio::test]
    async fn states_of_two_connections_are_never_equal() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        let first = store.state().await.unwrap().unwrap();
        store.changes.close().await;
        let second = store.state().await.unwrap().unwrap();
        assert_eq!(first.version, second.version, "they would be taken for the same");
        assert_ne!(first, second);
    }

    #[tokio::test]
    async fn while_another_asks_nothing_is_known() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        let _asking = store.changes.0.lock().await;
        assert_eq!(store.state().await.unwrap(), None);
    }
}
