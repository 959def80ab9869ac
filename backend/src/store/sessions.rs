//! Sessions and their refresh tokens.
//!
//! Rows are locked in one order everywhere (user, session, refresh token), so no two requests wait
//! for each other.

use super::users::{self, LogInRow};
use super::{Store, StoreError};
use crate::user::User;
use jiff::Timestamp;
use sqlx::{AnyConnection, Row};
use uuid::Uuid;

/// The most sessions one user has: a further log-in ends the oldest.
pub(crate) const MAX_PER_USER: i64 = 20;
/// How many used refresh tokens of a session are remembered.
const MAX_USED: i64 = 100;
/// The generation of a session's first refresh token.
const FIRST_GENERATION: i64 = 1;

/// A session about to begin.
#[derive(Debug)]
pub(crate) struct NewSession<'a> {
    /// Its name, in each of its access tokens.
    pub id: Uuid,
    /// The hash of its first refresh token.
    pub refresh_hash: &'a str,
    /// Now.
    pub begins_at: Timestamp,
    /// When it is over, refreshed or not.
    pub ends_at: Timestamp,
}

/// What presenting a refresh token came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// It was good, and is used up now.
    Continued {
        /// Whose session it is, as they are now.
        user: User,
        /// The session.
        session_id: Uuid,
    },
    /// It had been used before: its session has been ended, for one of the two who had it should
    /// not.
    UsedBefore,
    /// There is no such token, or its session is over.
    Unknown,
}

/// Begins a session for `row`'s user. `false`, and nothing begun, if their password is not what it
/// was when `row` was read.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn begin(
    store: &Store,
    row: &LogInRow,
    new: &NewSession<'_>,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    let user_id = row.user.id.to_string();
    // Holds the row: a change of password at the same time comes before or after, and ends
    // either this log-in or its session.
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
    end_superfluous(&mut transaction, &user_id, new.begins_at).await?;
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

/// Ends what is over, and what is more than one user may have.
async fn end_superfluous(
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

/// Uses the refresh token of `used_hash` up, and puts `next_hash` in its place.
///
/// # Errors
/// [`StoreError`]; then the token is not used up.
pub(crate) async fn refresh(
    store: &Store,
    used_hash: &str,
    next_hash: &str,
    now: Timestamp,
) -> Result<Refreshed, StoreError> {
    let mut transaction = store.begin().await?;
    let Some((session_id, generation)) = hold(&mut transaction, used_hash, now).await? else {
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
    forget_old(&mut transaction, session_id, generation).await?;
    let user = users::of_session(&mut transaction, session_id).await?;
    transaction.commit().await?;
    Ok(user.map_or(Refreshed::Unknown, |user| Refreshed::Continued { user, session_id }))
}

/// Holds the session of a refresh token, if it is not over: its id and its next generation.
async fn hold(
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

async fn forget_old(
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

/// Ends a session: none of its tokens is good any more.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn end(store: &Store, session_id: Uuid) -> Result<(), StoreError> {
    let mut connection = store.pool.acquire().await?;
    delete(&mut connection, session_id).await
}
