//! Tasks that run as long as the process does.
//!
//! Called by [`crate::Ledger::open`] and [`crate::store`].

use tracing::error;

/// Spawns `task`. If it panics, the process exits with code 1: a restarted process works again,
/// while a half-dead one would answer 503 forever.
pub fn spawn(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let task = tokio::spawn(task);
    tokio::spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            error!(name, "an essential task has panicked; exiting");
            std::process::exit(1);
        }
    });
}
