//! Envoy's interface for dynamic modules, version v0.2.0 (Envoy 1.40), as far as this module uses
//! it. All unsafe code of the crate is here.
//!
//! [`imports`] declares Envoy's functions. [`stream`] and [`configuration`] wrap those of the HTTP filter
//! in safe types, and [`network`] those of the network filter. [`hooks`] and [`network_hooks`] are the
//! functions that Envoy calls.
//!
//! # Source
//! `source/extensions/dynamic_modules/abi/abi.h` of Envoy 1.40.

#![expect(unsafe_code, reason = "Envoy's interface is C")]

pub(crate) mod configuration;
mod hooks;
mod imports;
pub(crate) mod network;
mod network_hooks;
pub(crate) mod stream;
mod types;

use std::panic::{AssertUnwindSafe, catch_unwind};
use types::Buffer;

/// A level of Envoy's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub(crate) enum LogLevel {
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
}

/// Writes a line to Envoy's log. Can be called on any thread.
pub(crate) fn log(level: LogLevel, line: &str) {
    let line = Buffer::of(line.as_bytes());
    // SAFETY: Envoy reads the line only during the call, and its log can be used by any thread.
    unsafe {
        imports::envoy_dynamic_module_callback_log_v2(level as u32, line, Buffer::EMPTY, 0);
    }
}

/// Runs a hook, since a panic must not unwind into Envoy. Returns `fallback` if it panics, and logs that
/// `what` ends.
fn guarded<T>(what: &str, fallback: T, hook: impl FnOnce() -> T) -> T {
    // What a panic leaves half done is one request's or connection's, or is behind a lock that repairs
    // itself.
    catch_unwind(AssertUnwindSafe(hook)).unwrap_or_else(|_| {
        let line = format!("tollgate: {what} ends because of a fault of Tollgate: a panic");
        log(LogLevel::Error, &line);
        fallback
    })
}

/// Returns true if Envoy only validates its configuration (`--mode validate`). Call it on the main
/// thread.
fn is_validating() -> bool {
    // SAFETY: called by the hook that configures a filter, which Envoy calls on the main thread.
    unsafe { imports::envoy_dynamic_module_callback_is_validation_mode() }
}
