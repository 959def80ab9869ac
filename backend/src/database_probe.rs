//! Pings the database once a second. `/health` only reads the last result, so it is quick even when
//! the database hangs.
//!
//! Started by [`crate::app`], read by [`crate::routes::health`].

use crate::store::Store;
use serde::Serialize;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use utoipa::ToSchema;

/// The interval between checks.
const INTERVAL: Duration = Duration::from_secs(1);
/// The timeout of a check.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The state of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// The last check succeeded.
    Up,
    /// The last check failed.
    Down,
}

/// The result of the last check.
#[derive(Debug, Clone)]
pub struct DatabaseProbe(watch::Receiver<DatabaseState>);

impl DatabaseProbe {
    /// Starts checking, until the last clone is dropped. The database has just been opened, so it
    /// counts as up at first.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (sender, receiver) = watch::channel(DatabaseState::Up);
        tokio::spawn(async move {
            let mut ticks = interval(INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while !sender.is_closed() {
                ticks.tick().await;
                let answer = ask(&store).await;
                if sender.send_replace(answer) != answer {
                    tracing::warn!(database = ?answer, "the database changed state");
                }
            }
        });
        Self(receiver)
    }

    /// Returns the result of the last check, at most two seconds old.
    #[must_use]
    pub fn state(&self) -> DatabaseState {
        *self.0.borrow()
    }
}

async fn ask(store: &Store) -> DatabaseState {
    match timeout(TIMEOUT, store.ping()).await {
        Ok(Ok(())) => DatabaseState::Up,
        Ok(Err(_)) | Err(_) => DatabaseState::Down,
    }
}
