//! The ledger's promises, on random histories, checked by brute force on a record of its own.
//!
//! A failing history's seed is saved under `proptest-regressions/` and tried first from then on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "all of it is tests; a helper that fails fails its test"
)]

mod fixed;
mod requests;
mod retry;
mod room;
mod settles;
mod sliding;
mod tokens;
mod world;
