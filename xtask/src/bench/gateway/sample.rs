//! Measures one run of a work against one system: throughput, latency, and CPU time per process.

use super::counts::Counts;
use super::load;
use super::servers::Servers;
use super::system::System;
use super::work::Work;
use crate::bench::cpu::{self, Ticks};
use crate::bench::wrk::{self, Load};
use anyhow::{Context, Result};
use harness::clock::Stopwatch;
use std::time::Duration;

/// The time to wait for the filter's metrics, which it passes on 20 times a second.
pub(super) const METRICS_LAG: Duration = Duration::from_millis(200);

/// The measurements of one run.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// wrk's measurements.
    pub load: Load,
    /// The differences in Envoy's counters.
    pub counts: Counts,
    /// The CPU time of each server.
    pub servers_s: Vec<(&'static str, f64)>,
    /// wrk's CPU time.
    pub wrk_s: f64,
    /// The CPU time of everything else on the machine.
    pub others_s: f64,
    /// The elapsed time.
    pub wall_s: f64,
}

impl Sample {
    /// Returns the number of responses per second.
    #[must_use]
    pub(crate) fn per_second(&self) -> f64 {
        self.load.per_second()
    }

    /// Returns the CPU time of `server` per request, in µs.
    #[must_use]
    pub(crate) fn server_us(&self, server: &str) -> f64 {
        let found = self.servers_s.iter().find(|(name, _)| *name == server);
        self.per_request_us(found.map_or(0.0, |(_, seconds)| *seconds))
    }

    /// Returns the CPU time of all servers per request, in µs.
    #[must_use]
    pub(crate) fn total_us(&self) -> f64 {
        self.per_request_us(self.servers_total_s())
    }

    /// Returns wrk's CPU time per request, in µs.
    #[must_use]
    pub(crate) fn wrk_us(&self) -> f64 {
        self.per_request_us(self.wrk_s)
    }

    /// Returns the share of one core that `server` used.
    #[must_use]
    pub(crate) fn share(&self, server: &str) -> f64 {
        self.server_us(server) * self.load.requests as f64 / 1e6 / self.wall_s
    }

    /// Returns the number of cores used by other processes.
    #[must_use]
    pub(crate) fn others(&self) -> f64 {
        self.others_s / self.wall_s
    }

    fn servers_total_s(&self) -> f64 {
        self.servers_s.iter().map(|(_, seconds)| seconds).sum()
    }

    fn per_request_us(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.load.requests.max(1) as f64
    }
}

/// The CPU times at one moment.
struct Reading {
    servers: Vec<(&'static str, Ticks)>,
    wrk: Ticks,
    machine: Ticks,
}

impl Reading {
    fn take(servers: &Servers, system: System) -> Result<Self> {
        let read = |(name, id)| Ok((name, cpu::of_process(id)?));
        Ok(Self {
            servers: servers.taking_part(system).into_iter().map(read).collect::<Result<_>>()?,
            wrk: cpu::of_ended_children()?,
            machine: cpu::of_machine()?,
        })
    }
}

/// Puts `work` on `system` for `seconds` and measures it.
///
/// # Errors
/// Fails if wrk does, or if a server has ended.
pub(crate) fn take(servers: &Servers, work: &Work, system: System, seconds: u32) -> Result<Sample> {
    let gateway = servers.gateway(system).context("the work lacks this system")?;
    let counted = Counts::read(gateway)?;
    let before = Reading::take(servers, system)?;
    let watch = Stopwatch::start();
    let (script, url) = (load::script(work), gateway.url("/"));
    let load = wrk::run(servers.wrk(), &script, work.connections, &url, seconds, servers.dir())?;
    let wall_s = watch.elapsed().as_secs_f64();
    let after = Reading::take(servers, system)?;
    std::thread::sleep(METRICS_LAG);
    let pairs = after.servers.iter().zip(&before.servers);
    let servers_s: Vec<_> =
        pairs.map(|((name, now), (_, then))| (*name, (*now - *then).seconds())).collect();
    let wrk_s = (after.wrk - before.wrk).seconds();
    let ours_s = wrk_s + servers_s.iter().map(|(_, seconds)| seconds).sum::<f64>();
    let others_s = ((after.machine - before.machine).seconds() - ours_s).max(0.0);
    let counts = Counts::read(gateway)?.since(&counted);
    Ok(Sample { load, counts, servers_s, wrk_s, others_s, wall_s })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a sample of 1,000 requests in 0.1 s, with 50 ms of the gateway's CPU time.
    pub(in crate::bench::gateway) fn sample(counts: &[(&str, u64)]) -> Sample {
        Sample {
            load: Load {
                requests: 1_000,
                duration_us: 100_000,
                p50_us: 500,
                p99_us: 900,
                refused: 0,
                failed: 0,
            },
            counts: Counts::of(counts),
            servers_s: vec![("gateway", 0.05), ("upstream", 0.03)],
            wrk_s: 0.01,
            others_s: 0.02,
            wall_s: 0.1,
        }
    }

    #[test]
    fn cpu_time_is_reported_per_request() {
        let sample = sample(&[]);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
        near(sample.per_second(), 10_000.0);
        near(sample.server_us("gateway"), 50.0);
        near(sample.server_us("shim"), 0.0);
        near(sample.total_us(), 80.0);
        near(sample.wrk_us(), 10.0);
        near(sample.share("gateway"), 0.5);
        near(sample.others(), 0.2);
    }
}
