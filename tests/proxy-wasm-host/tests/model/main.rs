//! The behaviors that the host models, each shown by a short plugin (see [`kit`]).

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "test helpers panic to fail the test"
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
