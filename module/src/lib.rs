//! Tollgate as an Envoy dynamic module: native code that Envoy loads as an HTTP filter, and as a network
//! filter that limits the connections of an address.
//!
//! It does the same as the Wasm filter (`filter/`), with [`limits::gate::Gate`] as its core, but one
//! gate serves all workers, and the ledger's client ([`ledger::Ledger`], or a shim's) runs on a
//! thread of the module, directly beside it.
//!
//! Suggested reading order: `abi` (Envoy's interface, and all unsafe code), `configuration`,
//! `front` (a policy's gate and its paused requests), `stream` (a request's hooks, on Envoy's
//! workers), `drive` (the gate's calls, on the module's thread), `connection` (what answers them).
//! `connections` is the network filter.
//!
//! A hook that panics costs its request, which Envoy answers with 500, or its connection, which Envoy
//! closes. Envoy goes on.

mod abi;
mod clock;
mod configuration;
mod connection;
mod connections;
mod drive;
mod facts;
mod front;
mod local;
mod log;
mod metrics;
#[cfg(feature = "planted-panic")]
mod planted;
mod response;
mod runtime;
mod shim;
#[cfg(feature = "simulated")]
pub mod simulated;
mod stream;
mod sync;
