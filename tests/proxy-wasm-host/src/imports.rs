//! The functions that a plugin can call: all functions of proxy-wasm 0.2.1 that the Rust SDK
//! imports.
//!
//! Each reads its arguments from the plugin's memory, checks them, and changes
//! [`HostState`](crate::state::HostState) as Envoy would. A call that no correct plugin makes gets
//! Envoy's answer and is also recorded as a [`Violation`](crate::process::Violation).

mod buffers;
mod calls;
mod general;
mod grpc;
mod maps;
mod metrics;
mod shared;
mod streams;

use crate::abi::Status;
use crate::state::HostState;
use wasmtime::{Engine, Linker};

/// The module name in the plugin's imports.
const MODULE: &str = "env";

/// Builds a linker with all functions.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    general::link(&mut linker)?;
    maps::link(&mut linker)?;
    buffers::link(&mut linker)?;
    streams::link(&mut linker)?;
    calls::link(&mut linker)?;
    shared::link(&mut linker)?;
    metrics::link(&mut linker)?;
    grpc::link(&mut linker)?;
    Ok(linker)
}

/// Converts a result to the status code that the plugin gets.
fn number(done: Result<(), Status>) -> u32 {
    match done {
        Ok(()) => Status::Ok as u32,
        Err(status) => status as u32,
    }
}
