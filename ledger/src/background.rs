//! Tasks that run as long as the process does.
//!
//! Called by [`crate::Ledger::open`] and [`crate::store`].

use std::sync::OnceLock;
use tracing::error;

/// Called with the name of a task that has panicked.
static HANDLER: OnceLock<fn(&'static str)> = OnceLock::new();

/// Calls `handler` if a task panics, in place of ending the process. The ledger that the task belongs
/// to no longer works then: open another. The first handler stays.
pub fn on_panic(handler: fn(&'static str)) {
    let _first_stays = HANDLER.set(handler);
}

/// Spawns `task`. If it panics, and there is no handler, the process exits with code 1: a restarted
/// process works again, while a half-dead one would answer 503 forever.
pub fn spawn(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let task = tokio::spawn(task);
    tokio::spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            if let Some(handler) = HANDLER.get() {
                return handler(name);
            }
            error!(name, "an essential task has panicked; exiting");
            std::process::exit(1);
        }
    });
}
