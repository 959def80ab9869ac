//! Simulates the shipped filter: a thousand seeds keep all invariants, a seed reproduces its run,
//! and each check finds its planted fault.

#![expect(clippy::unwrap_used, reason = "test helpers panic to fail the test")]

use proxy_wasm_host::plugin::Plugin;
use simulator::check::Invariant;
use simulator::fault::Fault;
use simulator::seeds;
use std::sync::OnceLock;

/// The seeds that must keep all invariants.
const SEEDS: std::ops::Range<u64> = 1..1_001;
/// Enough seeds for each planted fault to show.
const FAULTY: std::ops::Range<u64> = 1..31;

fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let module = std::fs::read(harness::wasm::build().unwrap()).unwrap();
        Plugin::compile(&module).unwrap()
    })
}

#[test]
fn a_thousand_seeds_keep_all_invariants() {
    let summary = seeds::run(plugin(), SEEDS, None);
    let failures = summary.broken.iter().map(|(seed, run)| {
        let breaches: Vec<String> = run.breaches.iter().map(ToString::to_string).collect();
        let replay = seeds::replay(*seed, None);
        format!("seed {seed}: {}\n  replay: {replay}", breaches.join("\n  "))
    });
    let failures: Vec<String> = failures.collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(summary.runs, SEEDS.end - SEEDS.start);
    // The invariants prove nothing about activity that never happens.
    assert!(summary.refused > 10_000 && summary.degraded > 10_000 && summary.waits > 100);
    for (what, count) in summary.work.counts() {
        assert!(count > 100, "{count} {what}");
    }
}

#[test]
fn a_seed_reproduces_its_run() {
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

/// Asserts that at least one run with `fault` violates `invariant`.
fn assert_found(fault: Fault, invariant: Invariant) {
    let summary = seeds::run(plugin(), FAULTY, Some(fault));
    let breaches: Vec<_> = summary.broken.iter().flat_map(|(_, run)| &run.breaches).collect();
    assert!(breaches.iter().any(|breach| breach.invariant == invariant), "{breaches:?}");
}

#[test]
fn a_ledger_that_over_admits_is_found() {
    assert_found(Fault::AdmitsTooMany, Invariant::NeverOverAdmitted);
}

#[test]
fn requests_that_wait_forever_are_found() {
    assert_found(Fault::Silence, Invariant::NeverStuck);
}

#[test]
fn settles_without_effect_are_found() {
    assert_found(Fault::SettlesSwallowed, Invariant::NothingLost);
}

#[test]
fn a_block_that_does_not_hold_is_found() {
    assert_found(Fault::BlocksLeak, Invariant::BlocksHold);
}

#[test]
fn a_wait_that_is_too_short_is_found() {
    assert_found(Fault::WaitTooShort, Invariant::RetryAfterHonest);
}

#[test]
fn an_overspent_balance_is_found() {
    assert_found(Fault::BalanceOverspent, Invariant::NeverOverAdmitted);
}

#[test]
fn costs_that_are_ignored_are_found() {
    assert_found(Fault::CostOfOne, Invariant::TermsFollowed);
}

#[test]
fn unbounded_tables_are_found() {
    assert_found(Fault::Leak, Invariant::Bounded);
}

#[test]
fn a_crash_is_found() {
    assert_found(Fault::NoMetrics, Invariant::WellBehaved);
}

#[test]
fn refunds_of_the_wrong_charge_are_found() {
    assert_found(Fault::OldestGivenBack, Invariant::NoNeedlessRefusal);
}
