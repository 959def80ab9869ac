//! The stack's servers. Each runs on loopback, in the folder it is given, until its value is dropped
//! or this process ends in any way.
//!
//! Called by `cargo xtask up` and the `tests` crate. Read it in this order: [`port`] (reserved
//! ports), [`process`] (a server's process), [`health`] (readiness checks), [`server`] (all three
//! together), then [`redis`], [`postgres`], [`shim`], [`claude_sim`], [`backend`] and [`envoy`].

pub mod backend;
pub mod claude_sim;
pub mod envoy;
pub mod health;
pub mod port;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod server;
pub mod shim;
mod spawn;

pub use port::Port;
pub use process::Process;
pub use server::Server;
