//! What a seed chooses: how many Envoys, which policy, who asks how often, and what goes wrong.

#[expect(clippy::indexing_slicing, reason = "JSON objects that were made just before")]
mod policy;

pub(crate) use policy::{PATHS, TIERS};

use crate::dice::Dice;
use serde_json::Value;

/// One run, as its seed has it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// For how long requests arrive, in µs.
    pub busy_us: u64,
    /// The Envoys: how far each one's clock is ahead, in ms, and how many workers it has.
    pub envoys: Vec<(u64, usize)>,
    /// How far the ledger's clock is ahead, in ms.
    pub ledger_ahead_ms: u64,
    /// The policy.
    pub policy: Value,
    /// Another one, and when the Envoys are given it.
    pub reload: Option<(u64, Value)>,
    /// The mean time between requests, in µs.
    pub pause_us: u64,
    /// How many users, and addresses, there are.
    pub payers: u64,
    /// How many of a thousand clients leave early.
    pub leavers: u64,
    /// How calls to the shim fare.
    pub network: Network,
    /// When the shim is away, in µs.
    pub outages: Vec<Outage>,
}

/// How calls to the shim fare, in so many of a thousand cases.
#[derive(Debug, Clone, Copy)]
pub struct Network {
    /// The longest that one way takes, in µs.
    pub slowest_us: u64,
    /// Lost on the way there, or cut.
    pub lost_there: u64,
    /// Lost on the way back, or cut, after the ledger has charged.
    pub lost_back: u64,
    /// Answered with something that is no answer, after the ledger has charged.
    pub garbled: u64,
}

/// A time without the shim.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// From here, in µs.
    pub from_us: u64,
    /// To there.
    pub to_us: u64,
    /// Whether calls hang, or are refused.
    pub hangs: bool,
}

/// The longest that requests arrive.
const MAX_BUSY_US: u64 = 6_000_000;

impl Scenario {
    /// What `seed` chooses.
    #[must_use]
    pub fn of(dice: &mut Dice) -> Self {
        let busy_us = dice.of_range(1_500_000..=MAX_BUSY_US);
        let envoys = (0..dice.of_range(1..=3)).map(|_| {
            let workers = usize::try_from(dice.of_range(1..=3)).unwrap_or(1);
            (dice.of_range(0..=20_000), workers)
        });
        let envoys: Vec<_> = envoys.collect();
        let policy = policy::random(dice);
        let reload_at_us = dice.of_range(100_000..=busy_us);
        let reload = dice.chance(400).then(|| (reload_at_us, policy::changed(dice, &policy)));
        Self {
            busy_us,
            envoys,
            ledger_ahead_ms: dice.of_range(0..=20_000),
            policy,
            reload,
            pause_us: dice.pick(10_000, &[3_000, 20_000, 40_000]),
            payers: dice.of_range(1..=6),
            leavers: dice.pick(0, &[50, 200]),
            network: Network::of(dice),
            outages: outages(dice, busy_us),
        }
    }

    /// Whether the shim is away at `now_us`, and how.
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
        let from_us = dice.of_range(0..=busy_us);
        let to_us = from_us + dice.of_range(10_000..=2_500_000);
        Outage { from_us, to_us, hangs: dice.chance(500) }
    };
    (0..count).map(|_| outage(dice)).collect()
}
