//! A configured filter, on Envoy's main thread.

use crate::abi::{self, Buffer};
use crate::metrics::Metrics;
use crate::world::{Wakes, lock, pointer};
use std::ffi::c_void;
use std::sync::Once;

/// A filter's configuration that the module has accepted.
#[derive(Debug)]
pub struct Filter {
    handle: usize,
    pub(crate) module: *const c_void,
}

// SAFETY: Envoy passes the module's configuration to all of its workers.
unsafe impl Send for Filter {}
// SAFETY: as above.
unsafe impl Sync for Filter {}

/// Envoy's side of a configuration.
#[derive(Default)]
pub(crate) struct FilterState {
    pub(crate) hook: Option<FilterHook>,
    pub(crate) metrics: Metrics,
    /// True if the module has asked for the `scheduled` hook.
    pub(crate) is_due: bool,
}

/// The hook of a configuration that is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FilterHook {
    New,
    Scheduled,
}

impl Filter {
    /// Configures a filter. Returns `None` if the module refuses the configuration.
    #[must_use]
    pub fn configure(text: &[u8]) -> Option<Self> {
        initialize();
        let handle = {
            let mut world = lock();
            let handle = world.next_handle();
            let hook = Some(FilterHook::New);
            world.filters.insert(handle, FilterState { hook, ..FilterState::default() });
            handle
        };
        // The module may read the text only during the hook.
        let lent = text.to_vec();
        // SAFETY: the arguments live until the hook returns.
        let module = unsafe {
            abi::envoy_dynamic_module_on_http_filter_config_new(
                pointer(handle),
                Buffer::of(b"tollgate"),
                Buffer::of(&lent),
            )
        };
        let filter = Self { handle, module };
        filter.leave_hook();
        if module.is_null() {
            filter.forget();
            return None;
        }
        Some(filter)
    }

    /// Runs the `scheduled` hook if the module has asked for it. Returns true if it has.
    pub fn run_scheduled(&self) -> bool {
        {
            let mut world = lock();
            let Some(state) = world.filters.get_mut(&self.handle) else { return false };
            if !std::mem::take(&mut state.is_due) {
                return false;
            }
            state.hook = Some(FilterHook::Scheduled);
        }
        // SAFETY: the module's pointer is valid until `destroy`.
        unsafe {
            abi::envoy_dynamic_module_on_http_filter_config_scheduled(
                pointer(self.handle),
                self.module,
                0,
            );
        }
        self.leave_hook();
        true
    }

    /// Destroys the configuration. Streams that the module has for it may go on.
    pub fn destroy(self) {
        // SAFETY: the module's pointer is valid, and not used again.
        unsafe { abi::envoy_dynamic_module_on_http_filter_config_destroy(self.module) };
        self.forget();
    }

    fn leave_hook(&self) {
        if let Some(state) = lock().filters.get_mut(&self.handle) {
            state.hook = None;
        }
    }

    fn forget(&self) {
        lock().forget_filter(self.handle);
    }
}

/// Initializes the module, once in a process.
pub(crate) fn initialize() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: Envoy calls this first, and once.
        let version = unsafe { abi::envoy_dynamic_module_on_program_init() };
        let is_null = version.is_null();
        lock().require(!is_null, || "the module refuses to start".to_owned());
    });
}

/// Notes that a scheduler of configuration `handle` was used.
pub(crate) fn commit(handle: usize) {
    let mut world = lock();
    if let Some(state) = world.filters.get_mut(&handle) {
        state.is_due = true;
    } else {
        // Envoy's main thread may have ended.
        world.require(false, || "a configuration was scheduled after it was destroyed".to_owned());
    }
}

/// Creates a scheduler for configuration `handle`.
pub(crate) fn scheduler(handle: usize) -> usize {
    let mut world = lock();
    let is_running = world.filters.get(&handle).is_some_and(|state| state.hook.is_some());
    world.require(is_running, || "a scheduler for a configuration without a hook".to_owned());
    let scheduler = world.next_handle();
    world.schedulers.insert(scheduler, Wakes::Filter(handle));
    scheduler
}
