//! `cargo xtask up`: the whole stack on loopback, built, started, and followed.
//!
//! Called by the binary. [`run`] reads from top to bottom what happens; [`detach`] does it in a
//! process of its own. `cargo xtask down` ends either.

pub mod claude;
pub mod detach;
pub mod follow;
pub mod policy;
pub mod ports;
pub mod running;
pub mod salt;
pub mod state;
pub mod welcome;

use anyhow::{Result, bail};
use clap::Args;
use claude::Claude;
use harness::binaries::{self, Binaries};
use harness::{env, envoy_config, paths, progress, setup, signals, wasm};
use policy::{Source, Watched};
use ports::PortFlags;
use running::{Ledger, Parts, Running};
use serde_json::Value;
use state::StateDir;
use std::path::PathBuf;

/// The flags of `cargo xtask up`.
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// Return once everything is healthy; `cargo xtask down` ends it
    #[arg(long)]
    pub detach: bool,

    /// Optimize the shim, the backend and claude-sim, as their images are (the filter always is)
    #[arg(long)]
    pub release: bool,

    /// Where counters live: `memory:`, or the URL of a Redis that runs already
    /// [default: a Redis of the stack's own]
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,

    /// Another policy than envoy/policy.yaml
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Envoy's worker threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: u32,

    /// The stack's ports.
    #[command(flatten)]
    pub ports: PortFlags,

    /// A folder for logs, the database and the state [default: target/tollgate]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Set in the process that `--detach` leaves behind.
    #[arg(long, hide = true)]
    pub supervise: bool,
}

/// Builds everything, starts the stack, and follows its decisions until it is told to end.
///
/// # Errors
/// What could not be had, built or started, and what to do; then nothing is left running.
pub fn run(up: &Up) -> Result<()> {
    if up.detach {
        return detach::run(up);
    }
    if up.supervise {
        detach::leave_terminal()?;
    }
    // What is told at once needs no build first.
    let ledger = Ledger::from_flag(up.ledger.as_deref())?;
    let policy_file = up.policy.clone().unwrap_or_else(|| paths::root().join("envoy/policy.yaml"));
    let document = envoy_config::read_policy(&policy_file)?;
    let state = StateDir::claim(up.state_dir.as_deref())?;
    let salt = salt::settled(env::text(policy::SALT), &document, state.path())?;
    let claude = Claude::from_vars(env::text);
    up.ports.check(&ledger, claude)?;

    progress::say("building the shim, the backend and claude-sim");
    let binaries = binaries::build_shown(up.release)?;
    let source = Source::new(binaries.shim.clone(), policy_file, salt);
    let policy = source.render()?;
    let parts = prepare(&ledger, binaries, policy, claude)?;
    let mut running = Running::start(up, &ledger, &parts, state.path())?;
    policy::keep(&parts.policy, state.path())?;
    welcome::print(up, &running, state.path());
    state.record()?;
    let filter = running.filter_file(state.path());
    let mut watched = Watched::new(source, filter, state.path());
    let followed = follow::until_ended(&mut running, &mut watched, !up.supervise);
    progress::say("stopping");
    running.stop()?;
    followed
}

/// Sets up and builds the rest of what the stack is made of.
fn prepare(ledger: &Ledger, binaries: Binaries, policy: Value, claude: Claude) -> Result<Parts> {
    let envoy = setup::envoy()?;
    let redis = if matches!(ledger, Ledger::OwnRedis) { Some(setup::redis()?) } else { None };
    progress::say("building the filter");
    let wasm = wasm::build_shown()?;
    if signals::interrupted() {
        bail!("interrupted");
    }
    Ok(Parts { envoy, redis, wasm, binaries, policy, claude })
}
