//! Controls for the Claude simulator: its faults and its request counter.

use crate::client::Client;
use harness::stack::Server;
use serde_json::Value;

/// Returns the number of requests that `claude_sim` has received.
///
/// # Panics
/// Panics if the simulator does not answer.
#[must_use]
pub fn requests(claude_sim: &Server) -> u64 {
    let reply = Client::of(claude_sim.addr()).get("/sim/requests", None);
    reply.json()["count"].as_u64().expect("a count")
}

/// Makes `claude_sim` misbehave as `fault` describes, starting with its next request.
///
/// # Panics
/// Panics if the simulator rejects the call.
pub fn put_fault(claude_sim: &Server, fault: &Value) {
    let reply = Client::of(claude_sim.addr()).post("/sim/faults", fault, None);
    assert!(reply.status < 300, "{}", reply.as_text());
}

/// Ends all faults.
///
/// # Panics
/// Panics if the simulator rejects the call.
pub fn clear_faults(claude_sim: &Server) {
    let clear = hyper::Request::delete("/sim/faults").body(Default::default());
    let reply = Client::of(claude_sim.addr()).send(clear.expect("a request"));
    assert!(reply.status < 300, "{}", reply.as_text());
}
