//! Harnesses and helpers for the tests of the real stack: a real Envoy with the shipped `.wasm`, a
//! real Redis behind the shim, a real database behind the backend.
//!
//! [`gateway`] starts it; [`client`] talks to it.

pub mod client;
pub mod gateway;
pub mod ledger;
pub mod shim;
pub mod upstream;
