//! Whose session it is. A request is answered by a query that began after it came, so an ended
//! session is seen to have ended by every request that comes after.
//!
//! On SQLite that query only asks whether anything in the database has changed ([`Store::state`]):
//! what was found before is still right if nothing has. What is not known then is asked for many
//! requests at once: while one query is under way, those who come gather for the next. An idle
//! service asks at once; a busy one asks once for dozens.

use super::remembered::Remembered;
use crate::store::users::{self, MAX_SESSIONS, SessionRow};
use crate::store::{State, Store, StoreError};
use std::collections::HashMap;
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

type Answer = Result<Option<Arc<SessionRow>>, StoreError>;
/// The sessions that were found, by their ids.
type Sessions = Remembered<Uuid, Arc<SessionRow>>;
/// What was found for some sessions, each by its id.
type Found = HashMap<Uuid, Result<Arc<SessionRow>, StoreError>>;

/// What asks. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Lookups {
    remembered: Arc<Sessions>,
    queue: mpsc::Sender<Asked>,
}

struct Asked {
    session_id: Uuid,
    answer: oneshot::Sender<Answer>,
}

impl Lookups {
    /// Asks `store`, for as long as anyone holds this.
    pub(super) fn start(store: Store) -> Self {
        let (queue, asked) = mpsc::channel(MAX_WAITING);
        let remembered = Arc::<Sessions>::default();
        tokio::spawn(work(store, remembered.clone(), asked));
        Self { remembered, queue }
    }

    /// The user whose session this is, out of the database as it is from now on.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Unavailable`] if it takes too long.
    pub(super) async fn of(&self, session_id: Uuid) -> Answer {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { session_id, answer };
        self.queue.try_send(asked).map_err(|_full| StoreError::Unavailable)?;
        let Ok(Ok(answer)) = timeout(LONGEST_WAIT, answered).await else {
            return Err(StoreError::Unavailable);
        };
        answer
    }

    /// The same, if it was found when the database was in this very state.
    pub(super) fn known(&self, state: State, session_id: Uuid) -> Option<Arc<SessionRow>> {
        self.remembered.get(state, &session_id)
    }
}

async fn work(store: Store, remembered: Arc<Sessions>, mut queue: mpsc::Receiver<Asked>) {
    let room = Arc::new(Semaphore::new(MAX_QUERIES));
    let mut gathered = Vec::with_capacity(MAX_SESSIONS);
    loop {
        // Those who come while there is no room gather in the queue.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        if queue.recv_many(&mut gathered, MAX_SESSIONS).await == 0 {
            return;
        }
        let (store, remembered) = (store.clone(), remembered.clone());
        let asked = std::mem::take(&mut gathered);
        let mut query = tokio::spawn(async move {
            let _place = place;
            answer(&store, &remembered, asked).await;
        });
        tokio::select! {
            _done = &mut query => {}
            () = sleep(SLOW) => {}
        }
    }
}

/// One answer for each.
async fn answer(store: &Store, remembered: &Sessions, asked: Vec<Asked>) {
    let mut ids: Vec<Uuid> = asked.iter().map(|asked| asked.session_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = find(store, remembered, ids).await;
    for Asked { session_id, answer } in asked {
        let row = match &found {
            Ok(found) => found.get(&session_id).map(|row| row.as_ref()).transpose(),
            Err(error) => Err(error),
        };
        // Whoever has left needs none.
        let _left = answer.send(row.map(|row| row.map(Arc::clone)).map_err(StoreError::again));
    }
}

/// What is remembered, if nothing has changed, and one query for the rest. The state is asked for
/// first: what changes before the query is found by it, and what changes after makes another state.
async fn find(
    store: &Store,
    remembered: &Sessions,
    mut ids: Vec<Uuid>,
) -> Result<Found, StoreError> {
    let state = store.state().await;
    let known = state.map(|state| known(remembered, state, &ids)).unwrap_or_default();
    ids.retain(|id| !known.contains_key(id));
    if ids.is_empty() {
        return Ok(known);
    }
    let rows = users::by_sessions(store, &ids).await?;
    let mut found: Found = rows.into_iter().map(|(id, row)| (id, row.map(Arc::new))).collect();
    if let Some(state) = state {
        let good = |(id, row): (&Uuid, &Result<_, _>)| Some((*id, Arc::clone(row.as_ref().ok()?)));
        remembered.add(state, found.iter().filter_map(good));
    }
    found.extend(known);
    Ok(found)
}

/// Those of these sessions that were found in this very state.
fn known(remembered: &Sessions, state: State, ids: &[Uuid]) -> Found {
    ids.iter().filter_map(|id| Some((*id, Ok(remembered.get(state, id)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::remembered::MAX_REMEMBERED;
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

    async fn open(dir: &TempDir) -> Store {
        Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap()
    }

    async fn add(store: &Store, n: u128) -> Uuid {
        let (user, session) = (Uuid::from_u128(n), Uuid::from_u128(1000 + n));
        let sql = format!(
            "INSERT INTO users VALUES ('{user}', 'u{n}@b.c', '', 'free', {n}, 0, 1);
             INSERT INTO sessions VALUES ('{session}', '{user}', 1, 0, {n});"
        );
        store.execute(&sql).await;
        session
    }

    /// What a lookup tells of a session: its user's revision.
    async fn revision(store: &Store, lookups: &Lookups, session: Uuid) -> Option<u64> {
        let state = store.state().await.unwrap();
        let row = match lookups.known(state, session) {
            Some(row) => Some(row),
            None => lookups.of(session).await.unwrap(),
        };
        row.map(|row| row.revision)
    }

    #[tokio::test]
    async fn what_another_process_changes_is_seen_by_the_next_request() {
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let lookups = Lookups::start(store.clone());
        for (n, writer) in [(1, &store), (2, &another), (3, &store), (4, &another)] {
            let session = add(writer, n).await;
            for _remembered in 0..3 {
                assert_eq!(revision(&store, &lookups, session).await, Some(1));
            }
            for revised in 2..20 {
                writer.execute("UPDATE users SET revision = revision + 1").await;
                assert_eq!(revision(&store, &lookups, session).await, Some(revised));
            }
            writer.execute("DELETE FROM sessions").await;
            assert_eq!(revision(&store, &lookups, session).await, None);
            writer.execute("DELETE FROM users").await;
        }
    }

    #[tokio::test]
    async fn what_is_found_is_remembered_for_one_state() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        let (one, two) = (add(&store, 1).await, add(&store, 2).await);
        let (remembered, state) = (Sessions::default(), store.state().await.unwrap());
        find(&store, &remembered, vec![one, Uuid::nil()]).await.unwrap();
        let ids = |found: Found| found.into_keys().collect::<Vec<_>>();
        let all = [one, two, Uuid::nil()];
        assert_eq!(
            ids(known(&remembered, state, &all)),
            [one],
            "what is not there is asked for again"
        );
        find(&store, &remembered, vec![two]).await.unwrap();
        assert_eq!(known(&remembered, state, &all).len(), 2);

        store.execute("UPDATE users SET revision = 7").await;
        let next = store.state().await.unwrap();
        assert!(known(&remembered, next, &all).is_empty());
        // A query that began before the change ends after others have seen it.
        let found = find(&store, &remembered, vec![one]).await.unwrap();
        remembered.add(state, [(one, Arc::clone(found[&one].as_ref().unwrap()))]);
        assert!(known(&remembered, next, &all).is_empty());
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        let session = add(&store, 1).await;
        let (remembered, state) = (Sessions::default(), store.state().await.unwrap());
        let found = find(&store, &Sessions::default(), vec![session]).await.unwrap();
        let row = || Arc::clone(found[&session].as_ref().unwrap());
        for n in 0..MAX_REMEMBERED as u128 + 10 {
            remembered.add(state, [(Uuid::from_u128(n), row())]);
        }
        assert_eq!(remembered.len(), 10);
    }
}
