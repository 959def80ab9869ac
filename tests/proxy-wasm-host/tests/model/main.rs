//! Each behaviour that the host models, shown by a plugin of a few lines (see [`kit`]).

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests may panic: that is how a test fails"
)]

mod kit;

mod bodies;
mod callouts;
mod contexts;
mod crashes;
mod headers;
mod lifecycle;
mod replies;
mod shared;
mod time;
