//! A proxy-wasm 0.2.1 host on [wasmtime]: a deterministic model of what Envoy does to a plugin and
//! does for it, for tests and simulations.
//!
//! It is a *model with state*, not a set of expectations: a callout belongs to the context that
//! made it and its answer never comes if that ends; a stream goes on only after the call that let
//! it; an answer of the plugin's own passes its response callbacks; shared data has versions;
//! queues wake whoever registered them in a later turn; a crash leaves paused streams hanging. What
//! a correct plugin never does is noted as a [`Violation`](process::Violation). Nothing reads a clock or a socket: the
//! embedder sets the time and plays clients, upstreams and the network, so a run is the same each
//! time.
//!
//! Read in this order: [`plugin`] (a module, compiled), [`process`] (what VMs share), [`vm`] (one
//! instance: streams in, [`event`]s out), [`callout`], [`properties`], [`headers`], [`shared`],
//! [`metrics`], [`worker`] (a VM that is replaced after a crash), [`abi`]; the functions that the
//! plugin calls are in `imports`.
//!
//! # What it does not model
//! TCP filters, gRPC calls (there is no gRPC service to be found), foreign functions but
//! `clear_route_cache`, 1xx responses, buffer limits and watermarks.
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
