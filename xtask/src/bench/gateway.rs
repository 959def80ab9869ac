//! `cargo xtask bench gateway`: Tollgate in a real Envoy of one worker, against the same Envoy bare
//! and with its own in-process `local_ratelimit`.
//!
//! [`work`] is what is asked of the gateway, and the aims; [`system`] the three gateways;
//! [`servers`] runs them beside each other, for one work at a time; [`load`] is what wrk does;
//! [`sample`] is what one run of it came to, with the CPU time of all processes and what Envoy counted
//! ([`counts`]); [`check`] refuses a run that measured something else than it says; [`figures`]
//! makes ratios of the rounds, and [`report`] tells them.
//!
//! [`share`] is about something else: how much of its limit a busy key gets.
//!
//! The systems take turns within each round and a ratio is of one round's runs, so that whatever
//! else the machine does meets all of them.

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
use system::{EachSystem, SYSTEMS};
use work::{WORKS, Work, WorkName};

/// How long each system is under load before anything is measured: connections are made and V8 has
/// compiled what is hot.
const WARM_UP_S: u32 = 3;

/// The flags of `cargo xtask bench gateway`.
#[derive(Debug, Clone, Args)]
pub struct Gateway {
    /// How often each system is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// How long each measurement takes, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Only this work
    #[arg(long, value_enum, value_name = "NAME")]
    pub only: Option<WorkName>,
}

/// What was measured of one work: of each system, a sample a round.
#[derive(Debug)]
pub(crate) struct Measured {
    /// The work.
    pub work: &'static Work,
    /// In the order of the rounds.
    pub rounds: Vec<EachSystem<Sample>>,
}

/// Measures and prints the figures.
///
/// # Errors
/// What could not be had, built or started; after the figures are printed, each run that did not
/// measure what it says.
pub(crate) fn run(flags: &Gateway) -> Result<()> {
    let parts = prepare()?;
    let before = Machine::read()?;
    let mut measured = Vec::new();
    for work in WORKS.iter().filter(|work| flags.only.is_none_or(|only| only == work.name)) {
        measured.push(measure(work, &parts, flags)?);
    }
    let shares = match flags.only {
        None | Some(WorkName::Share) => share::measure(&parts, flags.rounds)?,
        Some(_) => Vec::new(),
    };
    print!("{}", report::markdown(flags, &before, &Machine::read()?, &measured, &shares));
    let mut wrong: Vec<String> = measured.iter().flat_map(check::mistakes).collect();
    wrong.extend(shares.iter().flat_map(share::Shares::mistakes));
    if !wrong.is_empty() {
        bail!("these figures do not measure what they say:\n{}", wrong.join("\n"));
    }
    Ok(())
}

fn prepare() -> Result<Parts> {
    let (envoy, redis, wrk) = (setup::envoy()?, setup::redis()?, setup::wrk()?);
    progress::say("building the filter");
    let wasm = wasm::build_shown()?;
    progress::say("building the shim");
    let shim = binaries::build_release_shim()?;
    Ok(Parts { envoy, redis, wrk, wasm, shim })
}

fn measure(work: &'static Work, parts: &Parts, flags: &Gateway) -> Result<Measured> {
    let dir = tempfile::Builder::new().prefix("tollgate-bench-").tempdir()?;
    let servers = Servers::start(work, parts, dir.path())?;
    progress::say(format_args!("{}: warming up", work.title));
    for system in SYSTEMS {
        sample::take(&servers, work, system, WARM_UP_S)?;
    }
    let mut rounds = Vec::new();
    for round in 1..=flags.rounds {
        let samples = EachSystem::try_from_fn(|system| {
            let sample = sample::take(&servers, work, system, flags.seconds)?;
            progress::say(format_args!(
                "{}, round {round} of {}, {}: {:.0} requests/s",
                work.title,
                flags.rounds,
                system.name(),
                sample.per_second()
            ));
            Ok(sample)
        })?;
        rounds.push(samples);
    }
    Ok(Measured { work, rounds })
}
