//! `cargo xtask bench …`: what the parts cost, measured on the real ones. Called by the binary.
//!
//! All share [`wrk`], the load (but for [`harness::busy`], one key's above its limit); [`cpu`], what
//! it cost whom; [`spread`], what rounds come to; [`bound`], what they should be; and [`machine`],
//! what they were taken on.

pub(crate) mod backend;
pub(crate) mod bound;
pub(crate) mod cpu;
pub(crate) mod gateway;
pub(crate) mod machine;
pub(crate) mod spread;
pub(crate) mod wrk;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum Bench {
    /// The gateway's throughput, CPU and latency, against a bare Envoy and Envoy's local_ratelimit
    Gateway(gateway::Gateway),
    /// What the backend's cache is worth, and what log-ins cost the others
    Backend(backend::Backend),
}

/// Measures, and prints the figures as Markdown.
///
/// # Errors
/// What could not be had or started, and where a run did not measure what it says.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Gateway(flags) => gateway::run(flags),
        Bench::Backend(flags) => backend::run(flags),
    }
}
