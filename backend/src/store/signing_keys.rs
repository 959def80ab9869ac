//! Signing keys.

use super::{Store, StoreError};
use crate::keys::{ScheduledKey, Seed};
use jiff::Timestamp;
use sqlx::AnyConnection;
use sqlx::Row;
use sqlx::any::AnyRow;

/// The generation of a new database's first key.
const FIRST_GENERATION: i64 = 1;
/// The most keys stored at once.
pub(crate) const MAX_KEYS: i64 = 8;

/// The outcome of adding a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// The key was added.
    Added,
    /// The maximum number of keys is in use.
    TooMany,
}

/// Returns all keys, oldest first.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn all(store: &Store) -> Result<Vec<ScheduledKey>, StoreError> {
    let rows = sqlx::query("SELECT seed, signs_from_ms FROM signing_keys ORDER BY generation")
        .fetch_all(&store.pool)
        .await?;
    rows.iter().map(key).collect()
}

fn key(row: &AnyRow) -> Result<ScheduledKey, StoreError> {
    let seed: String = row.try_get("seed")?;
    let signs_from_ms: i64 = row.try_get("signs_from_ms")?;
    Ok(ScheduledKey {
        seed: Seed::from_text(&seed)
            .map_err(|_| StoreError::Damaged { what: "signing key's seed" })?,
        signs_from: Timestamp::from_millisecond(signs_from_ms)
            .map_err(|_| StoreError::Damaged { what: "signing key's time" })?,
    })
}

/// Returns all keys, oldest first. Adds `first` to a database without keys. If several processes
/// start together on a new database, one adds its key, and all read that one.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn all_or(
    store: &Store,
    first: &Seed,
    now: Timestamp,
) -> Result<Vec<ScheduledKey>, StoreError> {
    let keys = all(store).await?;
    if !keys.is_empty() {
        return Ok(keys);
    }
    let mut connection = store.pool.acquire().await?;
    insert(&mut connection, FIRST_GENERATION, first, now, now).await?;
    drop(connection);
    all(store).await
}

/// Adds a key that signs from its `signs_from` on. Drops the keys that had been replaced by
/// `replaced_by`, because the last token they signed has expired.
///
/// # Errors
/// [`StoreError`] if the database fails; then nothing changed.
pub(crate) async fn rotate(
    store: &Store,
    next: &ScheduledKey,
    replaced_by: Timestamp,
    now: Timestamp,
) -> Result<Added, StoreError> {
    let mut transaction = store.begin().await?;
    sqlx::query(
        "DELETE FROM signing_keys WHERE generation <
             (SELECT MAX(generation) FROM signing_keys WHERE signs_from_ms <= $1)",
    )
    .bind(replaced_by.as_millisecond())
    .execute(&mut *transaction)
    .await?;
    let (count, newest) = count_and_newest(&mut transaction).await?;
    if count >= MAX_KEYS {
        return Ok(Added::TooMany);
    }
    insert(&mut transaction, newest + 1, &next.seed, next.signs_from, now).await?;
    transaction.commit().await?;
    Ok(Added::Added)
}

/// Replaces all keys with `seed`, atomically.
///
/// # Errors
/// [`StoreError`] if the database fails; then nothing changed.
pub(crate) async fn replace_all(
    store: &Store,
    seed: &Seed,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let (_, newest) = count_and_newest(&mut transaction).await?;
    sqlx::query("DELETE FROM signing_keys").execute(&mut *transaction).await?;
    insert(&mut transaction, newest + 1, seed, now, now).await?;
    Ok(transaction.commit().await?)
}

/// Returns the number of keys, and the generation of the newest.
async fn count_and_newest(connection: &mut AnyConnection) -> Result<(i64, i64), StoreError> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS keys, COALESCE(MAX(generation), 0) AS newest FROM signing_keys",
    )
    .fetch_one(connection)
    .await?;
    Ok((row.try_get("keys")?, row.try_get("newest")?))
}

async fn insert(
    connection: &mut AnyConnection,
    generation: i64,
    seed: &Seed,
    signs_from: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO signing_keys (generation, seed, signs_from_ms, created_at_ms)
         VALUES ($1, $2, $3, $4) ON CONFLICT (generation) DO NOTHING",
    )
    .bind(generation)
    .bind(seed.to_text())
    .bind(signs_from.as_millisecond())
    .bind(now.as_millisecond())
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;
    use tempfile::TempDir;

    fn texts(keys: &[ScheduledKey]) -> Vec<String> {
        keys.iter().map(|key| key.seed.to_text()).collect()
    }

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(s).unwrap()
    }

    fn scheduled(s: i64) -> ScheduledKey {
        ScheduledKey { seed: Seed::generate().unwrap(), signs_from: at(s) }
    }

    async fn store() -> (Store, TempDir) {
        let dir = TempDir::new().unwrap();
        (Store::open(&Place::Sqlite(dir.path().join("test.db"))).await.unwrap(), dir)
    }

    async fn run(store: &Store, sql: &'static str) {
        sqlx::query(sql).execute(&store.pool).await.unwrap();
    }

    #[tokio::test]
    async fn only_a_database_without_keys_gets_one() {
        let (store, _dir) = store().await;
        let seeds: Vec<_> = (0..3).map(|_| Seed::generate().unwrap()).collect();
        let all_or = |at: usize| all_or(&store, &seeds[at], Timestamp::UNIX_EPOCH);

        let first = texts(&all_or(0).await.unwrap());
        assert_eq!(first, [seeds[0].to_text()]);
        assert_eq!(texts(&all_or(1).await.unwrap()), first);

        // Two processes found no key: the later one's key is not added.
        run(&store, "DELETE FROM signing_keys").await;
        let mut connection = store.pool.acquire().await.unwrap();
        insert(&mut connection, 1, &seeds[1], at(0), at(0)).await.unwrap();
        insert(&mut connection, 1, &seeds[2], at(0), at(0)).await.unwrap();
        assert_eq!(texts(&all(&store).await.unwrap()), [seeds[1].to_text()]);
    }

    #[tokio::test]
    async fn a_key_is_dropped_once_its_last_token_has_expired() {
        let (store, _dir) = store().await;
        let (first, second, third) = (scheduled(0), scheduled(100), scheduled(200));
        all_or(&store, &first.seed, at(0)).await.unwrap();
        rotate(&store, &second, at(0), at(50)).await.unwrap();
        let both = all(&store).await.unwrap();
        assert_eq!(texts(&both), texts(&[first.clone(), second.clone()]));
        assert_eq!(both[1].signs_from, at(100));

        rotate(&store, &third, at(99), at(150)).await.unwrap();
        let all_three = [first, second.clone(), third.clone()];
        assert_eq!(texts(&all(&store).await.unwrap()), texts(&all_three));
        let fourth = scheduled(300);
        rotate(&store, &fourth, at(100), at(250)).await.unwrap();
        assert_eq!(texts(&all(&store).await.unwrap()), texts(&[second, third, fourth]));
    }

    #[tokio::test]
    async fn the_number_of_keys_is_limited_and_all_can_be_replaced() {
        let (store, _dir) = store().await;
        let mut added = Vec::new();
        for s in 0..=MAX_KEYS {
            added.push(rotate(&store, &scheduled(s), at(-1), at(s)).await.unwrap());
        }
        assert_eq!(added.pop(), Some(Added::TooMany));
        assert!(added.iter().all(|added| *added == Added::Added));

        let seed = Seed::generate().unwrap();
        replace_all(&store, &seed, at(0)).await.unwrap();
        assert_eq!(texts(&all(&store).await.unwrap()), [seed.to_text()]);
    }

    #[tokio::test]
    async fn a_damaged_key_is_an_error() {
        let (store, _dir) = store().await;
        all_or(&store, &Seed::generate().unwrap(), at(0)).await.unwrap();
        run(&store, "UPDATE signing_keys SET seed = 'x'").await;
        let damaged = all(&store).await.unwrap_err();
        assert_eq!(damaged.to_string(), "the database holds an unreadable signing key's seed");
    }
}
