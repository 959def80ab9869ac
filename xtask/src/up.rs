//! `cargo xtask up`: builds the whole stack, starts it on loopback, and follows its decisions.
//!
//! Called by the binary. [`run`] has all the steps in order; [`detach`] runs them in a separate
//! process. `cargo xtask down` stops either.

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
use clap::{Args, ValueEnum};
use claude::Claude;
use harness::binaries::{self, Binaries};
use harness::envoy_config::Front;
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
    /// Return once everything is healthy; `cargo xtask down` stops the stack
    #[arg(long)]
    pub detach: bool,

    /// Optimize the shim, the backend and claude-sim, as in their images (the filter is always
    /// optimized)
    #[arg(long)]
    pub release: bool,

    /// The form in which Envoy runs Tollgate: the Wasm filter and a shim, or the dynamic module, which
    /// counts in the ledger itself
    #[arg(long, value_enum, default_value_t = FrontFlag::Wasm)]
    pub front: FrontFlag,

    /// The store that holds the counters: `memory:`, or the URL of a running Redis
    /// [default: a Redis that the stack starts]
    #[arg(long, value_name = "URL")]
    pub ledger: Option<String>,

    /// The policy to use instead of envoy/policy.yaml
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Number of Envoy's worker threads
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: u32,

    /// The stack's ports.
    #[command(flatten)]
    pub ports: PortFlags,

    /// The folder for logs, the database and the state [default: target/tollgate]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// Set in the background process that `--detach` starts.
    #[arg(long, hide = true)]
    pub supervise: bool,
}

/// The values of `--front`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FrontFlag {
    /// The Wasm filter.
    Wasm,
    /// The dynamic module.
    Module,
}

impl FrontFlag {
    pub(crate) const fn front(self) -> Front {
        match self {
            Self::Wasm => Front::Wasm,
            Self::Module => Front::Module,
        }
    }
}

/// Builds everything, starts the stack, and follows its decisions until a signal arrives.
///
/// # Errors
/// Fails if something cannot be fetched, built or started. The error says what to do, and nothing is
/// left running.
pub fn run(up: &Up) -> Result<()> {
    if up.detach {
        return detach::run(up);
    }
    if up.supervise {
        detach::leave_terminal()?;
    }
    // Check everything that can be checked before the long build.
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
    let module = match up.front {
        FrontFlag::Wasm => None,
        FrontFlag::Module => Some(binaries::build_module_shown(up.release)?),
    };
    let parts = prepare(&ledger, binaries, module, policy, claude)?;
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

/// Sets up and builds the remaining parts of the stack.
fn prepare(
    ledger: &Ledger,
    binaries: Binaries,
    module: Option<PathBuf>,
    policy: Value,
    claude: Claude,
) -> Result<Parts> {
    let envoy = setup::envoy()?;
    let redis = if matches!(ledger, Ledger::OwnRedis) { Some(setup::redis()?) } else { None };
    let wasm = if module.is_some() {
        None
    } else {
        progress::say("building the filter");
        Some(wasm::build_shown()?)
    };
    if signals::interrupted() {
        bail!("interrupted");
    }
    Ok(Parts { envoy, redis, wasm, module, binaries, policy, claude })
}
