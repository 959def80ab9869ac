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
