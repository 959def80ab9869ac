//! Helpers for tests on the real stack: a real Envoy with the shipped `.wasm`, a real Redis behind
//! the shim, a real database behind the backend.
//!
//! [`gateway`] starts the whole stack, [`backends`] only the part behind Envoy. [`client`] sends
//! requests, and [`claude`] controls the Claude simulator.

pub mod backends;
pub mod claude;
pub mod client;
pub mod gateway;
pub mod hold;
pub mod ledger;
pub mod midnight;
pub mod shim;
pub mod upstream;
