//! The module's code in this process, against the model of Envoy.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test helpers panic to fail the test"
)]

mod model {
    mod connections;
    mod envoy;
    mod hooks;
    mod interleavings;
    mod ledger;
}
