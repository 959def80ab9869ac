//! Tollgate's pure core: policies, the charges for a request, and the counting itself.
//!
//! This crate knows nothing of Envoy, Redis, sockets, clocks or executors. Facts and times are
//! passed in and decisions come out, so the same code runs in the filter (wasm32), in the shim, and
//! in a test that simulates a year in a second.
//!
//! Suggested reading order: [`policy`] (the operator's document), [`path`], `pattern`, [`host`] and
//! [`matching`] (which requests a rule matches), [`matched`] (the rules that match a request),
//! `ambiguous` (paths that servers read in different ways), [`facts`] (a request's properties),
//! `origin` (the network that it comes from),
//! [`query`] and [`cookie`] (values within a header), [`plan`] (the charges for one request),
//! [`key`] and [`counter`] (who pays), [`quota`] (limits and their algorithms), [`block`] (blocks for
//! repeated refusals), [`wire`] (the protocol between filter and shim), [`gate`] (one gateway worker's
//! requests, from arrival to answer), `headers` (the rate limit headers sent to clients), `template`
//! (the texts of refusals),
//! [`explain`] (the reasons for a plan), [`connections`] (the limit on a client's open
//! connections).

mod ambiguous;
pub mod block;
pub mod bounded;
pub mod condition;
pub mod connections;
pub mod cookie;
pub mod counter;
mod duration;
pub mod explain;
pub mod facts;
pub mod gate;
pub mod grpc;
mod headers;
pub mod host;
pub mod json;
pub mod key;
pub mod ledger;
pub mod matched;
pub mod matching;
pub mod networks;
mod origin;
pub mod path;
mod pattern;
pub mod plan;
pub mod policy;
pub mod problem;
pub mod query;
pub mod quota;
mod template;
mod when;
pub mod wire;
