//! The process's Envoy: every object that the module can name, by its handle, and the violations.
//!
//! A handle is a number that is never used twice, instead of a pointer. So a callback on an object
//! that no longer exists is noted, and harms nothing.

use crate::filter::FilterState;
use crate::metrics::Values;
use crate::network::{ConnectionState, NetworkState};
use crate::stream::StreamState;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

/// The most lines of the log to keep.
const MAX_LINES: usize = 100;

/// The objects. Locked for the length of a callback, and never while a hook runs.
#[derive(Default)]
pub(crate) struct World {
    last_handle: usize,
    pub(crate) filters: HashMap<usize, FilterState>,
    pub(crate) values: Values,
    pub(crate) streams: HashMap<usize, StreamState>,
    pub(crate) networks: HashMap<usize, NetworkState>,
    pub(crate) connections: HashMap<usize, ConnectionState>,
    /// The living schedulers, with what they wake.
    pub(crate) schedulers: HashMap<usize, Wakes>,
    violations: Vec<String>,
    log: VecDeque<String>,
}

/// The object that a scheduler wakes, by its handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wakes {
    Filter(usize),
    Stream(usize),
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(Mutex::default);

/// Called where another thread could run, without the lock.
static PAUSE: OnceLock<fn()> = OnceLock::new();

/// Lets a test that controls its threads switch between them where Envoy could.
pub fn on_pause_point(switch: fn()) {
    let _already_set = PAUSE.set(switch);
}

pub(crate) fn pause_point() {
    if let Some(switch) = PAUSE.get() {
        switch();
    }
}

pub(crate) fn lock() -> MutexGuard<'static, World> {
    WORLD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Panics if the module has violated the interface.
///
/// # Panics
/// Panics with the violations since the last call.
pub fn assert_correct() {
    let violations = take_violations();
    assert!(violations.is_empty(), "violations of the interface:\n{}", violations.join("\n"));
}

/// Panics if the module has violated the interface, or holds anything of Envoy's. Call it after all
/// streams and filters have ended, and the module's thread is done with them.
///
/// # Panics
/// Panics with the violations since the last call.
pub fn assert_nothing_is_left() {
    require_nothing_is_left();
    assert_correct();
}

/// Returns true if the module holds nothing of Envoy's.
#[must_use]
pub fn is_empty() -> bool {
    lock().left().iter().all(|(_, count)| *count == 0)
}

/// Returns the sum of the metrics of that name, over all labels.
#[must_use]
pub fn metric(name: &str) -> i128 {
    let world = lock();
    let named = world.values.iter().filter(|((of, _), _)| of == name.as_bytes());
    named.map(|(_, value)| value).sum()
}

pub(crate) fn require_nothing_is_left() {
    let mut world = lock();
    for (what, count) in world.left() {
        world.require(count == 0, || format!("{count} {what} are left"));
    }
}

/// Forgets all objects and violations, also those that a failed test has left.
pub fn forget_all() {
    let mut world = lock();
    // A handle is not used again.
    *world = World { last_handle: world.last_handle, ..World::default() };
}

/// Returns the violations since the last call.
#[must_use]
pub fn take_violations() -> Vec<String> {
    std::mem::take(&mut lock().violations)
}

/// Returns the last lines of the log since the last call.
#[must_use]
pub fn take_log() -> Vec<String> {
    std::mem::take(&mut lock().log).into()
}

impl World {
    fn left(&self) -> [(&'static str, usize); 5] {
        [
            ("filters", self.filters.len()),
            ("streams", self.streams.len()),
            ("schedulers", self.schedulers.len()),
            ("network filters", self.networks.len()),
            ("connections", self.connections.len()),
        ]
    }

    /// Forgets a configuration, and the values of metrics that no other one has used.
    pub(crate) fn forget_filter(&mut self, filter: usize) {
        let Self { filters, values, .. } = self;
        filters.remove(&filter);
        values.retain(|key, _| filters.values().any(|state| state.metrics.uses(key)));
    }

    pub(crate) fn log(&mut self, line: String) {
        if self.log.len() == MAX_LINES {
            self.log.pop_front();
        }
        self.log.push_back(line);
    }

    pub(crate) const fn next_handle(&mut self) -> usize {
        self.last_handle += 1;
        self.last_handle
    }

    /// Notes a violation unless `holds`.
    pub(crate) fn require(&mut self, holds: bool, violation: impl FnOnce() -> String) -> bool {
        if !holds {
            let backtrace = Backtrace::capture();
            let is_known = backtrace.status() == BacktraceStatus::Captured;
            let stack = if is_known { format!("\n{backtrace}") } else { String::new() };
            self.violations.push(format!("- {}{stack}", violation()));
        }
        holds
    }
}

/// Converts a handle to the pointer that the module sees.
pub(crate) const fn pointer(handle: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(handle)
}

/// Converts a pointer that the module passed to a handle.
pub(crate) fn handle(pointer: *mut c_void) -> usize {
    pointer.addr()
}
