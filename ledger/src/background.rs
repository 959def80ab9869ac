//! Tasks that run as long as the process does.
//!
//! Called by [`crate::Ledger::open`] and [`crate::store`].

use tracing::error;

/// Runs `task` beside everything else. If it panics the process ends with code 1: restarted, it
/// serves again, while half alive it would answer 503 for ever.
pub fn spawn(name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let task = tokio::spawn(task);
    tokio::spawn(async move {
        if task.await.is_err_and(|error| error.is_panic()) {
            error!(name, "a task that all depends on has panicked; ending");
            std::process::exit(1);
        }
    });
}
