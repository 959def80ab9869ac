//! Pings Redis in the background. `/health` only reads the last result, so it is quick even when
//! Redis hangs.
//!
//! Started by [`crate::app`], read by `crate::routes::health`. `crate::cache::link` has the
//! connection and the state. A cache command that gets no answer changes the state at once, and
//! wakes the probe.

use crate::cache::link::{Link, RedisState};
use crate::cache::meter;
use std::time::Duration;
use tokio::time::timeout;

/// The longest pause between pings while Redis is down.
const MAX_PAUSE_WHILE_DOWN: Duration = Duration::from_secs(1);

/// Pings Redis once, and then every `interval` in the background, for the life of the process.
pub async fn start(link: Link, interval: Duration) {
    if link.state() == RedisState::NotConfigured {
        return;
    }
    let mut last = None;
    ping(&link, &mut last).await;
    tokio::spawn(async move {
        loop {
            let is_down = link.state() == RedisState::Down;
            let pause = if is_down { interval.min(MAX_PAUSE_WHILE_DOWN) } else { interval };
            // Ping after either the pause or a lost connection.
            let _lost = timeout(pause, link.lost()).await;
            ping(&link, &mut last).await;
        }
    });
}

/// Pings Redis once, and logs changes of state.
async fn ping(link: &Link, last: &mut Option<RedisState>) {
    let answer = link.probe().await;
    let state = link.state();
    if last.replace(state) != Some(state) {
        match answer {
            Ok(()) => tracing::info!("redis answers"),
            Err(error) => tracing::warn!(%error, "redis does not answer"),
        }
    }
    if let Some(bytes) = link.used_memory_bytes().await {
        meter::redis_memory(bytes);
    }
}
