//! The Claude simulator as tests drive it: what is to go wrong, and what has come.

use crate::client::Client;
use harness::stack::Server;
use serde_json::Value;

/// How many requests have come to `claude_sim`.
///
/// # Panics
/// Where it does not tell.
#[must_use]
pub fn requests(claude_sim: &Server) -> u64 {
    let reply = Client::of(claude_sim.addr()).get("/sim/requests", None);
    reply.json()["count"].as_u64().expect("a count")
}

/// Has `claude_sim` do as `fault` says, from its next request on.
///
/// # Panics
/// Where it does not take it.
pub fn put_fault(claude_sim: &Server, fault: &Value) {
    let reply = Client::of(claude_sim.addr()).post("/sim/faults", fault, None);
    assert!(reply.status < 300, "{}", reply.shown());
}

/// Has all go well again.
///
/// # Panics
/// Where it does not take it.
pub fn clear_faults(claude_sim: &Server) {
    let clear = hyper::Request::delete("/sim/faults").body(Default::default());
    let reply = Client::of(claude_sim.addr()).send(clear.expect("a request"));
    assert!(reply.status < 300, "{}", reply.shown());
}
