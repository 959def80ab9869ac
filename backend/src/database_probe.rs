//! Whether the database answers, asked once a second in the background: `/health` only reads the
//! answer, so it is as quick with the database hanging as with the database up.
//!
//! Started by [`crate::app`], read by [`crate::routes::health`].

use crate::store::Store;
use serde::Serialize;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};
use utoipa::ToSchema;

/// How often it is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the database answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseState {
    /// It answered the last time.
    Up,
    /// It did not.
    Down,
}

/// The last answer.
#[derive(Debug, Clone)]
pub struct DatabaseProbe(watch::Receiver<DatabaseState>);

impl DatabaseProbe {
    /// Goes on asking for as long as anyone holds the probe. It has been opened just now, so it is
    /// up to begin with.
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
                    tracing::warn!(database = ?answer, "the database has changed its state");
                }
            }
        });
        Self(receiver)
    }

    /// The last answer, at most two seconds old.
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
