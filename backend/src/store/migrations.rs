//! Brings the schema up to date, once, however many processes start together.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr};

/// In the order they are applied. A migration that has been released never changes.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "users", include_str!("../../migrations/0001_users.sql")),
    (2, "signing keys", include_str!("../../migrations/0002_signing_keys.sql")),
];

/// Why the schema is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// A later version of this program has been here.
    #[error("it is of a newer version (migration {0}): start that version, or choose another file")]
    Newer(i64),
    /// The database refused, or was changed by hand.
    #[error("{0}")]
    Refused(String),
}

impl From<sqlx::Error> for MigrationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<MigrateError> for MigrationError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            error => Self::Refused(error.to_string()),
        }
    }
}

/// Applies what has not been applied yet.
///
/// # Errors
/// [`MigrationError`]; the schema is then as it was.
pub(super) async fn run(pool: &AnyPool) -> Result<(), MigrationError> {
    // Readers and the writer do not wait for each other. Stays with the file.
    sqlx::query("PRAGMA journal_mode = WAL").execute(pool).await?;
    // sqlx takes no lock of its own for SQLite: this one makes others wait (5 s at most) and then
    // find the work done.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    migrator().run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, url_of};
    use futures_util::future::join_all;
    use tempfile::TempDir;

    /// A race: several rounds, each on a new database that has the first migration only.
    #[tokio::test]
    async fn all_who_bring_an_older_database_up_to_date_at_once_succeed() {
        sqlx::any::install_default_drivers();
        for _ in 0..10 {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("test.db");
            let older = AnyPool::connect(&format!("{}?mode=rwc", url_of(&path).unwrap())).await;
            migrator().run_to(1, &older.unwrap()).await.unwrap();
            for opened in join_all((0..8).map(|_| Store::open(&path))).await {
                let store = opened.unwrap();
                sqlx::query("SELECT seed FROM signing_keys").fetch_all(&store.pool).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_migration_that_was_changed_after_its_release_is_refused() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("test.db");
        let store = Store::open(&path).await.unwrap();
        let change = "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1";
        sqlx::query(change).execute(&store.pool).await.unwrap();
        let refused = Store::open(&path).await.unwrap_err().to_string();
        assert!(
            refused.contains("migration 1 was previously applied but has been modified"),
            "{refused}"
        );
    }
}
