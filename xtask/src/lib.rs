//! The repository's own chores as a library: the `xtask` binary and the `tests` crate call it.
//!
//! Read in this order: [`cli`] (what there is to do), [`setup`] (what a fresh machine lacks),
//! [`wasm`] and [`binaries`] (what is built), [`stack`] (servers as values that stop when dropped),
//! [`envoy_config`] (Envoy's configuration for other ports and policies), [`up`] and [`down`] (the
//! whole stack), [`test`](mod@test) (everything that must hold), [`simulate`](mod@simulate)
//! (the filter in simulated Envoys), [`bench`](mod@bench) (what it costs). Beneath them: [`command`] (programs
//! run to their end), [`paths`], [`env`](mod@env) (the only file that reads the environment),
//! [`clock`] (the only one that reads the time), [`signals`], [`progress`].

pub mod cli;

pub mod setup;

pub mod binaries;
pub mod build;
pub mod wasm;

pub mod envoy_config;
pub mod print_config;
pub mod stack;

pub mod bench;
pub mod down;
mod fuzz;
pub mod simulate;
pub mod test;
pub mod up;

pub mod clock;
pub mod command;
pub mod env;
pub mod paths;
pub mod progress;
pub mod signals;
