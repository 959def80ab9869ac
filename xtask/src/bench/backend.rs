//! `cargo xtask bench backend`: what the backend's cache is worth, and what log-ins cost the others.
//!
//! [`servers`] starts Redis, the Claude simulator and the backend, with one user who has a résumé;
//! [`work`] is what is asked of it, each answered from the cache but for `/health/live`, against which
//! all is measured; [`logins`] is what happens to others while many log in; [`report`] tells the
//! ratios with their aims.
//!
//! The works take turns within each round and a ratio is of one round's runs, so that whatever else
//! the machine does meets all of them.

pub(crate) mod logins;
pub(crate) mod report;
pub(crate) mod servers;
pub(crate) mod work;

use super::machine::Machine;
use super::wrk::Load;
use anyhow::{Result, bail};
use clap::Args;
use harness::{binaries, progress, setup};
use logins::Beside;
use servers::{Parts, Servers};
use work::{WORKS, Work};

/// How long each work is put on the backend before anything is measured.
const WARM_UP_S: u32 = 2;

/// The flags of `cargo xtask bench backend`.
#[derive(Debug, Clone, Args)]
pub struct Backend {
    /// How often each is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// How long each measurement takes, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
}

/// One round: a load for each work, in their order, and the log-ins.
#[derive(Debug)]
pub(crate) struct Round {
    /// In the order of [`WORKS`].
    pub loads: Vec<Load>,
    /// Others, idle and beside log-ins.
    pub beside: Beside,
}

/// Measures and prints the figures.
///
/// # Errors
/// What could not be had, built or started; after the figures are printed, each run that did not
/// measure what it says.
pub(crate) fn run(flags: &Backend) -> Result<()> {
    let parts = prepare()?;
    let before = Machine::read()?;
    let dir = tempfile::Builder::new().prefix("tollgate-bench-").tempdir()?;
    let servers = Servers::start(&parts, dir.path())?;
    for work in &WORKS {
        progress::say(format_args!("{}: warming up", work.title));
        work.put(&servers, WARM_UP_S)?;
    }
    let mut wrong = Vec::new();
    let mut rounds = Vec::new();
    for number in 1..=flags.rounds {
        rounds.push(round(number, flags, &servers, &mut wrong)?);
    }
    print!("{}", report::markdown(flags, &before, &Machine::read()?, &rounds));
    if !wrong.is_empty() {
        bail!("these figures do not measure what they say:\n{}", wrong.join("\n"));
    }
    Ok(())
}

fn prepare() -> Result<Parts> {
    let (redis, wrk, curl) = (setup::redis()?, setup::wrk()?, setup::curl()?);
    progress::say("building the backend and the Claude simulator");
    let built = binaries::build_shown(true)?;
    Ok(Parts { redis, wrk, curl, backend: built.backend, claude_sim: built.claude_sim })
}

fn round(
    number: u32,
    flags: &Backend,
    servers: &Servers,
    wrong: &mut Vec<String>,
) -> Result<Round> {
    let mut loads = Vec::new();
    for work in &WORKS {
        let hits = servers.hits()?;
        let load = work.put(servers, flags.seconds)?;
        let hits = servers.hits()?.saturating_sub(hits);
        let title = format!("{}, round {number}", work.title);
        progress::say(format_args!("{title} of {}: {:.0}/s", flags.rounds, load.per_second()));
        wrong.extend(mistakes(work, &load, hits).map(|mistake| format!("{title}: {mistake}")));
        loads.push(load);
    }
    let beside = logins::measure(servers, flags.seconds)?;
    progress::say(format_args!("beside log-ins, round {number} of {}: {beside}", flags.rounds));
    wrong.extend(beside.mistakes().map(|mistake| format!("log-ins, round {number}: {mistake}")));
    Ok(Round { loads, beside })
}

/// What is wrong with a run: all are to be answered, and by the cache where the work says so.
fn mistakes(work: &Work, load: &Load, hits: u64) -> impl Iterator<Item = String> {
    /// The last requests of a run are cut off, counted by one side only.
    const NEARLY_ALL: f64 = 0.99;
    let all = load.requests as f64;
    let lost = load.refused + load.failed;
    let failed = (all < 1.0 || lost > 0)
        .then(|| format!("of {} requests {lost} were refused or lost", load.requests));
    let missed = (work.is_cached && (hits as f64) < all * NEARLY_ALL)
        .then(|| format!("of {} requests only {hits} were hits", load.requests));
    [failed, missed].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_measured_something_else_is_told() {
        let load = |refused| Load {
            requests: 1_000,
            duration_us: 1_000_000,
            p50_us: 1,
            p99_us: 2,
            refused,
            failed: 0,
        };
        let check = |work: usize, refused, hits, expected: &[&str]| {
            let found: Vec<_> = mistakes(&WORKS[work], &load(refused), hits).collect();
            assert_eq!(found, expected);
        };
        check(0, 0, 0, &[]);
        check(1, 0, 995, &[]);
        check(0, 1, 0, &["of 1000 requests 1 were refused or lost"]);
        check(2, 0, 10, &["of 1000 requests only 10 were hits"]);
    }
}
