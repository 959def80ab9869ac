//! Users' secrets, each made when it is first needed. Gone with their user.

use super::{Store, StoreError};
use crate::user_secret::UserSecret;
use sqlx::Row;
use uuid::Uuid;

/// The user's secret; `new` becomes it if they have none. Of several at the same time one wins, and
/// all then read it. `None` if there is no such user.
///
/// # Errors
/// [`StoreError`].
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
        // Deleted in between.
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => return Ok(None),
        added => added?,
    };
    let row = sqlx::query("SELECT secret FROM user_secrets WHERE user_id = $1")
        .bind(user_id.to_string())
        .fetch_optional(&store.pool)
        .await?;
    row.map(|row| parse(row.try_get("secret")?)).transpose()
}

/// A secret as it is stored.
pub(super) fn parse(text: String) -> Result<UserSecret, StoreError> {
    UserSecret::from_text(&text).map_err(|_| StoreError::Damaged { what: "user's secret" })
}
