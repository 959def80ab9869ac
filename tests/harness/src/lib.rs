//! Servers as values: the parts of the real stack, set up, built, started, and stopped when dropped.
//!
//! `xtask` and the tests use it. Read in this order: [`setup`] (downloads what a fresh machine
//! lacks), [`wasm`] and [`binaries`] (build the filter and the programs), [`stack`] (the servers),
//! [`envoy_config`] (Envoy's configuration for other ports and policies), [`variables`] (the
//! environment variables that set values of the policy), [`busy`] (a load of one
//! key above its limit). Beneath them: [`command`] (programs run to their end), [`paths`],
//! [`env`](mod@env) (the only file that reads the environment), [`clock`] (the only one that reads
//! the time), [`signals`], [`progress`].

pub mod setup;

pub mod binaries;
pub mod wasm;

pub mod busy;
pub mod envoy_config;
pub mod stack;
pub mod variables;

pub mod clock;
pub mod command;
pub mod env;
pub mod paths;
pub mod progress;
pub mod signals;
