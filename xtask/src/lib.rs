//! The repository's own chores: `cargo xtask …`. Nothing depends on this crate but its own tests.
//!
//! Read in this order: [`cli`] (what there is to do), [`up`] and [`down`] (the whole stack),
//! [`test`](mod@test) (everything that must hold), [`simulate`](mod@simulate) (the filter in
//! simulated Envoys), [`bench`](mod@bench) (what it costs), [`build`] and [`print_config`] (what
//! the images are made of). The servers themselves are [`harness`]'s.

pub mod cli;

pub mod bench;
pub mod build;
mod cycles;
pub mod down;
mod fuzz;
pub mod print_config;
pub mod simulate;
pub mod test;
pub mod up;
