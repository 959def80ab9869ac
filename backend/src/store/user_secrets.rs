//! User secrets. Each is created on first use and deleted with its user.

use super::{Store, StoreError};
use crate::user_secret::UserSecret;
use sqlx::Row;
use uuid::Uuid;

/// Returns the user's secret, storing `new` if they have none yet. Concurrent callers all get the
/// one that was stored first. Returns `None` if the user doesn't exist.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn get_or(
    store: &Store,
    user_id: Uuid,
    new: &UserSecret,
) -> Result<Option<UserSecret>, StoreError> {
    let added = sqlx::query(
        "INSERT INTO user_secrets (user_id, secret)
         SELECT id, $1 FROM users WHERE id = $2 ON CONFLICT (user_id) DO NOTHING",
    )
    .bind(new.to_text())
    .bind(user_id.to_string())
    .execute(&store.pool)
    .await;
    match added {
        // The user was deleted concurrently.
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => return Ok(None),
        added => added?,
    };
    let row = sqlx::query("SELECT secret FROM user_secrets WHERE user_id = $1")
        .bind(user_id.to_string())
        .fetch_optional(&store.pool)
        .await?;
    row.map(|row| parse(row.try_get("secret")?)).transpose()
}

/// Parses a stored secret.
pub(super) fn parse(text: String) -> Result<UserSecret, StoreError> {
    UserSecret::from_text(&text).map_err(|_| StoreError::Damaged { what: "user's secret" })
}
