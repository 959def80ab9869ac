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

/// Adds `seed` as the first key, unless there is one: of two processes that start together on a
/// new database, one wins, and both then read its key.
///
/// # Errors
/// [`StoreError`].
pub async fn add_first(store: &Store, seed: &Seed, now: Timestamp) -> Result<(), StoreError> {
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
