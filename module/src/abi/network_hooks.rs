//! The functions that Envoy calls for the network filter. Each catches panics, which must not unwind
//! into Envoy. Envoy 1.40 requires all eight.

use super::network::{Downstream, NetworkConfiguration};
use super::types::{Buffer, Envoy, Module};
use super::{LogLevel, log};
use crate::connections::{Connection, Limiter};
use std::ptr;
use std::sync::Arc;

const CONTINUE: u32 = 0;
/// Keeps the connection from the filters that follow.
const STOP: u32 = 1;

/// Runs a hook. Returns `fallback` if it panics.
fn guarded<T>(fallback: T, hook: impl FnOnce() -> T) -> T {
    super::guarded("a connection", fallback, hook)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_config_new(
    envoy: Envoy,
    name: Buffer,
    text: Buffer,
) -> Module {
    guarded(ptr::null(), || {
        // SAFETY: Envoy's arguments live until the hook returns.
        let (mut configuration, name, text) =
            unsafe { (NetworkConfiguration::of(envoy), name.bytes(), text.bytes()) };
        match Limiter::configure(&mut configuration, name, text) {
            Ok(limiter) => Box::into_raw(Box::new(limiter)).cast_const().cast(),
            Err(message) => {
                let line = format!("tollgate: the connection limit is refused: {message}");
                log(LogLevel::Error, &line);
                ptr::null()
            }
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_config_destroy(configuration: Module) {
    guarded((), || {
        // SAFETY: the pointer is a box made by `config_new`, and Envoy does not use it again.
        drop(unsafe { Box::from_raw(configuration.cast_mut().cast::<Arc<Limiter>>()) });
    });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_new(
    configuration: Module,
    _envoy: Envoy,
) -> Module {
    guarded(ptr::null(), || {
        // SAFETY: the pointer is a box made by `config_new`, and Envoy calls this only while the
        // configuration exists.
        let limiter = unsafe { configuration.cast::<Arc<Limiter>>().as_ref() };
        let Some(limiter) = limiter else { return ptr::null() };
        Box::into_raw(Box::new(Connection::new(limiter))).cast_const().cast()
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_new_connection(
    envoy: Envoy,
    own: Module,
) -> u32 {
    // SAFETY: Envoy's pointers are valid until the hook returns. The connection is not borrowed mutably,
    // since closing it calls another hook.
    let (mut downstream, connection) =
        unsafe { (Downstream::of(envoy), own.cast::<Connection>().as_ref()) };
    let Some(connection) = connection else { return CONTINUE };
    match guarded(None, || Some(connection.opens(&mut downstream))) {
        Some(true) => CONTINUE,
        Some(false) => STOP,
        None => {
            guarded((), || connection.fails(&mut downstream));
            STOP
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn envoy_dynamic_module_on_network_filter_destroy(own: Module) {
    guarded((), || {
        // SAFETY: the pointer is a box made by `new`, and Envoy does not use it again.
        drop(unsafe { Box::from_raw(own.cast_mut().cast::<Connection>()) });
    });
}

// Hooks that Envoy requires and this module has no use for.

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_read(
    _envoy: Envoy,
    _own: Module,
    _length: usize,
    _is_end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_write(
    _envoy: Envoy,
    _own: Module,
    _length: usize,
    _is_end: bool,
) -> u32 {
    CONTINUE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_on_network_filter_event(
    _envoy: Envoy,
    _own: Module,
    _event: u32,
) {
}
