//! Envoy's side of a network filter: its configuration, and a client's connection.

use super::imports;
use super::types::{Buffer, Envoy};
use std::marker::PhantomData;

/// The network filter that is being configured, on Envoy's main thread.
pub(crate) struct NetworkConfiguration<'hook> {
    envoy: Envoy,
    hook: PhantomData<&'hook mut ()>,
}

/// A counter that has been defined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counter(usize);

/// The connection of the hook that is running, on its worker.
pub(crate) struct Downstream<'hook> {
    envoy: Envoy,
    hook: PhantomData<&'hook mut ()>,
}

/// Closes a connection at once: nothing has been written to it.
const NO_FLUSH: u32 = 1;

impl NetworkConfiguration<'_> {
    /// Wraps Envoy's pointer.
    ///
    /// # Safety
    /// `envoy` must be the pointer that Envoy passed to the running hook, and the result must not
    /// outlive the hook.
    pub(super) const unsafe fn of(envoy: Envoy) -> Self {
        Self { envoy, hook: PhantomData }
    }

    /// Defines a counter. Returns `None` if Envoy refuses.
    pub(crate) fn define_counter(&mut self, name: &str) -> Option<Counter> {
        let mut id = 0;
        // SAFETY: Envoy copies the name during the call, and writes only the id.
        let result = unsafe {
            imports::envoy_dynamic_module_callback_network_filter_config_define_counter(
                self.envoy,
                Buffer::of(name.as_bytes()),
                &raw mut id,
            )
        };
        (result == 0).then_some(Counter(id))
    }
}

impl Downstream<'_> {
    /// Wraps Envoy's pointer.
    ///
    /// # Safety
    /// As [`NetworkConfiguration::of`].
    pub(super) const unsafe fn of(envoy: Envoy) -> Self {
        Self { envoy, hook: PhantomData }
    }

    /// Returns the client's IP address, without a port; `None` for another kind of address.
    pub(crate) fn address(&self) -> Option<&[u8]> {
        let (mut address, mut port) = (Buffer::EMPTY, 0);
        // SAFETY: Envoy keeps the address as long as the connection, and writes nothing else.
        unsafe {
            imports::envoy_dynamic_module_callback_network_filter_get_remote_address(
                self.envoy,
                &raw mut address,
                &raw mut port,
            )
            .then(|| address.bytes())
        }
    }

    /// Adds 1 to a counter that this connection's configuration has defined. Returns false if Envoy does
    /// not know it.
    pub(crate) fn count(&mut self, counter: Counter) -> bool {
        // SAFETY: the connection exists while its hook runs.
        let result = unsafe {
            imports::envoy_dynamic_module_callback_network_filter_increment_counter(
                self.envoy, counter.0, 1,
            )
        };
        result == 0
    }

    /// Closes the connection at once. `details`: for the access log, without spaces.
    pub(crate) fn close(&mut self, details: &str) {
        // SAFETY: Envoy copies the details during the call, in which it also calls the hook for events.
        unsafe {
            imports::envoy_dynamic_module_callback_network_filter_close_with_details(
                self.envoy,
                NO_FLUSH,
                Buffer::of(details.as_bytes()),
            );
        }
    }
}
