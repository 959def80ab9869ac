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

/// A user with what they log in with.
#[derive(Debug)]
pub(crate) struct LogInRow {
    /// Who it is.
    pub user: User,
    /// What their password hashed to.
    pub password_hash: PhcString,
}

/// Adds `user`. `false`, and nothing added, if the address is taken: of two who sign up with one
/// address at the same time, the database lets one win.
///
/// # Errors
/// [`StoreError`].
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

/// The user with this address, and their password's hash.
///
/// # Errors
/// [`StoreError`].
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

/// A user in one of their sessions.
#[derive(Debug, Clone)]
pub(crate) struct SessionRow {
    /// When the session is over.
    pub ends_at: Timestamp,
    /// Who it is.
    pub user: User,
    /// How often what is theirs and may be cached has changed.
    pub revision: u64,
    /// Their secret, if they have one already.
    pub secret: Option<UserSecret>,
}

/// The most sessions that are asked for at once.
pub(crate) const MAX_SESSIONS: usize = 64;

/// The users whose sessions these are, at most [`MAX_SESSIONS`]; each by their session. A row that
/// cannot be read is nobody's misfortune but its user's.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn by_sessions(
    store: &Store,
    session_ids: &[Uuid],
) -> Result<HashMap<Uuid, Result<SessionRow, StoreError>>, StoreError> {
    // A statement for each power of two: the database keeps them all prepared.
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

/// Counts a change of what is the user's and may be cached, on a connection that holds nothing yet.
pub(super) async fn revise(connection: &mut AnyConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("UPDATE users SET revision = revision + 1 WHERE id = $1")
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// The user whose session this is, on a connection that holds the session.
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

/// What the user's password hashed to.
///
/// # Errors
/// [`StoreError`].
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

/// A change of password, by someone who has shown that they know the old one.
#[derive(Debug)]
pub(crate) struct PasswordChange<'a> {
    /// Whose.
    pub user_id: Uuid,
    /// What the old password hashed to.
    pub old_hash: &'a str,
    /// What the new one hashes to.
    pub new_hash: &'a str,
    /// The session that goes on; all others end.
    pub session_id: Uuid,
}

/// Puts the new password in the old one's place, and ends the user's other sessions. `false`, and
/// nothing changed, if the password is not the old one any more.
///
/// # Errors
/// [`StoreError`]; then nothing changed.
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

/// Puts the user on a plan. `false`, and nothing changed, if they are on one of a lower rank than
/// `min_rank`, whatever others make of the plan at the same time.
///
/// # Errors
/// [`StoreError`].
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

/// Deletes the user, and with them everything that is theirs: the schema's foreign keys see to
/// that.
///
/// # Errors
/// [`StoreError`]; then nothing is deleted.
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
