//! Runs many seeds on all processors.

use crate::Run;
use crate::fault::Fault;
use crate::record::Work;
use clap::ValueEnum;
use proxy_wasm_host::plugin::Plugin;
use std::num::NonZero;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// The results of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// The number of runs.
    pub runs: u64,
    /// The number of requests in all runs.
    pub requests: usize,
    /// Requests decided without the ledger.
    pub degraded: usize,
    /// Requests that exceeded a limit.
    pub refused: usize,
    /// The number of times that a patient client waited for the given Retry-After.
    pub waits: usize,
    /// The filter's activity in all runs.
    pub work: Work,
    /// The failed runs and their seeds, in order of seeds.
    pub broken: Vec<(u64, Run)>,
}

/// The number of failed runs after which [`run`] stops early.
pub const MAX_BROKEN: usize = 10;

/// Runs all `seeds`. Stops early after [`MAX_BROKEN`] failed runs.
#[must_use]
pub fn run(plugin: &Plugin, seeds: Range<u64>, fault: Option<Fault>) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let run = crate::run(plugin, seed, fault, false);
            let mut summary = summary.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            summary.add(seed, run);
            if summary.broken.len() >= MAX_BROKEN {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let mut summary = summary.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    summary.broken.sort_by_key(|(seed, _)| *seed);
    summary
}

/// Returns the command that replays `seed` with a trace.
#[must_use]
pub fn replay(seed: u64, fault: Option<Fault>) -> String {
    let mut command = format!("cargo xtask simulate --seeds 1 --from {seed} --trace");
    if let Some(fault) = fault.and_then(|fault| fault.to_possible_value()) {
        command.push_str(" --fault ");
        command.push_str(fault.get_name());
    }
    command
}

impl Summary {
    fn add(&mut self, seed: u64, run: Run) {
        let requests = &run.record.requests;
        self.runs += 1;
        self.requests += requests.len();
        self.degraded += requests.iter().filter(|request| request.is_degraded).count();
        self.refused += requests.iter().filter(|request| request.refusal.is_some()).count();
        self.waits += run.record.waits.len();
        self.work.add(run.record.work);
        if !run.breaches.is_empty() {
            self.broken.push((seed, run));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_includes_the_planted_fault() {
        let plain = "cargo xtask simulate --seeds 1 --from 7 --trace";
        assert_eq!(replay(7, None), plain);
        assert_eq!(replay(7, Some(Fault::WaitTooShort)), format!("{plain} --fault wait-too-short"));
    }
}
