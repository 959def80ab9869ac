//! The ledger's promises, tested on random histories by brute force against an independent record.
//!
//! The seed of a failing history is saved under `proptest-regressions/` and tried first from then
//! on.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: a panic in a helper fails its test"
)]

mod balances;
mod blocks;
mod fixed;
mod requests;
mod retry;
mod room;
mod settles;
mod sliding;
mod tokens;
mod world;
