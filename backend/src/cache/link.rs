//! The connections to Redis: a limited number, each shared by any number of commands, behind a
//! circuit breaker, so that a Redis outage doesn't slow requests down.
//!
//! A command that gets no answer within the timeout opens the breaker for everyone. Then no command
//! is sent until a ping from [`crate::redis_probe`] succeeds, which alone closes the breaker.

use super::meter;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, RedisError};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};
use tokio::time::timeout;
use utoipa::ToSchema;

/// The state of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisState {
    /// The last command was answered.
    Up,
    /// The last command was not answered.
    Down,
    /// No Redis is configured.
    NotConfigured,
}

/// Settings for the connections to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    /// The most connections from this process, at least 1.
    pub max_connections: usize,
    /// The timeout of a command, including connecting.
    pub timeout: Duration,
}

/// A pool of connections to one Redis, or to none. Clones share it.
#[derive(Debug, Clone)]
pub struct Link(Option<Arc<Inner>>);

struct Inner {
    client: Client,
    slots: Vec<Slot>,
    timeout: Duration,
    state: watch::Sender<RedisState>,
    /// Notified when a command has opened the breaker.
    lost: Notify,
}

#[derive(Default)]
struct Slot {
    connection: Mutex<Option<MultiplexedConnection>>,
    busy: AtomicUsize,
}

/// A command that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The breaker is open. The command was not sent.
    #[error("redis is down")]
    Away,
    /// The timeout passed. The command may have run.
    #[error("no answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// Redis rejected the command, or the connection failed.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl Link {
    /// Creates the link without connecting. Redis counts as down until the probe's first success.
    #[must_use]
    pub fn new(info: Option<ConnectionInfo>, settings: LinkSettings) -> Self {
        // CLIENT SETINFO requires a permission that Redis 7.0 doesn't have.
        let quiet = |info: ConnectionInfo| {
            let settings = info.redis_settings().clone().set_skip_set_lib_name();
            info.set_redis_settings(settings)
        };
        let client = info.and_then(|info| Client::open(quiet(info)).ok());
        Self(client.map(|client| {
            // rustls panics if the enabled features leave the provider ambiguous. This fails only
            // if one is already installed, which is fine.
            let _already_installed = rustls::crypto::ring::default_provider().install_default();
            Arc::new(Inner {
                client,
                slots: (0..settings.max_connections.max(1)).map(|_| Slot::default()).collect(),
                timeout: settings.timeout,
                state: watch::channel(RedisState::Down).0,
                lost: Notify::new(),
            })
        }))
    }

    /// Returns the last known state of Redis, without waiting.
    #[must_use]
    pub fn state(&self) -> RedisState {
        self.0.as_ref().map_or(RedisState::NotConfigured, |inner| *inner.state.borrow())
    }

    /// Returns true if the breaker is closed.
    pub(super) fn is_up(&self) -> bool {
        self.state() == RedisState::Up
    }

    /// Sends a command and waits for its answer, at most the timeout.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        let inner = self.up()?;
        inner.trip_on_loss(
            inner.run_on_slot(inner.free_slot(), async |c| command.query_async(c).await).await,
        )
    }

    fn up(&self) -> Result<&Inner, LinkError> {
        self.0.as_deref().filter(|_| self.is_up()).ok_or(LinkError::Away)
    }

    /// Pings Redis even if the breaker is open, and sets the breaker accordingly. For the probe
    /// only.
    ///
    /// # Errors
    /// [`LinkError`] if Redis doesn't answer.
    pub(crate) async fn probe(&self) -> Result<(), LinkError> {
        let Some(inner) = self.0.as_deref() else { return Ok(()) };
        let ping = redis::cmd("PING");
        let reply = inner.run_on_slot(inner.slots.first(), async |c| ping.query_async(c).await);
        let answer = reply.await;
        inner.set_state(if answer.is_ok() { RedisState::Up } else { RedisState::Down });
        answer
    }

    /// Returns the memory that Redis uses, in bytes, if it reports it.
    pub(crate) async fn used_memory_bytes(&self) -> Option<u64> {
        let mut info = redis::cmd("INFO");
        let info: String = self.ask(info.arg("memory")).await.ok()?;
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"))?;
        line.trim().parse().ok()
    }

    /// Waits until a command opens the breaker.
    pub(crate) async fn lost(&self) {
        match self.0.as_deref() {
            Some(inner) => inner.lost.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Inner {
    /// Returns the least busy slot, preferring earlier ones, so no more connections open than
    /// needed.
    fn free_slot(&self) -> Option<&Slot> {
        self.slots.iter().min_by_key(|slot| slot.busy.load(Ordering::Relaxed))
    }

    async fn run_on_slot<T>(
        &self,
        slot: Option<&Slot>,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, LinkError> {
        let slot = slot.ok_or(LinkError::Away)?;
        let _busy = Busy::on(slot);
        let reply = timeout(self.timeout, async {
            let mut connection = self.connection(slot).await?;
            ask(&mut connection).await
        });
        match reply.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => Err(LinkError::TooSlow(self.timeout)),
        }
    }

    /// Returns the slot's connection, connecting first if needed. Concurrent callers share it.
    async fn connection(&self, slot: &Slot) -> Result<MultiplexedConnection, RedisError> {
        let mut current = slot.connection.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        // The caller's timeout covers connecting and answering together.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(current.insert(made).clone())
    }

    /// Opens the breaker if there was no answer. An error reply is an answer.
    fn trip_on_loss<T>(&self, result: Result<T, LinkError>) -> Result<T, LinkError> {
        if let Err(error) = &result {
            meter::redis_failed();
            if error.is_loss() && self.set_state(RedisState::Down) {
                tracing::warn!(%error, "redis does not answer: continuing without it");
                self.lost.notify_one();
            } else {
                tracing::debug!(%error, "redis returned an error");
            }
        }
        result
    }

    /// Sets the state, and returns true if it changed. Going down drops all connections.
    fn set_state(&self, state: RedisState) -> bool {
        let changed = self.state.send_replace(state) != state;
        meter::redis_is_up(state == RedisState::Up);
        if state == RedisState::Down {
            for slot in &self.slots {
                // A locked slot is still connecting.
                if let Ok(mut connection) = slot.connection.try_lock() {
                    *connection = None;
                }
            }
        }
        changed
    }
}

impl LinkError {
    /// Returns true if Redis did not answer, as opposed to an error reply.
    fn is_loss(&self) -> bool {
        match self {
            Self::Away => false,
            Self::TooSlow(_) => true,
            Self::Redis(error) => {
                error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error()
            }
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inner({} connections)", self.slots.len())
    }
}

/// Counts a command as in progress until dropped.
struct Busy<'a>(&'a Slot);

impl<'a> Busy<'a> {
    fn on(slot: &'a Slot) -> Self {
        slot.busy.fetch_add(1, Ordering::Relaxed);
        Self(slot)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}
