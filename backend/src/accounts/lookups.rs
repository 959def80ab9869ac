//! Whose session it is, asked for many requests at once: while one query is under way, those who
//! come gather for the next. An idle service asks at once; a busy one asks once for dozens.
//!
//! A request is answered by a query that began after it came, so an ended session is seen to have
//! ended by every request that comes after.

use crate::store::users::{self, MAX_SESSIONS, SessionRow};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// Requests that wait for a query; what comes on top is refused.
const MAX_WAITING: usize = 1024;
/// Queries at once: more than one only where one is slow.
const MAX_QUERIES: usize = 4;
/// After how long a query is slow, and the next does not wait for it.
const SLOW: Duration = Duration::from_millis(50);
/// How long a request waits: as long as for a connection.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

type Answer = Result<Option<SessionRow>, StoreError>;

/// What asks. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Lookups(mpsc::Sender<Asked>);

struct Asked {
    session_id: Uuid,
    answer: oneshot::Sender<Answer>,
}

impl Lookups {
    /// Asks `store`, for as long as anyone holds this.
    pub(super) fn start(store: Store) -> Self {
        let (sender, queue) = mpsc::channel(MAX_WAITING);
        tokio::spawn(work(store, queue));
        Self(sender)
    }

    /// The user whose session this is.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Unavailable`] if it takes too long.
    pub(super) async fn of(&self, session_id: Uuid) -> Answer {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { session_id, answer };
        self.0.try_send(asked).map_err(|_full| StoreError::Unavailable)?;
        let Ok(Ok(answer)) = timeout(LONGEST_WAIT, answered).await else {
            return Err(StoreError::Unavailable);
        };
        answer
    }
}

async fn work(store: Store, mut queue: mpsc::Receiver<Asked>) {
    let room = Arc::new(Semaphore::new(MAX_QUERIES));
    let mut gathered = Vec::with_capacity(MAX_SESSIONS);
    loop {
        // Those who come while there is no room gather in the queue.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        if queue.recv_many(&mut gathered, MAX_SESSIONS).await == 0 {
            return;
        }
        let (store, asked) = (store.clone(), std::mem::take(&mut gathered));
        let mut query = tokio::spawn(async move {
            let _place = place;
            answer(&store, asked).await;
        });
        tokio::select! {
            _done = &mut query => {}
            () = sleep(SLOW) => {}
        }
    }
}

/// One query for all of them.
async fn answer(store: &Store, asked: Vec<Asked>) {
    let mut ids: Vec<Uuid> = asked.iter().map(|asked| asked.session_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = users::by_sessions(store, &ids).await;
    for Asked { session_id, answer } in asked {
        let row = match &found {
            Ok(found) => found.get(&session_id).map(|row| row.as_ref()).transpose(),
            Err(error) => Err(error),
        };
        // Whoever has left needs none.
        let _left = answer.send(row.map(Option::<&SessionRow>::cloned).map_err(StoreError::again));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;
    use futures_util::future::join_all;
    use tempfile::TempDir;

    #[tokio::test]
    async fn everyone_is_told_of_their_own_session() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap();
        let insert = |n: u128| {
            let (user, session) = (Uuid::from_u128(n), Uuid::from_u128(1000 + n));
            format!(
                "INSERT INTO users VALUES ('{user}', 'u{n}@b.c', '', '{}', {n}, 0, {n});
                 INSERT INTO sessions VALUES ('{session}', '{user}', 1, 0, {n});",
                if n == 7 { "pro" } else { "free" }
            )
        };
        store.execute(&(0..100).map(insert).collect::<String>()).await;
        let lookups = Lookups::start(store.clone());
        let asked = (0..300).map(|n| lookups.of(Uuid::from_u128(1000 + n % 150)));
        for (n, answer) in (0..300_u64).zip(join_all(asked).await) {
            let found = answer.unwrap().map(|row| row.revision);
            assert_eq!(found, Some(n % 150).filter(|n| *n < 100));
        }

        // What is wrong with one row is its own.
        store.execute("UPDATE users SET email = 'none' WHERE revision = 7").await;
        let both = [7, 8].map(|n| lookups.of(Uuid::from_u128(1000 + n)));
        let [damaged, sound] = join_all(both).await.try_into().unwrap();
        assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{damaged:?}");
        assert!(sound.unwrap().is_some());

        store.close().await;
        let away = lookups.of(Uuid::from_u128(1000)).await;
        assert!(matches!(away, Err(StoreError::Unavailable)), "{away:?}");
    }
}
