//! The shipped filter, simulated: a thousand seeds hold, a seed is one run, and each check finds the
//! fault that is planted for it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic: that is how a test fails")]

use proxy_wasm_host::plugin::Plugin;
use simulator::check::Invariant;
use simulator::fault::Fault;
use simulator::seeds;
use std::sync::OnceLock;

/// The seeds that must hold.
const SEEDS: std::ops::Range<u64> = 1..1_001;
/// Among so many runs, each planted fault shows.
const FAULTY: std::ops::Range<u64> = 1..31;

fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let module = std::fs::read(harness::wasm::build().unwrap()).unwrap();
        Plugin::compile(&module).unwrap()
    })
}

#[test]
fn a_thousand_seeds_hold() {
    let summary = seeds::run(plugin(), SEEDS, None);
    let told = summary.broken.iter().map(|(seed, run)| {
        let breaches: Vec<String> = run.breaches.iter().map(ToString::to_string).collect();
        let replay = seeds::replay(*seed, None);
        format!("seed {seed}: {}\n  replay: {replay}", breaches.join("\n  "))
    });
    let told: Vec<String> = told.collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert_eq!(summary.runs, SEEDS.end - SEEDS.start);
    // What would hold of nothing shows nothing.
    assert!(summary.refused > 10_000 && summary.degraded > 10_000 && summary.waits > 100);
    for (what, count) in summary.work.counts() {
        assert!(count > 100, "{count} {what}");
    }
}

#[test]
fn a_seed_is_one_run() {
    for seed in 1..4 {
        let (first, again) = (run(seed), run(seed));
        assert_eq!(first.hash, again.hash, "seed {seed}");
        assert_eq!(first.trace, again.trace, "seed {seed}");
        assert_ne!(first.hash, run(seed + 1).hash, "seed {seed}");
    }
}

fn run(seed: u64) -> simulator::Run {
    simulator::run(plugin(), seed, None, true)
}

/// Among a few runs with `fault`, some break `invariant`.
fn is_found(fault: Fault, invariant: Invariant) {
    let summary = seeds::run(plugin(), FAULTY, Some(fault));
    let breaches: Vec<_> = summary.broken.iter().flat_map(|(_, run)| &run.breaches).collect();
    assert!(breaches.iter().any(|breach| breach.invariant == invariant), "{breaches:?}");
}

#[test]
fn a_ledger_that_admits_too_many_is_found() {
    is_found(Fault::AdmitsTooMany, Invariant::NeverOverAdmitted);
}

#[test]
fn requests_that_wait_for_ever_are_found() {
    is_found(Fault::Silence, Invariant::NeverStuck);
}

#[test]
fn settles_that_take_no_effect_are_found() {
    is_found(Fault::SettlesSwallowed, Invariant::NothingLost);
}

#[test]
fn a_wait_that_is_not_enough_is_found() {
    is_found(Fault::WaitTooShort, Invariant::RetryAfterHonest);
}

#[test]
fn tables_that_grow_without_end_are_found() {
    is_found(Fault::Leak, Invariant::Bounded);
}

#[test]
fn a_crash_is_found() {
    is_found(Fault::NoMetrics, Invariant::WellConducted);
}

#[test]
fn a_give_back_from_the_oldest_is_found() {
    is_found(Fault::OldestGivenBack, Invariant::NoNeedlessRefusal);
}
