//! Schema migrations. They run once, however many processes start together.

use super::error::is_temporary;
use super::place::Kind;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr};
use std::time::Duration;
use tokio::time::sleep;

/// Migrations in the order they are applied. A released migration never changes.
const MIGRATIONS: [(i64, &str, &str); 7] = [
    (1, "users", include_str!("../../migrations/0001_users.sql")),
    (2, "signing keys", include_str!("../../migrations/0002_signing_keys.sql")),
    (3, "sessions", include_str!("../../migrations/0003_sessions.sql")),
    (4, "key rotation", include_str!("../../migrations/0004_key_rotation.sql")),
    (5, "resumes", include_str!("../../migrations/0005_resumes.sql")),
    (6, "user secrets", include_str!("../../migrations/0006_user_secrets.sql")),
    (7, "password tries", include_str!("../../migrations/0007_password_tries.sql")),
];

/// A migration that failed.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database was migrated by a later version of this program.
    #[error(
        "its schema is from a newer version (migration {0}): run that version, or choose another database"
    )]
    Newer(i64),
    /// The database rejected a migration, or its schema was changed by hand.
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

/// Takes the PostgreSQL advisory lock that serializes migrations.
const POSTGRES_LOCK: &str = "SET LOCAL statement_timeout = '60s'; \
    DO $$ BEGIN PERFORM pg_advisory_xact_lock(7163394026580238437); END $$";

/// Applies the pending migrations, all or nothing.
///
/// # Errors
/// [`MigrationError`]; then the schema is unchanged.
pub(super) async fn run(pool: &AnyPool, kind: Kind) -> Result<(), MigrationError> {
    let mut transaction = match kind {
        Kind::Sqlite => {
            enable_wal(pool).await?;
            // sqlx doesn't lock SQLite. This makes other processes wait (5 s at most) and then find
            // the work done.
            pool.begin_with("BEGIN IMMEDIATE").await?
        }
        Kind::Postgres => {
            let mut transaction = pool.begin().await?;
            sqlx::raw_sql(POSTGRES_LOCK).execute(&mut *transaction).await?;
            transaction
        }
    };
    migrator().run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// The number of attempts to switch a SQLite file to write-ahead logging. With the pause between
/// them they take as long as the library waits for a lock.
const WAL_TRIES: u32 = 100;
const WAL_PAUSE: Duration = Duration::from_millis(50);

/// Switches the file to write-ahead logging, so readers and the writer don't wait for each other.
/// The setting is stored in the file.
///
/// The switch needs exclusive access. SQLite returns "busy" here at once instead of waiting, so
/// this retries while other processes start.
async fn enable_wal(pool: &AnyPool) -> Result<(), sqlx::Error> {
    let mut tries = 1;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL").execute(pool).await {
            Err(error) if is_temporary(&error) && tries < WAL_TRIES => sleep(WAL_PAUSE).await,
            changed => return changed.map(drop),
        }
        tries += 1;
    }
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
    let mut migrator = Migrator::with_migrations(migrations.into());
    // sqlx would release its own lock before the transaction ends. Ours lasts until it ends.
    migrator.set_locking(false);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Place, Store};
    use futures_util::future::join_all;
    use tempfile::TempDir;

    /// Runs several rounds of the race, each on a new database with only the first migration.
    #[tokio::test]
    async fn concurrent_migrations_of_an_older_database_all_succeed() {
        sqlx::any::install_default_drivers();
        for _ in 0..10 {
            let dir = TempDir::new().unwrap();
            let place = Place::Sqlite(dir.path().join("test.db"));
            let older = AnyPool::connect(&format!("{}?mode=rwc", place.url().unwrap())).await;
            migrator().run_to(1, &older.unwrap()).await.unwrap();
            for opened in join_all((0..8).map(|_| Store::open(&place))).await {
                let store = opened.unwrap();
                sqlx::query("SELECT seed FROM signing_keys").fetch_all(&store.pool).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_modified_migration_is_refused() {
        let dir = TempDir::new().unwrap();
        let place = Place::Sqlite(dir.path().join("test.db"));
        let store = Store::open(&place).await.unwrap();
        let change = "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1";
        sqlx::query(change).execute(&store.pool).await.unwrap();
        let refused = Store::open(&place).await.unwrap_err().to_string();
        assert!(
            refused.contains("migration 1 was previously applied but has been modified"),
            "{refused}"
        );
    }
}
