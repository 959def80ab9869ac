//! `cargo xtask setup`: what a fresh machine lacks, fetched once into the user's cache folder.
//!
//! Called by the binary and, through [`envoy`], [`redis`], [`PinnedRedis`] and [`wasm_rustc`], by
//! whatever needs one of the pieces. Each looks for what is there, does nothing more if it is, and
//! says what it does if it is not. Nothing needs root; nothing half-made is left.

pub mod cache;
mod cargo_deny;
pub mod debian;
pub mod postgres;
pub mod python;
pub mod servers;
pub mod wasm_target;
pub mod wheel;

pub use cargo_deny::cargo_deny;
pub use postgres::postgres;
pub use python::schemathesis;
pub use servers::{PinnedRedis, curl, envoy, redis, wrk};
pub use wasm_target::wasm_rustc;

use anyhow::Result;
use clap::{Args, ValueEnum};

/// The flags of `cargo xtask setup`.
#[derive(Debug, Clone, Args)]
pub struct Setup {
    /// Only these [default: all that `cargo xtask up` needs]
    #[arg(value_enum, value_name = "PIECE")]
    pub pieces: Vec<Piece>,
}

/// A piece that a fresh machine lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Piece {
    /// Envoy 1.40
    Envoy,
    /// A Redis-compatible server
    Redis,
    /// A compiler for wasm32-unknown-unknown
    Wasm,
    /// The versions of Redis and Valkey that only the tests need
    RedisVersions,
    /// PostgreSQL, which only the tests need
    Postgres,
    /// curl, which only the tests need
    Curl,
    /// schemathesis, which only the tests need
    Schemathesis,
    /// cargo-deny, which only the tests need
    CargoDeny,
    /// wrk, which only the bench needs
    Wrk,
}

/// Makes sure of what was asked for.
///
/// # Errors
/// As [`all`].
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
        }
    }
    Ok(())
}

/// Makes sure of everything that `cargo xtask up` needs, and of what else the tests do.
///
/// # Errors
/// As [`all`].
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
