//! Tollgate's pure core: what a policy says, what a request is charged, and how a counter counts.
//!
//! Nothing here knows Envoy, Redis, a socket, a clock or an executor. Facts and times are passed
//! in, decisions come out, so all of it runs the same in the filter (wasm32), in the shim, and in
//! a test that simulates a year in a second.
//!
//! Read in this order: [`quota`] (what may be charged), [`counter`] (who is charged),
//! [`wire`] (how the filter asks the shim), [`problem`] (how an error is told), [`json`] (where in
//! a document a mistake is).

pub mod bounded;
pub mod counter;
pub mod json;
pub mod ledger;
pub mod problem;
pub mod quota;
pub mod wire;
