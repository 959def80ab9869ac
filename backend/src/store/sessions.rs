//! Sessions and their refresh tokens.
//!
//! Every transaction locks rows in the same order (user, session, refresh token), so requests
//! cannot deadlock.

use super::users::{self, LogInRow};
use super::{Store, StoreError};
use crate::user::User;
use jiff::Timestamp;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// The most sessions per user. One more login ends the oldest.
pub(crate) const MAX_PER_USER: i64 = 20;
/// The number of used refresh tokens remembered per session.
const MAX_USED: i64 = 100;
/// The generation of a session's first refresh token.
const FIRST_GENERATION: i64 = 1;

/// A session to begin.
#[derive(Debug)]
pub(crate) struct NewSession<'a> {
    /// The session's id, which each of its access tokens names.
    pub id: Uuid,
    /// The hash of the session's first refresh token.
    pub refresh_hash: &'a str,
    /// The current time.
    pub begins_at: Timestamp,
    /// The session's end. Refreshing does not extend it.
    pub ends_at: Timestamp,
}

/// The outcome of presenting a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// The token was valid, and is now used up.
    Continued {
        /// The session's user, in their current state.
        user: User,
        /// The session's id.
        session_id: Uuid,
    },
    /// The token had been used before, so one of its two holders stole it. Its session has been
    /// ended.
    UsedBefore,
    /// The token is unknown, or its session is over.
    Unknown,
}

/// Begins a session for `row`'s user. Returns `false` without beginning one if their password has
/// changed since `row` was read.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn begin(
    store: &Store,
    row: &LogInRow,
    new: &NewSession<'_>,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    let user_id = row.user.id.to_string();
    // Locks the row. A concurrent change of password comes either before, and fails this login, or
    // after, and ends its session.
    let unchanged = sqlx::query(
        "UPDATE users SET password_hash = password_hash WHERE id = $1 AND password_hash = $2",
    )
    .bind(&user_id)
    .bind(&row.password_hash)
    .execute(&mut *transaction)
    .await?;
    if unchanged.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO sessions (id, user_id, generation, created_at_ms, ends_at_ms)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(new.id.to_string())
    .bind(&user_id)
    .bind(FIRST_GENERATION)
    .bind(new.begins_at.as_millisecond())
    .bind(new.ends_at.as_millisecond())
    .execute(&mut *transaction)
    .await?;
    add_token(&mut transaction, new.id, new.refresh_hash, FIRST_GENERATION).await?;
    end_excess(&mut transaction, &user_id, new.begins_at).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn add_token(
    connection: &mut AnyConnection,
    session_id: Uuid,
    hash: &str,
    generation: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO refresh_tokens (hash, session_id, generation, used) VALUES ($1, $2, $3, 0)",
    )
    .bind(hash)
    .bind(session_id.to_string())
    .bind(generation)
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the user's expired sessions, and the oldest beyond [`MAX_PER_USER`].
async fn end_excess(
    connection: &mut AnyConnection,
    user_id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM sessions WHERE user_id = $1 AND (ends_at_ms <= $2 OR id NOT IN (
             SELECT id FROM sessions WHERE user_id = $1
             ORDER BY created_at_ms DESC, id DESC LIMIT $3))",
    )
    .bind(user_id)
    .bind(now.as_millisecond())
    .bind(MAX_PER_USER)
    .execute(connection)
    .await?;
    Ok(())
}

/// Marks the refresh token with hash `used_hash` as used, and adds `next_hash` as its successor.
///
/// # Errors
/// [`StoreError`] if the database fails; then the token is still unused.
pub(crate) async fn refresh(
    store: &Store,
    used_hash: &str,
    next_hash: &str,
    now: Timestamp,
) -> Result<Refreshed, StoreError> {
    let mut transaction = store.begin().await?;
    let Some((session_id, generation)) = lock_session(&mut transaction, used_hash, now).await?
    else {
        return Ok(Refreshed::Unknown);
    };
    let taken = sqlx::query("UPDATE refresh_tokens SET used = 1 WHERE hash = $1 AND used = 0")
        .bind(used_hash)
        .execute(&mut *transaction)
        .await?;
    if taken.rows_affected() != 1 {
        delete(&mut transaction, session_id).await?;
        transaction.commit().await?;
        return Ok(Refreshed::UsedBefore);
    }
    add_token(&mut transaction, session_id, next_hash, generation).await?;
    delete_old_tokens(&mut transaction, session_id, generation).await?;
    let user = users::of_session(&mut transaction, session_id).await?;
    transaction.commit().await?;
    Ok(user.map_or(Refreshed::Unknown, |user| Refreshed::Continued { user, session_id }))
}

/// Locks a refresh token's session, if it is not over. Returns its id and next generation.
async fn lock_session(
    connection: &mut AnyConnection,
    hash: &str,
    now: Timestamp,
) -> Result<Option<(Uuid, i64)>, StoreError> {
    let row = sqlx::query(
        "UPDATE sessions SET generation = generation + 1
         WHERE id = (SELECT session_id FROM refresh_tokens WHERE hash = $1) AND ends_at_ms > $2
         RETURNING id, generation",
    )
    .bind(hash)
    .bind(now.as_millisecond())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        let id: String = row.try_get("id")?;
        let id = Uuid::parse_str(&id).map_err(|_| StoreError::Damaged { what: "session's id" })?;
        Ok((id, row.try_get("generation")?))
    })
    .transpose()
}

async fn delete_old_tokens(
    connection: &mut AnyConnection,
    session_id: Uuid,
    generation: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM refresh_tokens WHERE session_id = $1 AND generation < $2")
        .bind(session_id.to_string())
        .bind(generation - MAX_USED)
        .execute(connection)
        .await?;
    Ok(())
}

async fn delete(connection: &mut AnyConnection, session_id: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM sessions WHERE id = $1")
        .bind(session_id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends a session. Its tokens stop working at once.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn end(store: &Store, session_id: Uuid) -> Result<(), StoreError> {
    let mut connection = store.pool.acquire().await?;
    delete(&mut connection, session_id).await
}
