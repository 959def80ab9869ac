//! Signing keys.

use super::{Store, StoreError};
use crate::keys::Seed;
use jiff::Timestamp;
use sqlx::Row;

/// The generation of the key that a new database gets.
const FIRST_GENERATION: i64 = 1;

/// All keys, oldest first.
///
/// # Errors
/// [`StoreError`].
pub async fn all(store: &Store) -> Result<Vec<Seed>, StoreError> {
    let rows = sqlx::query("SELECT seed FROM signing_keys ORDER BY generation")
        .fetch_all(&store.pool)
        .await?;
    rows.iter()
        .map(|row| {
            let text: String = row.try_get("seed")?;
            Seed::from_text(&text).map_err(|_| StoreError::Damaged { what: "signing key's seed" })
        })
        .collect()
}

/// All keys, oldest first; a database that has none gets `first`. Of several processes that start
/// together on a new database, one wins, and all then read its key.
///
/// # Errors
/// [`StoreError`].
pub async fn all_or(store: &Store, first: &Seed, now: Timestamp) -> Result<Vec<Seed>, StoreError> {
    let seeds = all(store).await?;
    if !seeds.is_empty() {
        return Ok(seeds);
    }
    add_first(store, first, now).await?;
    all(store).await
}

async fn add_first(store: &Store, seed: &Seed, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO signing_keys (generation, seed, created_at_ms)
         VALUES ($1, $2, $3) ON CONFLICT (generation) DO NOTHING",
    )
    .bind(FIRST_GENERATION)
    .bind(seed.to_text())
    .bind(now.as_millisecond())
    .execute(&store.pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn texts(seeds: &[Seed]) -> Vec<String> {
        seeds.iter().map(Seed::to_text).collect()
    }

    async fn run(store: &Store, sql: &'static str) {
        sqlx::query(sql).execute(&store.pool).await.unwrap();
    }

    #[tokio::test]
    async fn only_a_database_without_keys_gets_one() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("test.db")).await.unwrap();
        let seeds: Vec<_> = (0..3).map(|_| Seed::generate().unwrap()).collect();
        let all_or = |at: usize| all_or(&store, &seeds[at], Timestamp::UNIX_EPOCH);

        let first = texts(&all_or(0).await.unwrap());
        assert_eq!(first, texts(&seeds[..1]));
        assert_eq!(texts(&all_or(1).await.unwrap()), first);

        // The first key has been rotated out: it does not come back, nor does another.
        run(&store, "UPDATE signing_keys SET generation = 2").await;
        assert_eq!(texts(&all_or(1).await.unwrap()), first);

        // Two processes found none: the later one's key is not added.
        run(&store, "DELETE FROM signing_keys").await;
        add_first(&store, &seeds[1], Timestamp::UNIX_EPOCH).await.unwrap();
        add_first(&store, &seeds[2], Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(texts(&all(&store).await.unwrap()), texts(&seeds[1..2]));
    }

    #[tokio::test]
    async fn keys_come_oldest_first_and_a_damaged_one_is_an_error() {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&dir.path().join("test.db")).await.unwrap();
        let (old, new) = (Seed::generate().unwrap(), Seed::generate().unwrap());
        add_first(&store, &new, Timestamp::UNIX_EPOCH).await.unwrap();
        run(&store, "UPDATE signing_keys SET generation = 2").await;
        add_first(&store, &old, Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(texts(&all(&store).await.unwrap()), texts(&[old, new]));

        run(&store, "UPDATE signing_keys SET seed = 'x' WHERE generation = 1").await;
        let damaged = all(&store).await.unwrap_err();
        assert_eq!(
            damaged.to_string(),
            "the database holds a signing key's seed that cannot be read"
        );
    }
}
