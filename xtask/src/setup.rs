//! `cargo xtask setup`: what a fresh machine lacks, fetched once into the user's cache folder.
//!
//! Called by the binary and, through [`envoy`], [`redis`], [`debian_redis`] and [`wasm_rustc`], by
//! whatever needs one of the pieces. Each looks for what is there, does nothing more if it is, and
//! says what it does if it is not. Nothing needs root; nothing half-made is left.

pub mod cache;
pub mod debian;
pub mod servers;
pub mod wasm_target;
pub mod wheel;

pub use servers::{debian_redis, envoy, redis};
pub use wasm_target::wasm_rustc;

use anyhow::Result;

/// Makes sure of everything that `cargo xtask up` needs.
///
/// # Errors
/// Names the piece that could not be had, why, and what to do.
pub fn all() -> Result<()> {
    envoy()?;
    redis()?;
    wasm_rustc()?;
    Ok(())
}
