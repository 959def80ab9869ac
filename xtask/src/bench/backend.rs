//! `cargo xtask bench backend`: the benefit of the backend's cache, and the effect of logins on other
//! requests.
//!
//! [`servers`] starts Redis, the Claude simulator and the backend, and creates a user with a résumé.
//! [`work`] defines the requests: all are answered from the cache, except `/health/live`, the
//! baseline. [`logins`] measures other requests while many users log in. [`report`] prints the ratios
//! with their aims.
//!
//! The works take turns within each round, and a ratio compares runs of the same round, so that other
//! load on the machine affects all of them.

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

/// The warm-up time of each work.
const WARM_UP_S: u32 = 2;

/// The flags of `cargo xtask bench backend`.
#[derive(Debug, Clone, Args)]
pub struct Backend {
    /// Number of measurements of each work
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Length of each measurement, in seconds
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
}

/// The measurements of one round.
#[derive(Debug)]
pub(crate) struct Round {
    /// A load per work, in the order of [`WORKS`].
    pub loads: Vec<Load>,
    /// Other requests, with and without logins.
    pub beside: Beside,
}

/// Runs the benchmark and prints the figures.
///
/// # Errors
/// Fails if something cannot be set up, built or started. After printing the figures, fails if a run
/// was not valid.
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
        bail!("these runs are not valid:\n{}", wrong.join("\n"));
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
    progress::say(format_args!("beside logins, round {number} of {}: {beside}", flags.rounds));
    wrong.extend(beside.mistakes().map(|mistake| format!("logins, round {number}: {mistake}")));
    Ok(Round { loads, beside })
}

/// Returns the mistakes of a run. All requests must be answered, and by the cache if the work is
/// cached.
fn mistakes(work: &Work, load: &Load, hits: u64) -> impl Iterator<Item = String> {
    /// Only one side counts the last requests of a run, which are cut off.
    const NEARLY_ALL: f64 = 0.99;
    let all = load.requests as f64;
    let lost = load.refused + load.failed;
    let failed = (all < 1.0 || lost > 0)
        .then(|| format!("{lost} of {} requests were refused or lost", load.requests));
    let missed = (work.is_cached && (hits as f64) < all * NEARLY_ALL)
        .then(|| format!("only {hits} of {} requests were cache hits", load.requests));
    [failed, missed].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_run_is_reported() {
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
        check(0, 1, 0, &["1 of 1000 requests were refused or lost"]);
        check(2, 0, 10, &["only 10 of 1000 requests were cache hits"]);
    }
}
