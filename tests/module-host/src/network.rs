//! A network filter and its connections: what Envoy does with them, and the functions that it offers
//! their hooks.

use crate::abi::{self, Buffer};
use crate::filter::initialize;
use crate::world::{handle, lock, pointer};
use std::ffi::c_void;

/// Envoy's number of the event that it has closed a connection itself.
const LOCAL_CLOSE: u32 = 1;
/// The greatest of Envoy's ways to close a connection.
const MAX_CLOSE: u32 = 4;
const NOT_FOUND: u32 = 1;
const CONTINUE: u32 = 0;
const STOP: u32 = 1;

/// A network filter's configuration that the module has accepted.
#[derive(Debug)]
pub struct NetworkFilter {
    handle: usize,
    module: *const c_void,
}

// SAFETY: Envoy passes the module's configuration to all of its workers.
unsafe impl Send for NetworkFilter {}
// SAFETY: as above.
unsafe impl Sync for NetworkFilter {}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    handle: usize,
    module: *const c_void,
}

/// Envoy's side of a configuration.
pub(crate) struct NetworkState {
    is_new: bool,
    /// The values of the counters that the module has defined.
    counters: Vec<u64>,
}

/// Envoy's side of a connection.
pub(crate) struct ConnectionState {
    filter: usize,
    /// The client's IP address, if it has one.
    address: Option<Vec<u8>>,
    /// The module's pointer, once there is one.
    module: usize,
    is_in_hook: bool,
    /// The details with which the module closed it.
    closed: Option<Vec<u8>>,
}

impl NetworkFilter {
    /// Configures a network filter. Returns `None` if the module refuses the configuration.
    #[must_use]
    pub fn configure(name: &str, text: &[u8]) -> Option<Self> {
        initialize();
        let handle = {
            let mut world = lock();
            let handle = world.next_handle();
            world.networks.insert(handle, NetworkState { is_new: true, counters: Vec::new() });
            handle
        };
        // The module may read these only during the hook.
        let (name, text) = (name.as_bytes().to_vec(), text.to_vec());
        // SAFETY: the arguments live until the hook returns.
        let module = unsafe {
            abi::envoy_dynamic_module_on_network_filter_config_new(
                pointer(handle),
                Buffer::of(&name),
                Buffer::of(&text),
            )
        };
        let mut world = lock();
        if module.is_null() {
            world.networks.remove(&handle);
            return None;
        }
        if let Some(state) = world.networks.get_mut(&handle) {
            state.is_new = false;
        }
        Some(Self { handle, module })
    }

    /// Returns the sum of the counters.
    #[must_use]
    pub fn counted(&self) -> u64 {
        lock().networks.get(&self.handle).map_or(0, |state| state.counters.iter().sum())
    }

    /// Destroys the configuration. Its connections may go on.
    pub fn destroy(self) {
        // SAFETY: the module's pointer is valid, and not used again.
        unsafe { abi::envoy_dynamic_module_on_network_filter_config_destroy(self.module) };
        lock().networks.remove(&self.handle);
    }
}

impl Connection {
    /// Opens a connection from the IP address `address`; `None` for another kind of address.
    #[must_use]
    pub fn open(filter: &NetworkFilter, address: Option<&str>) -> Self {
        let handle = {
            let mut world = lock();
            let handle = world.next_handle();
            let state = ConnectionState {
                filter: filter.handle,
                address: address.map(|address| address.as_bytes().to_vec()),
                module: 0,
                is_in_hook: true,
                closed: None,
            };
            world.connections.insert(handle, state);
            handle
        };
        // SAFETY: the configuration's pointer is valid until it is destroyed, and the connection's until
        // `end`.
        let (module, status) = unsafe {
            let module =
                abi::envoy_dynamic_module_on_network_filter_new(filter.module, pointer(handle));
            if let Some(state) = lock().connections.get_mut(&handle) {
                state.module = module.addr();
            }
            let status =
                abi::envoy_dynamic_module_on_network_filter_new_connection(pointer(handle), module);
            (module, status)
        };
        let mut world = lock();
        let is_closed = world.connections.get_mut(&handle).is_some_and(|state| {
            state.is_in_hook = false;
            state.closed.is_some()
        });
        let expected = if is_closed { STOP } else { CONTINUE };
        world.require(status == expected, || format!("a new connection's status is {status}"));
        Self { handle, module }
    }

    /// Returns the details with which the module closed the connection.
    #[must_use]
    pub fn closed(&self) -> Option<String> {
        let world = lock();
        let closed = world.connections.get(&self.handle)?.closed.as_ref()?;
        Some(String::from_utf8_lossy(closed).into_owned())
    }

    /// Ends the connection.
    pub fn end(self) {
        // SAFETY: the module's pointer is valid, and not used again.
        unsafe { abi::envoy_dynamic_module_on_network_filter_destroy(self.module) };
        lock().connections.remove(&self.handle);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_network_filter_config_define_counter(
    config: *mut c_void,
    name: Buffer,
    id: *mut usize,
) -> u32 {
    // SAFETY: the module lends the name and the place of the id until this returns.
    let name = unsafe { name.copy() };
    let mut world = lock();
    let state = world.networks.get_mut(&handle(config)).filter(|state| state.is_new);
    let is_new = state.is_some();
    if let Some(state) = state {
        state.counters.push(0);
        // SAFETY: see above.
        unsafe { *id = state.counters.len() };
    }
    world.require(is_new && !name.is_empty(), || "a counter defined too late".to_owned());
    0
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_network_filter_increment_counter(
    connection: *mut c_void,
    id: usize,
    value: u64,
) -> u32 {
    let mut world = lock();
    let state = world.connections.get(&handle(connection)).filter(|state| state.is_in_hook);
    let filter = state.map(|state| state.filter);
    let counter = filter
        .and_then(|filter| world.networks.get_mut(&filter))
        .and_then(|state| state.counters.get_mut(id.checked_sub(1)?));
    let Some(counter) = counter else {
        world.require(false, || format!("no counter has the id {id}"));
        return NOT_FOUND;
    };
    *counter += value;
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_network_filter_get_remote_address(
    connection: *mut c_void,
    address: *mut Buffer,
    port: *mut u32,
) -> bool {
    let mut world = lock();
    let state = world.connections.get(&handle(connection)).filter(|state| state.is_in_hook);
    let exists = state.is_some();
    // Its bytes stay where they are until the connection ends.
    let found = state.and_then(|state| state.address.as_deref()).map(Buffer::of);
    world.require(exists, || "the address of a connection outside of its hooks".to_owned());
    let Some(found) = found else { return false };
    // SAFETY: the module lends both places until this returns.
    unsafe {
        *address = found;
        *port = 1_000;
    }
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_callback_network_filter_close_with_details(
    connection: *mut c_void,
    kind: u32,
    details: Buffer,
) {
    // SAFETY: the module lends the details until this returns.
    let details = unsafe { details.copy() };
    let mut world = lock();
    let state = world.connections.get_mut(&handle(connection));
    let state = state.filter(|state| state.is_in_hook && state.closed.is_none());
    let Some(state) = state else {
        world.require(false, || "a connection closed twice, or outside of its hooks".to_owned());
        return;
    };
    let has_space = details.contains(&b' ');
    state.closed = Some(details);
    let module = std::ptr::without_provenance(state.module);
    world.require(!has_space && kind <= MAX_CLOSE, || format!("a connection closed by {kind}"));
    drop(world);
    // SAFETY: the pointer is valid until the connection ends.
    unsafe {
        abi::envoy_dynamic_module_on_network_filter_event(connection, module, LOCAL_CLOSE);
    }
}
