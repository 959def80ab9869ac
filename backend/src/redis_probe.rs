//! Whether Redis answers, asked again and again in the background: `/health` only reads the
//! answer, so it is as quick with Redis hanging as with Redis up.
//!
//! Started by [`crate::app`], read by `crate::routes::health`. What it asks over, and where the
//! state is kept, is `crate::cache::link`: a command of the cache that gets no answer changes it
//! at once, and has the probe ask.

use crate::cache::link::{Link, RedisState};
use crate::cache::meter;
use std::time::Duration;
use tokio::time::timeout;

/// How often it is asked while it is away, unless it is asked more often anyway.
const WHILE_AWAY: Duration = Duration::from_secs(1);

/// Asks for the first time, and goes on asking, every `interval`, for as long as the process runs.
pub async fn start(link: Link, interval: Duration) {
    if link.state() == RedisState::NotConfigured {
        return;
    }
    let mut last = None;
    ask(&link, &mut last).await;
    tokio::spawn(async move {
        loop {
            let away = link.state() == RedisState::Down;
            let pause = if away { interval.min(WHILE_AWAY) } else { interval };
            // Either is a reason to ask.
            let _lost = timeout(pause, link.lost()).await;
            ask(&link, &mut last).await;
        }
    });
}

/// Asks once; logs what is news.
async fn ask(link: &Link, last: &mut Option<RedisState>) {
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
