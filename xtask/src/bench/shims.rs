//! `cargo xtask bench shims`: the decisions a second of one, two and four shims over one Redis, and how
//! busy Redis is meanwhile.
//!
//! wrk asks each shim over four connections. Each request asks for [`BATCH`] decisions of random users,
//! as the filter of a busy gateway does.

use super::cpu::{self, Ticks};
use super::machine::Machine;
use super::spread::Spread;
use super::wrk::{self, Load};
use anyhow::{Result, bail};
use clap::Args;
use harness::clock::Stopwatch;
use harness::stack::{Port, Server, redis, shim};
use harness::{binaries, progress, setup};
use std::path::Path;

/// The numbers of shims.
const SHIMS: [usize; 3] = [1, 2, 4];
/// The decisions in a request.
const BATCH: u32 = 64;
/// The connections to all shims together.
const CONNECTIONS: u32 = 16;

const SCRIPT: &str = include_str!("shims.lua");

/// The flags of `cargo xtask bench shims`.
#[derive(Debug, Clone, Args)]
pub struct Shims {
    /// Number of measurements of each number of shims
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Length of each measurement, in seconds
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
}

/// The measurements of one run.
struct Sample {
    decisions_per_second: f64,
    /// The shares of a core that the servers used.
    redis: f64,
    shims: f64,
    wrk: f64,
}

/// Runs the benchmark and prints the figures.
///
/// # Errors
/// Fails if something cannot be set up, built or started, or if a request failed.
pub(crate) fn run(flags: &Shims) -> Result<()> {
    let (program, wrk) = (setup::redis()?, setup::wrk()?);
    progress::say("building the shim");
    let binary = binaries::build_release_shim()?;
    let dir = tempfile::Builder::new().prefix("tollgate-bench-").tempdir()?;
    let dir = dir.path();
    let redis =
        redis::start(redis::Options { program, port: Port::free()?, dir, args: Vec::new() })?;
    let start = |_| {
        let mut shim = shim::start(shim::Options {
            program: binary.clone(),
            port: Port::free()?,
            ledger: redis::url(&redis),
            admin: None,
            dir,
            env: Vec::new(),
        })?;
        shim.wait_ready()?;
        Ok(shim)
    };
    let shims: Vec<Server> =
        (0..SHIMS.into_iter().max().unwrap_or(1)).map(start).collect::<Result<_>>()?;
    let mut samples: Vec<Vec<Sample>> = SHIMS.iter().map(|_| Vec::new()).collect();
    for round in 0..=flags.rounds {
        for (of_count, count) in samples.iter_mut().zip(SHIMS) {
            let asked = shims.get(..count).unwrap_or_default();
            let sample = measure(&wrk, asked, &redis, flags.seconds, dir)?;
            progress::say(format_args!("{count}: {:.0} decisions/s", sample.decisions_per_second));
            // The first round warms up.
            if round > 0 {
                of_count.push(sample);
            }
        }
    }
    print!("{}", markdown(flags, &Machine::read()?, &samples));
    Ok(())
}

fn measure(
    wrk: &Path,
    shims: &[Server],
    redis: &Server,
    seconds: u32,
    dir: &Path,
) -> Result<Sample> {
    let ticks = || {
        let of_shims =
            shims.iter().map(|shim| cpu::of_process(shim.id())).collect::<Result<Vec<_>>>()?;
        Ok::<_, anyhow::Error>((cpu::of_process(redis.id())?, of_shims, cpu::of_ended_children()?))
    };
    let (redis_before, shims_before, wrk_before) = ticks()?;
    let watch = Stopwatch::start();
    let connections = CONNECTIONS / u32::try_from(shims.len())?;
    let script = format!("BATCH = {BATCH}\n{SCRIPT}");
    let loads: Vec<Load> = std::thread::scope(|scope| {
        let ask = |shim: &Server| {
            let url = shim.url("/v1/decide");
            let script = &script;
            scope.spawn(move || wrk::run(wrk, script, connections, &url, seconds, dir))
        };
        let running: Vec<_> = shims.iter().map(ask).collect();
        let join = |run: std::thread::ScopedJoinHandle<'_, Result<Load>>| match run.join() {
            Ok(load) => load,
            Err(_) => bail!("a thread that runs wrk panicked"),
        };
        running.into_iter().map(join).collect::<Result<_>>()
    })?;
    let wall_s = watch.elapsed().as_secs_f64();
    let (redis_after, shims_after, wrk_after) = ticks()?;
    if loads.iter().any(|load| load.refused > 0 || load.failed > 0) {
        bail!("some requests failed: {loads:?}");
    }
    let share = |now: Ticks, before: Ticks| (now - before).seconds() / wall_s;
    let shims =
        shims_after.iter().zip(&shims_before).map(|(now, before)| share(*now, *before)).sum();
    Ok(Sample {
        decisions_per_second: f64::from(BATCH) * loads.iter().map(Load::per_second).sum::<f64>(),
        redis: share(redis_after, redis_before),
        shims,
        wrk: share(wrk_after, wrk_before),
    })
}

fn markdown(flags: &Shims, machine: &Machine, samples: &[Vec<Sample>]) -> String {
    let mut text = format!(
        "Machine: {} cores ({}), kernel {}; load average {}.\n\
         {} rounds of {} s each, taking turns; batches of {BATCH} decisions, {CONNECTIONS} connections.\n\
         Medians. Redis, shims and wrk: the cores that each used.\n\n\
         | shims | decisions/s | least–most | Redis | shims | wrk | decisions/s with a full Redis |\n\
         |---|---|---|---|---|---|---|\n",
        machine.cores, machine.model, machine.kernel, machine.load, flags.rounds, flags.seconds
    );
    for (samples, count) in samples.iter().zip(SHIMS) {
        let spread = |value: fn(&Sample) -> f64| Spread::of(samples.iter().map(value));
        let Spread { least, median, most } = spread(|sample| sample.decisions_per_second);
        let (redis, shims) = (spread(|sample| sample.redis), spread(|sample| sample.shims));
        let wrk = spread(|sample| sample.wrk).median;
        text.push_str(&format!(
            "| {count} | {median:.0} | {least:.0}–{most:.0} | {:.2} | {:.2} | {wrk:.2} | {:.0} |\n",
            redis.median,
            shims.median,
            spread(|sample| sample.decisions_per_second / sample.redis).median,
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_medians_and_what_a_full_redis_would_decide() {
        let sample = |decisions_per_second| Sample {
            decisions_per_second,
            redis: 0.5,
            shims: 0.8,
            wrk: 0.2,
        };
        let machine = Machine::read().unwrap();
        let flags = Shims { rounds: 2, seconds: 1 };
        let samples = [vec![sample(90_000.0), sample(110_000.0)], vec![], vec![]];
        let row = "| 1 | 100000 | 90000–110000 | 0.50 | 0.80 | 0.20 | 200000 |\n";
        assert!(markdown(&flags, &machine, &samples).contains(row));
    }
}
