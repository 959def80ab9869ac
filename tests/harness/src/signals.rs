//! Records Ctrl-C and similar signals. Code that waits checks for them.

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Installs handlers that record SIGINT, SIGTERM and SIGHUP instead of ending the process.
///
/// # Errors
/// Fails if a handler cannot be installed.
pub fn note_interrupts() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(flag))
            .with_context(|| format!("cannot watch for signal {signal}"))?;
    }
    Ok(())
}

/// Returns true once a signal has arrived.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// Checks that no signal has arrived.
///
/// # Errors
/// Fails with `interrupted` once a signal has arrived.
pub fn check() -> Result<()> {
    if interrupted() {
        bail!("interrupted");
    }
    Ok(())
}
