//! Sends the same requests through the proxy-wasm host and through a real Envoy, with the same
//! filter, policy and shim, and compares statuses, headers, bodies and callouts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test helpers panic to fail the test"
)]

mod envoy;
mod host;
mod script;
mod web;

#[test]
fn the_host_behaves_like_envoy() {
    let simulated = host::play(&script::script());
    let real = envoy::play(&script::script(), &simulated);
    for ((step, simulated), real) in script::script().iter().zip(&simulated).zip(&real) {
        assert_eq!(simulated, real, "{step:?} (left: the host, right: Envoy)");
    }
    assert_eq!(simulated.len(), real.len());
    let statuses: Vec<u16> = simulated.iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [200, 429, 200, 400, 200, 500, 200, 429, 0, 503, 503, 200, 429, 200]);
}
