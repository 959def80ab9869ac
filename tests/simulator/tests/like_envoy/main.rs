//! The same script of requests through the host and through a real Envoy, with the same filter, the
//! same policy and the same shim behind both: the same statuses, headers, bodies and callouts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may panic: that is how a test fails"
)]

mod envoy;
mod host;
mod script;
mod web;

#[test]
fn the_host_does_what_envoy_does() {
    let simulated = host::play(&script::script());
    let real = envoy::play(&script::script(), &simulated);
    for ((step, simulated), real) in script::script().iter().zip(&simulated).zip(&real) {
        assert_eq!(simulated, real, "{step:?}: the host's on the left, Envoy's on the right");
    }
    assert_eq!(simulated.len(), real.len());
    let statuses: Vec<u16> = simulated.iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [200, 429, 200, 400, 200, 500, 200, 429, 0, 503, 503, 200, 429, 200]);
}
