//! The scenario that a seed chooses: the Envoys, the policy, the traffic and the failures.

#[expect(clippy::indexing_slicing, reason = "indexes JSON objects built in the same file")]
mod buckets;
mod matches;
#[expect(clippy::indexing_slicing, reason = "indexes JSON objects built in the same file")]
mod policy;

pub(crate) use buckets::TIERS;
pub(crate) use matches::WHENS;
pub(crate) use policy::PATHS;

use crate::dice::Dice;
use serde_json::Value;

/// The parameters of one run.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The duration for which requests arrive, in µs.
    pub busy_us: u64,
    /// The Envoys: the lead of each one's clock, in ms, and the number of workers.
    pub envoys: Vec<(u64, usize)>,
    /// The lead of the ledger's clock, in ms.
    pub ledger_ahead_ms: u64,
    /// The initial policy.
    pub policy: Value,
    /// A second policy, and when it is rolled out, in µs.
    pub reload: Option<(u64, Value)>,
    /// The mean time between requests, in µs.
    pub pause_us: u64,
    /// The number of users, and of addresses.
    pub payers: u64,
    /// Clients that disconnect early, per thousand.
    pub leavers: u64,
    /// The times at which an operator tops up a balance, in µs.
    pub top_ups_us: Vec<u64>,
    /// The behavior of the network to the shim.
    pub network: Network,
    /// The times when the shim is unavailable.
    pub outages: Vec<Outage>,
}

/// The behavior of the network to the shim. Failure rates are per thousand calls.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// The longest one-way delay, in µs.
    pub slowest_us: u64,
    /// Calls lost or cut on the way to the shim.
    pub lost_there: u64,
    /// Calls lost or cut on the way back, after the ledger has charged.
    pub lost_back: u64,
    /// Calls answered with garbage, after the ledger has charged.
    pub garbled: u64,
}

/// A time when the shim is unavailable.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// Start, in µs.
    pub from_us: u64,
    /// End, in µs (exclusive).
    pub to_us: u64,
    /// True if calls hang, false if their connections are refused.
    pub hangs: bool,
}

/// The maximum of [`Scenario::busy_us`].
const MAX_BUSY_US: u64 = 6_000_000;

/// The number of top-ups, if the policy has a balance.
const MAX_TOP_UPS: usize = 5;

impl Scenario {
    /// Chooses a scenario.
    #[must_use]
    pub fn of(dice: &mut Dice) -> Self {
        let busy_us = dice.in_range(1_500_000..=MAX_BUSY_US);
        let envoys = (0..dice.in_range(1..=3)).map(|_| {
            let workers = usize::try_from(dice.in_range(1..=3)).unwrap_or(1);
            (dice.in_range(0..=20_000), workers)
        });
        let envoys: Vec<_> = envoys.collect();
        let policy = policy::random(dice);
        let reload_at_us = dice.in_range(100_000..=busy_us);
        let reload = dice.chance(400).then(|| (reload_at_us, policy::changed(dice, &policy)));
        Self {
            busy_us,
            envoys,
            ledger_ahead_ms: dice.in_range(0..=20_000),
            policy,
            reload,
            pause_us: dice.pick(10_000, &[3_000, 20_000, 40_000]),
            payers: dice.in_range(1..=6),
            leavers: dice.pick(0, &[50, 200]),
            top_ups_us: (0..MAX_TOP_UPS).map(|_| dice.in_range(0..=busy_us)).collect(),
            network: Network::of(dice),
            outages: outages(dice, busy_us),
        }
    }

    /// Returns the outage at `now_us`, if the shim is unavailable then.
    #[must_use]
    pub fn outage(&self, now_us: u64) -> Option<Outage> {
        self.outages.iter().copied().find(|out| (out.from_us..out.to_us).contains(&now_us))
    }
}

impl Network {
    fn of(dice: &mut Dice) -> Self {
        let trouble = dice.pick(0, &[20, 100]);
        Self {
            slowest_us: dice.pick(2_000, &[30_000, 150_000]),
            lost_there: trouble,
            lost_back: dice.pick(0, &[trouble]),
            garbled: dice.pick(0, &[trouble / 2]),
        }
    }
}

fn outages(dice: &mut Dice, busy_us: u64) -> Vec<Outage> {
    let count = dice.pick(0, &[0, 1, 2]);
    let outage = |dice: &mut Dice| {
        let from_us = dice.in_range(0..=busy_us);
        let to_us = from_us + dice.in_range(10_000..=2_500_000);
        Outage { from_us, to_us, hangs: dice.chance(500) }
    };
    (0..count).map(|_| outage(dice)).collect()
}
