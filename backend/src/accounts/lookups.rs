//! Session lookups, batched. Each request is answered by a query that began after the request
//! arrived, so every request that arrives after a session has ended sees that it has.
//!
//! On SQLite that query only checks for changes to the database ([`Store::state`]). If there are
//! none, earlier results still hold. Cache misses are queried in batches: while one query runs,
//! later requests queue for the next. An idle service queries at once; a busy one runs one query for
//! dozens of requests.

use super::state_cache::StateCache;
use crate::store::users::{self, MAX_SESSIONS, SessionRow};
use crate::store::{State, Store, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// The most requests waiting for a query. Further ones are refused.
const MAX_WAITING: usize = 1024;
/// The most concurrent queries. More than one runs only if a query is slow.
const MAX_QUERIES: usize = 4;
/// The time after which a query counts as slow and the next one starts without waiting for it.
const SLOW: Duration = Duration::from_millis(50);
/// The longest a request waits, the same as for a connection.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

type Answer = Result<Option<Arc<SessionRow>>, StoreError>;
/// Cached sessions, by id.
type Sessions = StateCache<Uuid, Arc<SessionRow>>;
/// Results for a batch of sessions, by id.
type Found = HashMap<Uuid, Result<Arc<SessionRow>, StoreError>>;

/// A handle to the lookup task. Clones share the task.
#[derive(Debug, Clone)]
pub(super) struct Lookups {
    cache: Arc<Sessions>,
    queue: mpsc::Sender<Request>,
}

struct Request {
    session_id: Uuid,
    answer: oneshot::Sender<Answer>,
}

impl Lookups {
    /// Starts the lookup task, which runs until the last handle is dropped.
    pub(super) fn start(store: Store) -> Self {
        let (queue, requests) = mpsc::channel(MAX_WAITING);
        let cache = Arc::<Sessions>::default();
        tokio::spawn(work(store, cache.clone(), requests));
        Self { cache, queue }
    }

    /// Returns the session's user, from a query that starts after this call.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the queue is full or the answer takes more than 5 s; any
    /// other [`StoreError`] from the query.
    pub(super) async fn of(&self, session_id: Uuid) -> Answer {
        let (answer, answered) = oneshot::channel();
        let request = Request { session_id, answer };
        self.queue.try_send(request).map_err(|_full| StoreError::Unavailable)?;
        let Ok(Ok(answer)) = timeout(LONGEST_WAIT, answered).await else {
            return Err(StoreError::Unavailable);
        };
        answer
    }

    /// Returns the session if it was cached in exactly this state.
    pub(super) fn known(&self, state: State, session_id: Uuid) -> Option<Arc<SessionRow>> {
        self.cache.get(state, &session_id)
    }
}

async fn work(store: Store, cache: Arc<Sessions>, mut queue: mpsc::Receiver<Request>) {
    let room = Arc::new(Semaphore::new(MAX_QUERIES));
    let mut gathered = Vec::with_capacity(MAX_SESSIONS);
    loop {
        // While every slot is taken, new requests gather in the queue.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        if queue.recv_many(&mut gathered, MAX_SESSIONS).await == 0 {
            return;
        }
        let (store, cache) = (store.clone(), cache.clone());
        let requests = std::mem::take(&mut gathered);
        let mut query = tokio::spawn(async move {
            let _place = place;
            answer(&store, &cache, requests).await;
        });
        tokio::select! {
            _done = &mut query => {}
            () = sleep(SLOW) => {}
        }
    }
}

/// Answers a batch of requests, one answer each.
async fn answer(store: &Store, cache: &Sessions, requests: Vec<Request>) {
    let mut ids: Vec<Uuid> = requests.iter().map(|request| request.session_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = find(store, cache, ids).await;
    for Request { session_id, answer } in requests {
        let row = match &found {
            Ok(found) => found.get(&session_id).map(|row| row.as_ref()).transpose(),
            Err(error) => Err(error),
        };
        // The send fails if the requester has given up, which is fine.
        let _left = answer.send(row.map(|row| row.map(Arc::clone)).map_err(StoreError::duplicate));
    }
}

/// Returns cached sessions if nothing has changed, and queries the rest. The state is read first:
/// the query sees any change made before it, and a change made after it yields a new state.
async fn find(store: &Store, cache: &Sessions, mut ids: Vec<Uuid>) -> Result<Found, StoreError> {
    let state = store.state().await;
    let known = state.map(|state| known(cache, state, &ids)).unwrap_or_default();
    ids.retain(|id| !known.contains_key(id));
    if ids.is_empty() {
        return Ok(known);
    }
    let rows = users::by_sessions(store, &ids).await?;
    let mut found: Found = rows.into_iter().map(|(id, row)| (id, row.map(Arc::new))).collect();
    if let Some(state) = state {
        let good = |(id, row): (&Uuid, &Result<_, _>)| Some((*id, Arc::clone(row.as_ref().ok()?)));
        cache.add(state, found.iter().filter_map(good));
    }
    found.extend(known);
    Ok(found)
}

/// Returns the sessions that were cached in exactly this state.
fn known(cache: &Sessions, state: State, ids: &[Uuid]) -> Found {
    ids.iter().filter_map(|id| Some((*id, Ok(cache.get(state, id)?)))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::state_cache::MAX_ENTRIES;
    use super::*;
    use crate::store::Place;
    use futures_util::future::join_all;
    use tempfile::TempDir;

    #[tokio::test]
    async fn every_request_gets_its_own_session() {
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
        let requests = (0..300).map(|n| lookups.of(Uuid::from_u128(1000 + n % 150)));
        for (n, answer) in (0..300_u64).zip(join_all(requests).await) {
            let found = answer.unwrap().map(|row| row.revision);
            assert_eq!(found, Some(n % 150).filter(|n| *n < 100));
        }

        // A damaged row affects only its own user.
        store.execute("UPDATE users SET email = 'none' WHERE revision = 7").await;
        let both = [7, 8].map(|n| lookups.of(Uuid::from_u128(1000 + n)));
        let [damaged, sound] = join_all(both).await.try_into().unwrap();
        assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{damaged:?}");
        assert!(sound.unwrap().is_some());

        store.close().await;
        let closed = lookups.of(Uuid::from_u128(1000)).await;
        assert!(matches!(closed, Err(StoreError::Unavailable)), "{closed:?}");
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

    /// Looks a session up and returns its user's revision.
    async fn revision(store: &Store, lookups: &Lookups, session: Uuid) -> Option<u64> {
        let state = store.state().await.unwrap();
        let row = match lookups.known(state, session) {
            Some(row) => Some(row),
            None => lookups.of(session).await.unwrap(),
        };
        row.map(|row| row.revision)
    }

    #[tokio::test]
    async fn a_change_by_another_process_is_seen_by_the_next_request() {
        let dir = TempDir::new().unwrap();
        let (store, another) = (open(&dir).await, open(&dir).await);
        let lookups = Lookups::start(store.clone());
        for (n, writer) in [(1, &store), (2, &another), (3, &store), (4, &another)] {
            let session = add(writer, n).await;
            for _cached in 0..3 {
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
    async fn sessions_are_cached_for_one_state() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        let (one, two) = (add(&store, 1).await, add(&store, 2).await);
        let (cache, state) = (Sessions::default(), store.state().await.unwrap());
        find(&store, &cache, vec![one, Uuid::nil()]).await.unwrap();
        let ids = |found: Found| found.into_keys().collect::<Vec<_>>();
        let all = [one, two, Uuid::nil()];
        assert_eq!(ids(known(&cache, state, &all)), [one], "a missing session is not cached");
        find(&store, &cache, vec![two]).await.unwrap();
        assert_eq!(known(&cache, state, &all).len(), 2);

        store.execute("UPDATE users SET revision = 7").await;
        let next = store.state().await.unwrap();
        assert!(known(&cache, next, &all).is_empty());
        // A query that began before the change ends after others have seen the change.
        let found = find(&store, &cache, vec![one]).await.unwrap();
        cache.add(state, [(one, Arc::clone(found[&one].as_ref().unwrap()))]);
        assert!(known(&cache, next, &all).is_empty());
    }

    #[tokio::test]
    async fn the_cache_is_bounded() {
        let dir = TempDir::new().unwrap();
        let store = open(&dir).await;
        let session = add(&store, 1).await;
        let (cache, state) = (Sessions::default(), store.state().await.unwrap());
        let found = find(&store, &Sessions::default(), vec![session]).await.unwrap();
        let row = || Arc::clone(found[&session].as_ref().unwrap());
        for n in 0..MAX_ENTRIES as u128 + 10 {
            cache.add(state, [(Uuid::from_u128(n), row())]);
        }
        assert_eq!(cache.len(), 10);
    }
}
