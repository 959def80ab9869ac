//! The way to Redis: at most so many connections, each shared by any number of commands; and a
//! breaker, so that a Redis that is away costs nobody any time.
//!
//! A command that gets no answer within the time-out opens the breaker for everyone: nothing is
//! asked any more until [`crate::redis_probe`], which asks on, is answered. Nobody else closes it.

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

/// Whether Redis answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedisState {
    /// It answered the last time.
    Up,
    /// It did not.
    Down,
    /// There is none.
    NotConfigured,
}

/// How Redis is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSettings {
    /// The most connections of this process, at least 1.
    pub max_connections: usize,
    /// How long a command may take, connecting included.
    pub timeout: Duration,
}

/// The way to one Redis, or to none. Clones share it.
#[derive(Debug, Clone)]
pub struct Link(Option<Arc<Inner>>);

struct Inner {
    client: Client,
    slots: Vec<Slot>,
    timeout: Duration,
    state: watch::Sender<RedisState>,
    /// Told when a command has opened the breaker.
    lost: Notify,
}

#[derive(Default)]
struct Slot {
    connection: Mutex<Option<MultiplexedConnection>>,
    busy: AtomicUsize,
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// It is known to be away; nothing was sent.
    #[error("redis is away")]
    Away,
    /// It took too long; the command may have run.
    #[error("nothing within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// It refused, or the connection broke.
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl Link {
    /// The way to the Redis at `info`, if there is one; nothing is connected yet, and until the
    /// probe has been answered it counts as away.
    #[must_use]
    pub fn new(info: Option<ConnectionInfo>, settings: LinkSettings) -> Self {
        // CLIENT SETINFO would need a right that Redis 7.0 does not know.
        let quiet = |info: ConnectionInfo| {
            let settings = info.redis_settings().clone().set_skip_set_lib_name();
            info.set_redis_settings(settings)
        };
        let client = info.and_then(|info| Client::open(quiet(info)).ok());
        Self(client.map(|client| {
            // rustls panics where the features of all crates of a build leave it a choice. Fails
            // where it was told before, which is as good.
            let _told_before = rustls::crypto::ring::default_provider().install_default();
            Arc::new(Inner {
                client,
                slots: (0..settings.max_connections.max(1)).map(|_| Slot::default()).collect(),
                timeout: settings.timeout,
                state: watch::channel(RedisState::Down).0,
                lost: Notify::new(),
            })
        }))
    }

    /// How Redis is, as far as is known. Waits for nothing.
    #[must_use]
    pub fn state(&self) -> RedisState {
        self.0.as_ref().map_or(RedisState::NotConfigured, |inner| *inner.state.borrow())
    }

    /// Whether it is worth asking.
    pub(super) fn is_up(&self) -> bool {
        self.state() == RedisState::Up
    }

    /// Sends a command, and waits for its answer no longer than the time-out.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        let inner = self.up()?;
        inner.kept(inner.on_a_slot(inner.free_slot(), async |c| command.query_async(c).await).await)
    }

    fn up(&self) -> Result<&Inner, LinkError> {
        self.0.as_deref().filter(|_| self.is_up()).ok_or(LinkError::Away)
    }

    /// Asks whether Redis answers, whatever is known; for the probe alone. Closes the breaker if
    /// it does, opens it if not.
    ///
    /// # Errors
    /// [`LinkError`], if it does not answer.
    pub(crate) async fn probe(&self) -> Result<(), LinkError> {
        let Some(inner) = self.0.as_deref() else { return Ok(()) };
        let ping = redis::cmd("PING");
        let asked = inner.on_a_slot(inner.slots.first(), async |c| ping.query_async(c).await);
        let answer = asked.await;
        inner.set_state(if answer.is_ok() { RedisState::Up } else { RedisState::Down });
        answer
    }

    /// How much memory Redis uses, in bytes, if it says.
    pub(crate) async fn used_memory_bytes(&self) -> Option<u64> {
        let mut info = redis::cmd("INFO");
        let told: String = self.ask(info.arg("memory")).await.ok()?;
        let line = told.lines().find_map(|line| line.strip_prefix("used_memory:"))?;
        line.trim().parse().ok()
    }

    /// Ends when a command has just opened the breaker.
    pub(crate) async fn lost(&self) {
        match self.0.as_deref() {
            Some(inner) => inner.lost.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Inner {
    /// The first connection on which nothing is under way, or else the least busy one: there are
    /// no more of them than are of use.
    fn free_slot(&self) -> Option<&Slot> {
        self.slots.iter().min_by_key(|slot| slot.busy.load(Ordering::Relaxed))
    }

    async fn on_a_slot<T>(
        &self,
        slot: Option<&Slot>,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, LinkError> {
        let slot = slot.ok_or(LinkError::Away)?;
        let _busy = Busy::on(slot);
        let asked = timeout(self.timeout, async {
            let mut connection = self.connection(slot).await?;
            ask(&mut connection).await
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(error.into()),
            Err(_elapsed) => Err(LinkError::TooSlow(self.timeout)),
        }
    }

    /// The slot's connection, made now if there is none. Others who need it wait for the same one.
    async fn connection(&self, slot: &Slot) -> Result<MultiplexedConnection, RedisError> {
        let mut kept = slot.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        // What is waited for is bounded where it is asked: connecting and answering together.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(kept.insert(made).clone())
    }

    /// Opens the breaker if there was no answer. A refusal is an answer.
    fn kept<T>(&self, asked: Result<T, LinkError>) -> Result<T, LinkError> {
        if let Err(error) = &asked {
            meter::redis_failed();
            if error.is_loss() && self.set_state(RedisState::Down) {
                tracing::warn!(%error, "redis does not answer: going on without it");
                self.lost.notify_one();
            } else {
                tracing::debug!(%error, "redis refuses");
            }
        }
        asked
    }

    /// Whether that is news. Connections to a Redis that was away are not used again.
    fn set_state(&self, state: RedisState) -> bool {
        let is_news = self.state.send_replace(state) != state;
        meter::redis_is_up(state == RedisState::Up);
        if state == RedisState::Down {
            for slot in &self.slots {
                // One that is locked is being made.
                if let Ok(mut connection) = slot.connection.try_lock() {
                    *connection = None;
                }
            }
        }
        is_news
    }
}

impl LinkError {
    /// Whether Redis did not answer, rather than answer "no".
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

/// Counts a command as under way until dropped.
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
