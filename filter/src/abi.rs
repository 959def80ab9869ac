//! The proxy-wasm ABI, version 0.2.1, as far as this plugin uses it: [`imports`] are Envoy's
//! functions, made safe; [`exports`] are ours, which Envoy calls.
//!
//! By hand rather than by the SDK, for what it costs: each export is called for every stream, at
//! about 0.3 µs, and the SDK exports all there are (for bodies, trailers, the log), whether a plugin
//! uses them or not. Its wrappers also panic on statuses that they do not expect, and a panic hangs
//! every paused stream of the worker; these give errors.
//!
//! # Source
//! <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>

mod exports;
mod imports;
mod memory;
mod pairs;

pub(crate) use imports::*;
pub(crate) use pairs::Pairs;
