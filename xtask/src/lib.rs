//! The repository's own chores: `cargo xtask …`. Nothing depends on this crate but its own tests.
//!
//! Read in this order: [`cli`] (the chores), [`up`] and `down` (the whole stack), `check` (the inner
//! loop), `test` (all tests), `docs` (the book's generated tables), `simulate` (the filter in
//! simulated Envoys), `bench` (benchmarks), `build` and [`print_config`] (the contents of the
//! images). The servers themselves are [`harness`]'s.

pub mod cli;

mod bench;
mod build;
mod cargo;
mod check;
mod cycles;
mod docs;
mod down;
mod filter_size;
mod fuzz;
mod module_linking;
pub mod print_config;
mod simulate;
mod steps;
mod test;
pub mod up;
