//! `cargo xtask bench …`: benchmarks of the real programs. Called by the binary.
//!
//! Shared parts: [`wrk`] generates the load (except that of [`harness::busy`]), [`cpu`] reads CPU
//! times, [`spread`] summarizes rounds, [`bound`] describes the aims, and [`machine`] describes the
//! machine.

pub(crate) mod backend;
pub(crate) mod bound;
pub(crate) mod cpu;
pub(crate) mod gateway;
pub(crate) mod machine;
pub(crate) mod shims;
pub(crate) mod spread;
pub(crate) mod wrk;

use anyhow::Result;
use clap::Subcommand;

/// A benchmark.
#[derive(Debug, Clone, Subcommand)]
pub enum Bench {
    /// The gateway's throughput, CPU and latency, against a bare Envoy and Envoy's local_ratelimit
    Gateway(gateway::Gateway),
    /// The decisions a second of several shims over one Redis
    Shims(shims::Shims),
    /// The benefit of the backend's cache, and the effect of logins on other requests
    Backend(backend::Backend),
}

/// Runs a benchmark and prints the figures as Markdown.
///
/// # Errors
/// Fails if something cannot be set up or started, or if a run was not valid.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Gateway(flags) => gateway::run(flags),
        Bench::Shims(flags) => shims::run(flags),
        Bench::Backend(flags) => backend::run(flags),
    }
}
