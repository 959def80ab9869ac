//! What all requests share, put together once at start.

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

/// The service: what routes work with.
pub struct App {
    /// How it runs.
    pub config: Config,
    /// Who can log in.
    pub accounts: Accounts,
    /// What they have written.
    pub resumes: Resumes,
    /// What Claude does for them.
    pub ai: Ai,
    /// What is left of their quotas, if it can be asked.
    pub ledger: Option<Ledger>,
    /// Whether the database answers.
    pub database: DatabaseProbe,
    /// What was answered before.
    pub cache: Cache,
    /// The way to Redis, which knows whether it answers.
    pub redis: Link,
    /// What has been counted.
    pub metrics: PrometheusHandle,
}

impl App {
    /// Opens the database and everything on it.
    ///
    /// # Errors
    /// One sentence on what cannot be opened, naming the variable to change.
    pub async fn open(config: Config, metrics: PrometheusHandle) -> anyhow::Result<Self> {
        let store = Store::open(&config.database).await.context("DATABASE_URL")?;
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let hasher = Hasher::new(cores)?;
        let database = DatabaseProbe::start(store.clone());
        let redis = Link::new(config.redis.as_ref().map(RedisUrl::connection), config.redis_use);
        redis_probe::start(redis.clone(), config.redis_probed_each).await;
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
