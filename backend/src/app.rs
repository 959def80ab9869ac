//! What all requests share, put together once at start.

use crate::accounts::Accounts;
use crate::clock;
use crate::config::Config;
use crate::database_probe::DatabaseProbe;
use crate::hashing::Hasher;
use crate::ledger::Ledger;
use crate::redis_probe::RedisProbe;
use crate::resumes::Resumes;
use crate::store::Store;
use anyhow::Context;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// The service: what routes work with.
pub struct App {
    /// How it runs.
    pub config: Config,
    /// Who can log in.
    pub accounts: Accounts,
    /// What they have written.
    pub resumes: Resumes,
    /// What is left of their quotas, if it can be asked.
    pub ledger: Option<Ledger>,
    /// Whether the database answers.
    pub database: DatabaseProbe,
    /// Whether Redis answers.
    pub redis: RedisProbe,
}

impl App {
    /// Opens the database and everything on it.
    ///
    /// # Errors
    /// One sentence on what cannot be opened, naming the variable to change.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let store = Store::open(&config.database).await.context("DATABASE_URL")?;
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let hasher = Hasher::new(cores)?;
        let database = DatabaseProbe::start(store.clone());
        let resumes = Resumes::new(store.clone());
        let accounts =
            Accounts::open(store, hasher, config.terms.clone(), config.session_ttl_s, clock::now())
                .await?;
        let shim = config.shim.as_ref();
        let ledger = shim.map(|url| Ledger::new(url, config.salt.clone())).transpose()?;
        let redis = RedisProbe::start(config.redis.as_ref()).await;
        Ok(Self { config, accounts, resumes, ledger, database, redis })
    }
}
