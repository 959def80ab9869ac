//! Brings the schema up to date, once, however many processes start together.

use super::error::is_passing;
use super::place::Kind;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyPool, SqlSafeStr};
use std::time::Duration;
use tokio::time::sleep;

/// In the order they are applied. A migration that has been released never changes.
const MIGRATIONS: [(i64, &str, &str); 7] = [
    (1, "users", include_str!("../../migrations/0001_users.sql")),
    (2, "signing keys", include_str!("../../migrations/0002_signing_keys.sql")),
    (3, "sessions", include_str!("../../migrations/0003_sessions.sql")),
    (4, "key rotation", include_str!("../../migrations/0004_key_rotation.sql")),
    (5, "resumes", include_str!("../../migrations/0005_resumes.sql")),
    (6, "user secrets", include_str!("../../migrations/0006_user_secrets.sql")),
    (7, "password tries", include_str!("../../migrations/0007_password_tries.sql")),
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

/// Whoever holds this lock of PostgreSQL's brings the schema up to date.
const POSTGRES_LOCK: &str = "SET LOCAL statement_timeout = '60s'; \
    DO $$ BEGIN PERFORM pg_advisory_xact_lock(7163394026580238437); END $$";

/// Applies what has not been applied yet, all of it or nothing.
///
/// # Errors
/// [`MigrationError`]; the schema is then as it was.
pub(super) async fn run(pool: &AnyPool, kind: Kind) -> Result<(), MigrationError> {
    let mut transaction = match kind {
        Kind::Sqlite => {
            write_ahead(pool).await?;
            // sqlx takes no lock of its own for SQLite: this one makes others wait (5 s at most)
            // and then find the work done.
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

/// How often a SQLite file is asked to write ahead, and how long lies between: as long together as
/// the library waits for a lock.
const WAL_TRIES: u32 = 100;
const WAL_PAUSE: Duration = Duration::from_millis(50);

/// Readers and the writer do not wait for each other. Stays with the file.
///
/// The change takes the file alone, and here SQLite answers "busy" at once where it waits for other
/// locks: others who start at the same time are waited for here.
async fn write_ahead(pool: &AnyPool) -> Result<(), sqlx::Error> {
    let mut tries = 1;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL").execute(pool).await {
            Err(error) if is_passing(&error) && tries < WAL_TRIES => sleep(WAL_PAUSE).await,
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
    // Its own lock would be let go before the transaction ends; ours lasts as long as that.
    migrator.set_locking(false);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Place, Store};
    use futures_util::future::join_all;
    use tempfile::TempDir;

    /// A race: several rounds, each on a new database that has the first migration only.
    #[tokio::test]
    async fn all_who_bring_an_older_database_up_to_date_at_once_succeed() {
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
    async fn a_migration_that_was_changed_after_its_release_is_refused() {
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
