//! `cargo xtask simulate`: runs the shipped filter in simulated Envoys, one seed after another.
//!
//! Called by the binary. It builds the filter and runs the `simulator` crate's binary. That crate is
//! not a dependency of this one because it needs wasmtime.

use anyhow::Result;
use clap::Args;
use harness::{command, paths, wasm};
use std::time::Duration;

const SIMULATION_LIMIT: Duration = Duration::from_secs(24 * 3600);

/// The flags of `cargo xtask simulate`.
#[derive(Debug, Clone, Args)]
pub struct Simulate {
    /// The number of seeds
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub seeds: u64,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub from: u64,
    /// Print every event in the first seed's run
    #[arg(long)]
    pub trace: bool,
    /// Inject a fault to see that it is found: admits-too-many, silence, settles-swallowed,
    /// wait-too-short, leak or no-metrics
    #[arg(long)]
    pub fault: Option<String>,
}

/// Runs the seeds and prints which fail and how to replay them.
///
/// # Errors
/// Fails if the filter or the simulator does not build, or if a seed fails.
pub(crate) fn run(simulate: &Simulate) -> Result<()> {
    let filter = wasm::build()?;
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--package", "tollgate-simulator", "--", "--wasm"]).arg(filter);
    cargo.args(["--seeds", &simulate.seeds.to_string(), "--from", &simulate.from.to_string()]);
    cargo.args(simulate.trace.then_some("--trace"));
    cargo.args(simulate.fault.iter().flat_map(|fault| ["--fault", fault]));
    command::show(cargo.current_dir(paths::root()), SIMULATION_LIMIT)
}
