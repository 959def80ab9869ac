//! Users.

use super::{Store, StoreError};
use crate::email::Email;
use crate::hashing::PhcString;
use crate::user::{Tier, User};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

/// A user with what they log in with.
#[derive(Debug)]
pub struct LogInRow {
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
pub async fn add(store: &Store, user: &User, password_hash: &str) -> Result<bool, StoreError> {
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
pub async fn by_email(store: &Store, email: &Email) -> Result<Option<LogInRow>, StoreError> {
    let row = sqlx::query(
        "SELECT id, email, password_hash, tier, created_at_ms FROM users WHERE email = $1",
    )
    .bind(email.as_str())
    .fetch_optional(&store.pool)
    .await?;
    row.map(|row| Ok(LogInRow { user: user(&row)?, password_hash: row.try_get("password_hash")? }))
        .transpose()
}

/// The user with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn by_id(store: &Store, id: Uuid) -> Result<Option<User>, StoreError> {
    let row = sqlx::query("SELECT id, email, tier, created_at_ms FROM users WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(&store.pool)
        .await?;
    row.as_ref().map(user).transpose()
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
