//! Whether Redis answers, asked once a second in the background: `/health` only reads the answer,
//! so it is as quick with Redis hanging as with Redis up.
//!
//! Started by [`crate::app`], read by [`crate::routes::health`].

use crate::config::RedisUrl;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisResult};
use serde::Serialize;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take, connecting included.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Whether Redis answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisState {
    /// It answered the last time.
    Up,
    /// It did not.
    Down,
    /// There is none.
    NotConfigured,
}

/// The last answer.
#[derive(Debug, Clone)]
pub struct RedisProbe(watch::Receiver<RedisState>);

impl RedisProbe {
    /// Asks for the first time, and goes on asking for as long as anyone holds the probe.
    pub async fn start(url: Option<&RedisUrl>) -> Self {
        let Some(client) = url.and_then(|url| Client::open(url.connection()).ok()) else {
            return Self(watch::channel(RedisState::NotConfigured).1);
        };
        let mut connection = None;
        let first = told(ask(&client, &mut connection).await, None);
        let (sender, receiver) = watch::channel(first);
        tokio::spawn(keep_asking(client, connection, sender));
        Self(receiver)
    }

    /// The last answer, at most two seconds old.
    #[must_use]
    pub fn state(&self) -> RedisState {
        *self.0.borrow()
    }
}

async fn keep_asking(
    client: Client,
    mut connection: Option<MultiplexedConnection>,
    sender: watch::Sender<RedisState>,
) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !sender.is_closed() {
        ticks.tick().await;
        let last = *sender.borrow();
        sender.send_replace(told(ask(&client, &mut connection).await, Some(last)));
    }
}

/// What the answer means; logged where it is news.
fn told(answer: Result<(), ProbeError>, last: Option<RedisState>) -> RedisState {
    match answer {
        Ok(()) => {
            if last != Some(RedisState::Up) {
                tracing::info!("redis answers");
            }
            RedisState::Up
        }
        Err(error) => {
            if last != Some(RedisState::Down) {
                tracing::warn!(%error, "redis does not answer");
            }
            RedisState::Down
        }
    }
}

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("nothing within {} ms", TIMEOUT.as_millis())]
    TooSlow,
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
}

/// One `PING`, on the connection there is or a new one; one that failed is not used again.
async fn ask(
    client: &Client,
    connection: &mut Option<MultiplexedConnection>,
) -> Result<(), ProbeError> {
    let pong = timeout(TIMEOUT, ping(client, connection.take())).await;
    *connection = Some(pong.map_err(|_elapsed| ProbeError::TooSlow)??);
    Ok(())
}

async fn ping(
    client: &Client,
    connection: Option<MultiplexedConnection>,
) -> RedisResult<MultiplexedConnection> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => client.get_multiplexed_async_connection().await?,
    };
    let _pong: String = redis::cmd("PING").query_async(&mut connection).await?;
    Ok(connection)
}
