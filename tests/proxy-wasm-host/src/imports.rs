//! The functions that a plugin can call, all of proxy-wasm 0.2.1's that the Rust SDK imports.
//!
//! Each takes its arguments out of the plugin's memory, checks them, and does to
//! [`HostState`](crate::state::HostState) what Envoy would do. What no correct plugin asks for is
//! noted as a [`Violation`](crate::process::Violation) as well as answered as Envoy answers it.

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

/// The module that the functions are imported from.
const MODULE: &str = "env";

/// All functions, ready to be linked.
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

/// What a function returns to the plugin.
fn number(done: Result<(), Status>) -> u32 {
    match done {
        Ok(()) => Status::Ok as u32,
        Err(status) => status as u32,
    }
}
