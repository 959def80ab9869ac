//! `cargo xtask bench gateway`: compares Tollgate in a real Envoy with one worker to the same Envoy
//! without limits and to Envoy's own in-process `local_ratelimit`. Tollgate runs as Wasm filter and as
//! dynamic module.
//!
//! [`work`] defines the requests and the aims, and [`system`] the gateways. [`servers`] runs the
//! gateways side by side, for one work at a time. [`load`] writes wrk's script. [`sample`] measures one
//! run, with the CPU time of all processes and Envoy's counters ([`counts`]). [`check`] rejects invalid
//! runs. [`figures`] computes the ratios, and [`report`] prints them.
//!
//! [`share`] is a separate benchmark of the share of its limit that a busy key gets.
//!
//! The systems take turns within each round, and a ratio compares runs of the same round, so that other
//! load on the machine affects all of them.

pub(crate) mod check;
pub(crate) mod counts;
pub(crate) mod figures;
pub(crate) mod load;
pub(crate) mod report;
pub(crate) mod sample;
pub(crate) mod servers;
pub(crate) mod share;
pub(crate) mod system;
pub(crate) mod work;

use super::machine::Machine;
use anyhow::{Result, bail};
use clap::Args;
use harness::{binaries, progress, setup, wasm};
use sample::Sample;
use servers::{Parts, Servers};
use system::System;
use work::{WORKS, Work, WorkName};

/// The warm-up time of each system, in which connections are opened and V8 compiles hot code.
const WARM_UP_S: u32 = 3;

/// The flags of `cargo xtask bench gateway`.
#[derive(Debug, Clone, Args)]
pub struct Gateway {
    /// Number of measurements of each system
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Length of each measurement, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Run only these works, separated by commas
    #[arg(long, value_enum, value_name = "NAMES", value_delimiter = ',')]
    pub only: Vec<WorkName>,
}

/// The measurements of one work: a sample per round and system.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The work.
    pub work: &'static Work,
    /// The samples, in the order of the rounds.
    pub rounds: Vec<Round>,
}

/// A sample of each system, taken in turn.
#[derive(Debug)]
pub(crate) struct Round(Vec<(System, Sample)>);

impl Round {
    /// Returns the sample of `system`, if it took part.
    #[must_use]
    pub(crate) fn of(&self, system: System) -> Option<&Sample> {
        self.0.iter().find(|(of, _)| *of == system).map(|(_, sample)| sample)
    }
}

/// Runs the benchmark and prints the figures.
///
/// # Errors
/// Fails if something cannot be set up, built or started. After printing the figures, fails if a run
/// was not valid.
pub(crate) fn run(flags: &Gateway) -> Result<()> {
    let parts = prepare()?;
    let before = Machine::read()?;
    let mut measured = Vec::new();
    let runs = |name| flags.only.is_empty() || flags.only.contains(&name);
    for work in WORKS.iter().filter(|work| runs(work.name)) {
        measured.push(measure(work, &parts, flags)?);
    }
    let shares =
        if runs(WorkName::Share) { share::measure(&parts, flags.rounds)? } else { Vec::new() };
    print!("{}", report::markdown(flags, &before, &Machine::read()?, &measured, &shares));
    let mut wrong: Vec<String> = measured.iter().flat_map(check::mistakes).collect();
    wrong.extend(shares.iter().flat_map(share::Shares::mistakes));
    if !wrong.is_empty() {
        bail!("these runs are not valid:\n{}", wrong.join("\n"));
    }
    Ok(())
}

fn prepare() -> Result<Parts> {
    let (envoy, redis, wrk) = (setup::envoy()?, setup::redis()?, setup::wrk()?);
    progress::say("building the filter");
    let wasm = wasm::build_shown()?;
    progress::say("building the module");
    let module = binaries::build_module_shown(true)?;
    progress::say("building the shim");
    let shim = binaries::build_release_shim()?;
    Ok(Parts { envoy, redis, wrk, wasm, module, shim })
}

fn measure(work: &'static Work, parts: &Parts, flags: &Gateway) -> Result<Measured> {
    let dir = tempfile::Builder::new().prefix("tollgate-bench-").tempdir()?;
    let servers = Servers::start(work, parts, dir.path())?;
    progress::say(format_args!("{}: warming up", work.title));
    for system in work.systems {
        sample::take(&servers, work, *system, WARM_UP_S)?;
    }
    let mut rounds = Vec::new();
    for round in 1..=flags.rounds {
        let sample = |system: &System| {
            let sample = sample::take(&servers, work, *system, flags.seconds)?;
            progress::say(format_args!(
                "{}, round {round} of {}, {}: {:.0} requests/s",
                work.title,
                flags.rounds,
                system.name(),
                sample.per_second()
            ));
            Ok((*system, sample))
        };
        rounds.push(Round(work.systems.iter().map(sample).collect::<Result<_>>()?));
    }
    Ok(Measured { work, rounds })
}
