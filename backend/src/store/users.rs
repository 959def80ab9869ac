//! Users.

use super::{Store, StoreError, user_secrets};
use crate::hashing::PhcString;
use crate::user::{Tier, User};
use crate::user_secret::UserSecret;
use jiff::Timestamp;
use resume::email::Email;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};
use std::collections::HashMap;
use uuid::Uuid;

/// A user and their password hash.
#[derive(Debug)]
pub(crate) struct LogInRow {
    /// The user.
    pub user: User,
    /// The hash of the user's password.
    pub password_hash: PhcString,
}

/// Adds `user`. Returns `false` without adding them if the address is taken. Concurrent sign-ups
/// with one address: the database picks one.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn add(
    store: &Store,
    user: &User,
    password_hash: &str,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "INSERT INTO users (id, email, password_hash, tier, created_at_ms)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (email) DO NOTHING",
    )
    .bind(user.id.to_string())
    .bind(user.email.as_str())
    .bind(password_hash)
    .bind(user.tier.as_str())
    .bind(user.created_at.as_millisecond())
    .execute(&store.pool)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Returns the user with this address, and their password hash.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn by_email(store: &Store, email: &Email) -> Result<Option<LogInRow>, StoreError> {
    let row = sqlx::query(
        "SELECT id, email, password_hash, tier, created_at_ms FROM users WHERE email = $1",
    )
    .bind(email.as_str())
    .fetch_optional(&store.pool)
    .await?;
    row.map(|row| Ok(LogInRow { user: user(&row)?, password_hash: row.try_get("password_hash")? }))
        .transpose()
}

/// A session and its user.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    /// The session's end.
    pub ends_at: Timestamp,
    /// The session's user.
    pub user: User,
    /// The number of changes to the user's cacheable data.
    pub revision: u64,
    /// The user's secret, if it has been created.
    pub secret: Option<UserSecret>,
}

/// The most sessions in one query.
pub(crate) const MAX_SESSIONS: usize = 64;

/// Returns the sessions with these ids, at most [`MAX_SESSIONS`], and their users. A damaged row
/// yields an error for its own id only.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn by_sessions(
    store: &Store,
    session_ids: &[Uuid],
) -> Result<HashMap<Uuid, Result<SessionRow, StoreError>>, StoreError> {
    // Round up to a power of two, so that only a few statements have to be prepared.
    let places = session_ids.len().next_power_of_two().min(MAX_SESSIONS);
    let mut query = sqlx::query(sqlx::AssertSqlSafe(by_sessions_sql(places)));
    for id in session_ids.iter().cycle().take(places) {
        query = query.bind(id.to_string());
    }
    let rows = query.fetch_all(&store.pool).await?;
    rows.iter()
        .map(|row| {
            let id: String = row.try_get("session_id")?;
            let id = Uuid::parse_str(&id);
            Ok((id.map_err(|_| StoreError::Damaged { what: "session's id" })?, session(row)))
        })
        .collect()
}

fn by_sessions_sql(places: usize) -> String {
    let places: Vec<String> = (1..=places).map(|n| format!("${n}")).collect();
    format!(
        "SELECT sessions.id AS session_id, sessions.ends_at_ms, users.id, users.email, users.tier,
             users.created_at_ms, users.revision, user_secrets.secret
         FROM sessions JOIN users ON users.id = sessions.user_id
             LEFT JOIN user_secrets ON user_secrets.user_id = users.id
         WHERE sessions.id IN ({})",
        places.join(", ")
    )
}

fn session(row: &AnyRow) -> Result<SessionRow, StoreError> {
    let ends_at_ms: i64 = row.try_get("ends_at_ms")?;
    let revision: i64 = row.try_get("revision")?;
    let secret: Option<String> = row.try_get("secret")?;
    Ok(SessionRow {
        ends_at: Timestamp::from_millisecond(ends_at_ms)
            .map_err(|_| StoreError::Damaged { what: "session's end" })?,
        user: user(row)?,
        revision: revision.cast_unsigned(),
        secret: secret.map(user_secrets::parse).transpose()?,
    })
}

/// Increments the user's revision. Must be the first write of its transaction.
pub(super) async fn revise(connection: &mut AnyConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET revision = revision + 1 WHERE id = $1")
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns the session's user. The connection must hold the session's lock.
pub(super) async fn of_session(
    connection: &mut AnyConnection,
    session_id: Uuid,
) -> Result<Option<User>, StoreError> {
    let row = sqlx::query(
        "SELECT users.id, users.email, users.tier, users.created_at_ms
         FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1",
    )
    .bind(session_id.to_string())
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(user).transpose()
}

/// Returns the user's password hash.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn password_hash(
    store: &Store,
    id: Uuid,
) -> Result<Option<PhcString>, StoreError> {
    let row = sqlx::query("SELECT password_hash FROM users WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(&store.pool)
        .await?;
    Ok(row.map(|row| row.try_get("password_hash")).transpose()?)
}

/// A change of password. The caller has verified the old one.
#[derive(Debug)]
pub(crate) struct PasswordChange<'a> {
    /// The user's id.
    pub user_id: Uuid,
    /// The old password's hash.
    pub old_hash: &'a str,
    /// The new password's hash.
    pub new_hash: &'a str,
    /// The session to keep. All others end.
    pub session_id: Uuid,
}

/// Replaces the password, and ends the user's other sessions. Returns `false` and changes nothing
/// if the stored hash is no longer `old_hash`.
///
/// # Errors
/// [`StoreError`] if the database fails; then nothing changed.
pub(crate) async fn change_password(
    store: &Store,
    change: &PasswordChange<'_>,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    let user_id = change.user_id.to_string();
    let changed =
        sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
            .bind(change.new_hash)
            .bind(&user_id)
            .bind(change.old_hash)
            .execute(&mut *transaction)
            .await?;
    sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND id <> $2")
        .bind(&user_id)
        .bind(change.session_id.to_string())
        .execute(&mut *transaction)
        .await?;
    if changed.rows_affected() != 1 {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

/// Sets the user's plan. Returns `false` and changes nothing if their current plan ranks below
/// `min_rank`, even if it changes concurrently.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn set_tier(
    store: &Store,
    id: Uuid,
    tier: Tier,
    min_rank: u8,
) -> Result<bool, StoreError> {
    let set = sqlx::query(
        "UPDATE users SET tier = $1 WHERE id = $2
             AND CASE tier WHEN 'free' THEN 0 WHEN 'starter' THEN 1 ELSE 2 END >= $3",
    )
    .bind(tier.as_str())
    .bind(id.to_string())
    .bind(i64::from(min_rank))
    .execute(&store.pool)
    .await?;
    Ok(set.rows_affected() == 1)
}

/// Deletes the user and, through the schema's foreign keys, all of their data.
///
/// # Errors
/// [`StoreError`] if the database fails; then nothing is deleted.
pub(crate) async fn delete(store: &Store, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM users WHERE id = $1")
        .bind(id.to_string())
        .execute(&store.pool)
        .await?;
    Ok(())
}

fn user(row: &AnyRow) -> Result<User, StoreError> {
    let damaged = |what| StoreError::Damaged { what };
    let id: String = row.try_get("id")?;
    let email: String = row.try_get("email")?;
    let tier: String = row.try_get("tier")?;
    let created_at_ms: i64 = row.try_get("created_at_ms")?;
    Ok(User {
        id: Uuid::parse_str(&id).map_err(|_| damaged("user's id"))?,
        email: Email::parse(&email).map_err(|_| damaged("user's e-mail address"))?,
        tier: Tier::named(&tier).ok_or(damaged("user's tier"))?,
        created_at: Timestamp::from_millisecond(created_at_ms)
            .map_err(|_| damaged("user's time of sign-up"))?,
    })
}
