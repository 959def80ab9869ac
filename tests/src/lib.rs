//! Harnesses and helpers for the tests of the real stack: a real Envoy with the shipped `.wasm`, a
//! real Redis behind the shim, a real database behind the backend.
//!
//! [`gateway`] starts it, [`backends`] the part of it behind Envoy; [`client`] talks to it, and
//! [`claude`] to what stands in for Claude.

pub mod backends;
pub mod claude;
pub mod client;
pub mod gateway;
pub mod hold;
pub mod ledger;
pub mod midnight;
pub mod shim;
pub mod upstream;
