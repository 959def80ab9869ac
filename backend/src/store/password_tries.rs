//! Rate limit for password tries: a bucket per account, shared by all processes.
//!
//! One statement takes a try before the password is checked, so concurrent requests cannot exceed
//! the limit. The table stores the time when the bucket is full again (GCRA). A row whose time has
//! passed means a full bucket, and is deleted.

use super::{Store, StoreError};
use jiff::Timestamp;
use sqlx::Row;
use std::time::Duration;

/// The bucket's capacity.
pub(crate) const MAX_AT_ONCE: i64 = 10;
/// The time for one try to come back. Six a minute exceeds what the shipped policy allows one
/// client (`auth`, five a minute), so a single address cannot lock an owner out.
pub(crate) const EVERY_MS: i64 = 10_000;
/// The time until full of a bucket that holds exactly one try.
const LAST_TRY_MS: i64 = (MAX_AT_ONCE - 1) * EVERY_MS;
/// A bucket that takes longer than this to fill was last written before the clock stepped back. It
/// counts as full, so that nobody waits for the clock to catch up. Far exceeds the clock skew
/// between processes.
const TOO_LATE_MS: i64 = 3_600_000;

/// Takes a try from `who`'s bucket. Returns `None` if it took one, or the time until the next.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn take(
    store: &Store,
    who: &str,
    now: Timestamp,
) -> Result<Option<Duration>, StoreError> {
    let now_ms = now.as_millisecond();
    let taken = sqlx::query(
        "INSERT INTO password_tries (who, full_at_ms) VALUES ($1, $2 + $3)
         ON CONFLICT (who) DO UPDATE SET full_at_ms = $3
             + CASE WHEN password_tries.full_at_ms BETWEEN $2 AND $2 + $5
                 THEN password_tries.full_at_ms ELSE $2 END
         WHERE password_tries.full_at_ms <= $2 + $4 OR password_tries.full_at_ms > $2 + $5",
    )
    .bind(who)
    .bind(now_ms)
    .bind(EVERY_MS)
    .bind(LAST_TRY_MS)
    .bind(TOO_LATE_MS)
    .execute(&store.pool)
    .await?;
    if taken.rows_affected() == 1 {
        delete_full(store, now_ms).await?;
        return Ok(None);
    }
    let row = sqlx::query("SELECT full_at_ms FROM password_tries WHERE who = $1")
        .bind(who)
        .fetch_optional(&store.pool)
        .await?;
    let full_at_ms: i64 = row.map_or(Ok(now_ms), |row| row.try_get("full_at_ms"))?;
    let wait_ms = full_at_ms.saturating_sub(LAST_TRY_MS).saturating_sub(now_ms).max(1);
    Ok(Some(Duration::from_millis(wait_ms.unsigned_abs())))
}

/// Returns a try to the bucket.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn put_back(store: &Store, who: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE password_tries SET full_at_ms = full_at_ms - $1 WHERE who = $2")
        .bind(EVERY_MS)
        .bind(who)
        .execute(&store.pool)
        .await?;
    Ok(())
}

/// Deletes one row whose bucket is full. Each try adds at most one row and deletes one if it can,
/// so the table never holds more rows than tries were made while a bucket fills. Deleting a single
/// row per statement avoids deadlocks.
async fn delete_full(store: &Store, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM password_tries WHERE full_at_ms <= $1
             AND who = (SELECT who FROM password_tries WHERE full_at_ms <= $1 LIMIT 1)",
    )
    .bind(now_ms)
    .execute(&store.pool)
    .await?;
    Ok(())
}
