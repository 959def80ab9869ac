//! Résumés. Every query names the owner, so it never touches another user's rows.

use super::{Store, StoreError, users};
use crate::stored_resume::{StoredResume, Summary};
use jiff::Timestamp;
use resume::Resume;
use sqlx::Row;
use sqlx::any::AnyRow;
use uuid::Uuid;

/// The most résumés per user.
pub(crate) const MAX_PER_USER: i64 = 100;

/// Adds a résumé. Returns `false` without adding it if the owner has [`MAX_PER_USER`].
///
/// # Errors
/// [`StoreError`] if the database fails; then nothing is added.
pub(crate) async fn add(
    store: &Store,
    owner: Uuid,
    new: &StoredResume,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    // Updating the counter serializes concurrent requests, which enforces the limit.
    let counted =
        sqlx::query("UPDATE users SET resumes = resumes + 1 WHERE id = $1 AND resumes < $2")
            .bind(owner.to_string())
            .bind(MAX_PER_USER)
            .execute(&mut *transaction)
            .await?;
    if counted.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO resumes
             (id, user_id, version, name, label, document, created_at_ms, updated_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(new.id.to_string())
    .bind(owner.to_string())
    .bind(new.version)
    .bind(new.resume.name())
    .bind(new.resume.label())
    .bind(new.resume.as_value().to_string())
    .bind(new.created_at.as_millisecond())
    .bind(new.updated_at.as_millisecond())
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(true)
}

/// Returns the owner's résumé with this id.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn read(
    store: &Store,
    owner: Uuid,
    id: Uuid,
) -> Result<Option<StoredResume>, StoreError> {
    let row = sqlx::query(
        "SELECT id, version, document, created_at_ms, updated_at_ms
         FROM resumes WHERE id = $1 AND user_id = $2",
    )
    .bind(id.to_string())
    .bind(owner.to_string())
    .fetch_optional(&store.pool)
    .await?;
    row.as_ref().map(stored).transpose()
}

/// Lists up to `limit` of the owner's résumés, newest first, starting after `before`.
///
/// # Errors
/// [`StoreError`] if the database fails.
pub(crate) async fn list(
    store: &Store,
    owner: Uuid,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Summary>, StoreError> {
    let before = before.unwrap_or(Uuid::max());
    let rows = sqlx::query(
        "SELECT id, version, name, label, created_at_ms, updated_at_ms
         FROM resumes WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
    )
    .bind(owner.to_string())
    .bind(before.to_string())
    .bind(limit)
    .fetch_all(&store.pool)
    .await?;
    rows.iter().map(summary).collect()
}

/// Replaces the previous version with `next`. Returns `false` and changes nothing if the stored
/// version is a different one.
///
/// # Errors
/// [`StoreError`] if the database fails; then nothing changed.
pub(crate) async fn replace(
    store: &Store,
    owner: Uuid,
    next: &StoredResume,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    users::revise(&mut transaction, owner).await?;
    let replaced = sqlx::query(
        "UPDATE resumes SET version = $1, name = $2, label = $3, document = $4, updated_at_ms = $5
         WHERE id = $6 AND user_id = $7 AND version = $8",
    )
    .bind(next.version)
    .bind(next.resume.name())
    .bind(next.resume.label())
    .bind(next.resume.as_value().to_string())
    .bind(next.updated_at.as_millisecond())
    .bind(next.id.to_string())
    .bind(owner.to_string())
    .bind(next.version - 1)
    .execute(&mut *transaction)
    .await?;
    if replaced.rows_affected() != 1 {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

/// Deletes the résumé. Returns `false` and deletes nothing if its version is not `version`.
///
/// # Errors
/// [`StoreError`] if the database fails; then nothing is deleted.
pub(crate) async fn delete(
    store: &Store,
    owner: Uuid,
    id: Uuid,
    version: i64,
) -> Result<bool, StoreError> {
    let mut transaction = store.begin().await?;
    // Lock the owner's row first, as everywhere, to avoid deadlocks.
    sqlx::query("UPDATE users SET resumes = resumes - 1, revision = revision + 1 WHERE id = $1")
        .bind(owner.to_string())
        .execute(&mut *transaction)
        .await?;
    let deleted =
        sqlx::query("DELETE FROM resumes WHERE id = $1 AND user_id = $2 AND version = $3")
            .bind(id.to_string())
            .bind(owner.to_string())
            .bind(version)
            .execute(&mut *transaction)
            .await?;
    if deleted.rows_affected() != 1 {
        return Ok(false);
    }
    transaction.commit().await?;
    Ok(true)
}

fn stored(row: &AnyRow) -> Result<StoredResume, StoreError> {
    let document: String = row.try_get("document")?;
    let document = serde_json::from_str(&document)
        .map_err(|_| StoreError::Damaged { what: "résumé's document" })?;
    Ok(StoredResume {
        id: id(row)?,
        version: row.try_get("version")?,
        created_at: time(row, "created_at_ms")?,
        updated_at: time(row, "updated_at_ms")?,
        resume: Resume::stored(document),
    })
}

fn summary(row: &AnyRow) -> Result<Summary, StoreError> {
    Ok(Summary {
        id: id(row)?,
        version: row.try_get("version")?,
        name: row.try_get("name")?,
        label: row.try_get("label")?,
        created_at: time(row, "created_at_ms")?,
        updated_at: time(row, "updated_at_ms")?,
    })
}

fn id(row: &AnyRow) -> Result<Uuid, StoreError> {
    let id: String = row.try_get("id")?;
    Uuid::parse_str(&id).map_err(|_| StoreError::Damaged { what: "résumé's id" })
}

fn time(row: &AnyRow, column: &str) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(row.try_get(column)?)
        .map_err(|_| StoreError::Damaged { what: "résumé's time" })
}
