//! Tollgate's pure core: what a policy says, what a request is charged, and how a counter counts.
//!
//! Nothing here knows Envoy, Redis, a socket, a clock or an executor. Facts and times are passed
//! in, decisions come out, so all of it runs the same in the filter (wasm32), in the shim, and in
//! a test that simulates a year in a second.
//!
//! Read in this order: [`policy`] (what the operator wrote), [`path`], `pattern`, [`host`] and
//! [`matching`] (which requests), [`facts`] (what a request says of itself), [`plan`] (what one
//! request is charged), [`key`] and [`counter`] (who is charged), [`quota`] (what may be charged),
//! [`wire`] (how the filter asks the shim), [`gate`] (one
//! gateway worker's requests, from arrival to answer), `headers` (what the client is told),
//! [`explain`] (why, for people), [`connections`] (how many connections a client may have open).

pub mod bounded;
pub mod connections;
pub mod counter;
mod duration;
pub mod explain;
pub mod facts;
pub mod gate;
mod headers;
pub mod host;
pub mod json;
pub mod key;
pub mod ledger;
pub mod matching;
pub mod path;
mod pattern;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod quota;
pub mod wire;
