//! A proxy-wasm 0.2.1 host on [wasmtime]: a deterministic model of how Envoy runs a plugin, for
//! tests and simulations.
//!
//! It is a *stateful model*, not a set of expectations:
//! - A callout belongs to the context that made it. If that context ends, the reply is dropped.
//! - A paused stream resumes only after the plugin's current callback has returned.
//! - A local response passes through the plugin's own response callbacks.
//! - Shared data has versions, and a queue wakes its owner in a later turn of the event loop.
//! - A crash leaves paused streams hanging.
//!
//! Calls that a correct plugin never makes are recorded as [`Violation`](process::Violation)s.
//! Nothing reads a clock or a socket: the embedder sets the time and plays clients, upstreams and
//! the network, so every run is reproducible.
//!
//! Read in this order: [`plugin`] (a compiled module), [`process`] (the state that VMs share),
//! [`vm`] (one instance: streams in, [`event`]s out), [`callout`], [`properties`], [`headers`],
//! [`shared`], [`metrics`], [`worker`] (a VM that is replaced after a crash), [`abi`]. The
//! functions that the plugin calls are in `imports`.
//!
//! # What it does not model
//! TCP filters, gRPC calls, foreign functions other than `clear_route_cache` and `declare_property`, 1xx responses, buffer
//! limits and watermarks.
//!
//! # Example
//! `examples/one_request.rs` loads a plugin from a file and sends one request through it.

pub mod abi;
pub mod callout;
pub mod event;
mod exports;
pub mod headers;
mod imports;
mod memory;
pub mod metrics;
pub mod plugin;
pub mod process;
pub mod properties;
pub mod shared;
mod state;
mod stream;
pub mod vm;
pub mod worker;
