//! The state that all requests share, assembled at startup.

use crate::accounts::Accounts;
use crate::ai::Ai;
use crate::cache::{Cache, Link};
use crate::clock;
use crate::config::{ClaudeConfig, Config, RedisUrl};
use crate::cores::Cores;
use crate::database_probe::DatabaseProbe;
use crate::hashing::Hasher;
use crate::ledger::Ledger;
use crate::redis_probe;
use crate::resumes::Resumes;
use crate::store::Store;
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

/// The service's shared state.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// The users' accounts.
    pub accounts: Accounts,
    /// The users' résumés.
    pub resumes: Resumes,
    /// The AI routes' implementation.
    pub ai: Ai,
    /// The client for usage queries, if the shim is configured.
    pub ledger: Option<Ledger>,
    /// The state of the database.
    pub database: DatabaseProbe,
    /// The cache.
    pub cache: Cache,
    /// The connections to Redis, which know its state.
    pub redis: Link,
    /// The metrics.
    pub metrics: PrometheusHandle,
}

impl App {
    /// Opens the database and everything that depends on it.
    ///
    /// # Errors
    /// Fails if something cannot be opened. The message names the variable to change.
    pub async fn open(config: Config, metrics: PrometheusHandle) -> anyhow::Result<Self> {
        let store = Store::open(&config.database).await.context("DATABASE_URL")?;
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let hasher = Hasher::new(cores)?;
        let database = DatabaseProbe::start(store.clone());
        let redis =
            Link::new(config.redis.as_ref().map(RedisUrl::connection), config.redis_settings);
        redis_probe::start(redis.clone(), config.redis_probe_interval).await;
        let cache = Cache::new(config.cache_enabled, config.cache_ttls, redis.clone());
        let ClaudeConfig { base_url, settings, models } = config.claude.clone();
        let ai = Ai::new(base_url.to_string(), settings, models, cache.clone(), Cores::new(cores))?;
        let resumes = Resumes::new(store.clone(), cache.clone());
        let accounts =
            Accounts::open(store, hasher, config.terms.clone(), config.session_ttl_s, clock::now())
                .await?;
        let shim = config.shim.as_ref();
        let ledger = shim.map(|url| Ledger::new(url, config.salt.clone())).transpose()?;
        Ok(Self { config, accounts, resumes, ai, ledger, database, cache, redis, metrics })
    }
}
