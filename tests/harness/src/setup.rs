//! `cargo xtask setup`: fetches tools that the machine lacks, once, into the user's cache folder.
//!
//! The `xtask` binary calls [`run`]. Code that needs a single tool calls [`envoy`], [`redis`],
//! [`PinnedRedis`] or [`wasm_rustc`], which fetch it if it is missing and print what they do. Nothing
//! needs root, and a failure leaves nothing half-made behind.

pub mod cache;
mod cargo_deny;
pub mod debian;
pub mod postgres;
pub mod python;
pub mod rust_target;
pub mod servers;
pub mod wasm_target;
pub mod wheel;
mod zig;

pub use cargo_deny::cargo_deny;
pub use postgres::postgres;
pub use python::schemathesis;
pub use servers::{PinnedRedis, curl, envoy, redis, wrk};
pub use wasm_target::wasm_rustc;
pub use zig::{Zig, zig};

use anyhow::Result;
use clap::{Args, ValueEnum};

/// The flags of `cargo xtask setup`.
#[derive(Debug, Clone, Args)]
pub struct Setup {
    /// The pieces to set up [default: all that `cargo xtask up` needs]
    #[arg(value_enum, value_name = "PIECE")]
    pub pieces: Vec<Piece>,
}

/// A tool that can be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Piece {
    /// Envoy 1.40
    Envoy,
    /// A Redis-compatible server
    Redis,
    /// A compiler for wasm32-unknown-unknown
    Wasm,
    /// Further versions of Redis and Valkey, for the tests only
    RedisVersions,
    /// PostgreSQL, for the tests only
    Postgres,
    /// curl, for the tests only
    Curl,
    /// schemathesis, for the tests only
    Schemathesis,
    /// cargo-deny, for the tests only
    CargoDeny,
    /// wrk, for the benchmarks only
    Wrk,
    /// Zig, only for building the dynamic module for other platforms
    Zig,
}

/// Sets up the requested pieces.
///
/// # Errors
/// Same as [`all`].
pub fn run(setup: &Setup) -> Result<()> {
    if setup.pieces.is_empty() {
        return all();
    }
    for piece in &setup.pieces {
        match piece {
            Piece::Envoy => envoy().map(drop)?,
            Piece::Redis => redis().map(drop)?,
            Piece::Wasm => wasm_rustc().map(drop)?,
            Piece::RedisVersions => redis_versions()?,
            Piece::Postgres => postgres().map(drop)?,
            Piece::Curl => curl().map(drop)?,
            Piece::Schemathesis => schemathesis().map(drop)?,
            Piece::CargoDeny => cargo_deny().map(drop)?,
            Piece::Wrk => wrk().map(drop)?,
            Piece::Zig => zig().map(drop)?,
        }
    }
    Ok(())
}

/// Sets up everything that `cargo xtask up` and the tests need.
///
/// # Errors
/// Same as [`all`].
pub fn all_for_tests() -> Result<()> {
    all()?;
    redis_versions()?;
    postgres()?;
    curl()?;
    schemathesis()?;
    cargo_deny()?;
    Ok(())
}

fn redis_versions() -> Result<()> {
    PinnedRedis::ALL.into_iter().try_for_each(|version| version.program().map(drop))
}

/// Sets up everything that `cargo xtask up` needs.
///
/// # Errors
/// Fails if a piece cannot be fetched. The error names the piece, the cause and a remedy.
pub fn all() -> Result<()> {
    envoy()?;
    redis()?;
    wasm_rustc()?;
    Ok(())
}
