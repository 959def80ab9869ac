//! Many runs, on all processors.

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

/// What came of many runs.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many runs there were.
    pub runs: u64,
    /// How many requests there were in all of them.
    pub requests: usize,
    /// How many of them were decided without the ledger.
    pub degraded: usize,
    /// How many were refused with 429.
    pub refused: usize,
    /// How many times a patient client waited as long as it was told.
    pub waits: usize,
    /// How much of what the filter can do was done in all of them.
    pub work: Work,
    /// The runs of which something does not hold, by their seeds, in order.
    pub broken: Vec<(u64, Run)>,
}

/// The most broken runs that are kept: after that it is plain that something is wrong.
pub const MAX_BROKEN: usize = 10;

/// Makes the runs of all `seeds`; stops early when [`MAX_BROKEN`] are broken.
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

/// The command that shows all of the run of `seed`.
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
        self.refused += requests.iter().filter(|request| request.status == Some(429)).count();
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
    fn a_replay_has_the_fault_that_was_planted() {
        let plain = "cargo xtask simulate --seeds 1 --from 7 --trace";
        assert_eq!(replay(7, None), plain);
        assert_eq!(replay(7, Some(Fault::WaitTooShort)), format!("{plain} --fault wait-too-short"));
    }
}
