//! Sets up, builds and starts the servers of the real stack. Each server is represented by a value
//! that stops it when dropped.
//!
//! `xtask` and the tests use this crate. Read it in this order: [`setup`] (downloads tools that the
//! machine lacks), [`wasm`] and [`binaries`] (build the filter and the programs), [`stack`] (the
//! servers), [`envoy_config`] (renders Envoy's configuration), [`variables`] (environment variables
//! that set values in the policy), [`busy`] (puts load on one key). The helpers are [`command`] (runs
//! programs to completion), [`paths`], [`env`](mod@env) (the only file that reads the environment),
//! [`clock`] (the only file that reads the clock), [`signals`] and [`progress`].

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
