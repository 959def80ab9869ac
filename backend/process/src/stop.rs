//! The stop signal.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Returns a future that completes when the process receives SIGTERM or SIGINT.
///
/// # Errors
/// Fails if the process cannot listen for signals.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
