//! The stack's servers as values: each runs while its value lives, on loopback, in a folder of
//! its own, and ends with it (or with us, however we end).
//!
//! Called by `cargo xtask up` and by the `tests` crate. Read in this order: [`port`] (ports that
//! nobody else has), [`process`] (one server's process), [`health`] (how it is asked whether it is
//! ready), [`server`] (these three together), then [`redis`], [`postgres`], [`shim`],
//! [`claude_sim`], [`backend`], [`envoy`].

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
