//! The repository's own chores: `cargo xtask …`. Nothing depends on this crate but its own tests.
//!
//! Read in this order: [`cli`] (what there is to do), [`up`] and `down` (the whole stack), `test`
//! (everything that must hold), `simulate` (the filter in simulated Envoys), `bench` (what it
//! costs), `build` and [`print_config`] (what the images are made of). The servers themselves are
//! [`harness`]'s.

pub mod cli;

mod bench;
mod build;
mod cargo;
mod cycles;
mod down;
mod fuzz;
pub mod print_config;
mod simulate;
mod test;
pub mod up;
