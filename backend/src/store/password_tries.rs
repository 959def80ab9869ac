//! How often the passwords of one account may be tried: a bucket of tries, shared by all processes.
//!
//! A try is taken in one statement, before the password is looked at, so that many at the same time
//! get no more tries than there are. What is stored is the time when the bucket is full again
//! (GCRA); a row whose time has come is as good as none, and is deleted.

use super::{Store, StoreError};
use jiff::Timestamp;
use sqlx::Row;
use std::time::Duration;

/// The most tries at once.
pub(crate) const MAX_AT_ONCE: i64 = 10;
/// How long a try takes to come back. Six a minute are more than the shipped policy lets one client
/// make (`auth`, five a minute): nobody can lock an owner out from a single address.
pub(crate) const EVERY_MS: i64 = 10_000;
/// How long the bucket still has to fill where it has just one try.
const LAST_TRY_MS: i64 = (MAX_AT_ONCE - 1) * EVERY_MS;
/// A bucket that takes longer than this to fill was last changed before the clock stepped back: it
/// counts as full, so that nobody is kept waiting for the clock. Far more than clocks of several
/// processes differ.
const TOO_LATE_MS: i64 = 3_600_000;

/// Takes a try from the bucket of `who`; `Some`: there is none, and how long until there is.
///
/// # Errors
/// [`StoreError`].
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
        forget(store, now_ms).await?;
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

/// Puts a try back.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn put_back(store: &Store, who: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE password_tries SET full_at_ms = full_at_ms - $1 WHERE who = $2")
        .bind(EVERY_MS)
        .bind(who)
        .execute(&store.pool)
        .await?;
    Ok(())
}

/// Deletes a row that says nothing any more. Each try adds one row at most and deletes one if it
/// can, so there are never more than were tried while a bucket fills. One at a time: whoever locks
/// a single row waits for nobody who waits for them.
async fn forget(store: &Store, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM password_tries WHERE full_at_ms <= $1
             AND who = (SELECT who FROM password_tries WHERE full_at_ms <= $1 LIMIT 1)",
    )
    .bind(now_ms)
    .execute(&store.pool)
    .await?;
    Ok(())
}
