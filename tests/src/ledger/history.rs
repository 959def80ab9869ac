//! Random histories of a few counters, covering every algorithm and event: bursts, equal times,
//! clocks that step back, costs of every size, several buckets in a request, shadows, overrides,
//! changed limits and algorithms, leases, blocks for repeated refusals, early, late and repeated
//! settles, and top-ups.

use limits::block::{AgeMs, Block, Refusals, Refused};
use limits::bounded::MAX_SAFE;
use limits::counter::{CounterName, Identity};
use limits::ledger::{
    Charge, Method, Periods, Request, Settle, SettleCharge, SettleId, Standing, Terms, TimeMs,
    TopUp,
};
use limits::quota::{
    Balance, Limit, MAX_BALANCE, SlidingWindow, Start, TokenBucket, TopUpAmount, WindowMs,
};
use limits::wire::{Cost, LeaseAsk, LeaseWish, SettleAmount};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

/// The start of every history, in Unix ms.
pub const START_MS: u64 = 1_700_000_000_000;

/// An event of a history.
#[derive(Debug, Clone)]
pub enum Event {
    /// Moves the clock by this many ms, possibly back.
    Clock(i64),
    /// Decides a batch of requests.
    Decide(Vec<Vec<ChargeSpec>>),
    /// Repeats requests while the clock moves, to fill a log.
    Runs(Vec<(ChargeSpec, Run)>),
    /// Applies a batch of settles.
    Settle(Vec<SettleSpec>),
    /// Peeks at a counter.
    Peek(ChargeSpec),
    /// Resets a counter.
    Reset(Family),
    /// Lifts a counter's block.
    Unblock(Family),
    /// Adds to the balance: the number of the id, and the amount.
    TopUp(u8, u64),
}

/// The number and spacing of repeated requests.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// The number of requests.
    pub count: u64,
    /// The time between two requests.
    pub step_ms: i64,
}

/// A counter, named after its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// A sliding window with an entry for each charge.
    Small,
    /// A sliding window whose entries share slots.
    Slots,
    /// A sliding window whose limit changes between those two kinds.
    Changing,
    /// A fixed window.
    Fixed,
    /// A token bucket.
    Tokens,
    /// A balance.
    Balance,
    /// Any algorithm, any size.
    Any,
}

impl Family {
    /// All families.
    pub const ALL: [Self; 7] = [
        Self::Small,
        Self::Slots,
        Self::Changing,
        Self::Fixed,
        Self::Tokens,
        Self::Balance,
        Self::Any,
    ];

    const fn bucket(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Slots => "slots",
            Self::Changing => "changing",
            Self::Fixed => "fixed",
            Self::Tokens => "tokens",
            Self::Balance => "balance",
            Self::Any => "any",
        }
    }
}

/// A charge before preparation.
#[derive(Debug, Clone)]
pub struct ChargeSpec {
    family: Family,
    cost: u64,
    enforce: bool,
    terms: TermsSpec,
    lease: Option<(u64, u64)>,
    block: Option<Block>,
}

/// Terms before preparation.
#[derive(Debug, Clone)]
pub struct TermsSpec {
    method: MethodSpec,
    standing: StandingSpec,
}

#[derive(Debug, Clone)]
enum MethodSpec {
    Sliding {
        limit: u64,
        window_ms: u64,
    },
    /// `early`: the time lies in the first of two periods. `astray`: it lies in neither.
    Fixed {
        limit: u64,
        length_ms: u64,
        offset_ms: u64,
        early: bool,
        astray: bool,
    },
    Tokens {
        rate: u64,
        per_ms: u64,
        burst: u64,
    },
    Balance {
        start: u64,
    },
}

#[derive(Debug, Clone)]
enum StandingSpec {
    Limited,
    Unlimited,
    Blocked { for_ms: u64 },
}

/// A settle before preparation.
#[derive(Debug, Clone)]
pub struct SettleSpec {
    id: u8,
    /// The number of clock times since the decision.
    ago: usize,
    /// An offset from that time, to name decisions that never existed.
    off_ms: i64,
    charges: Vec<(Family, TermsSpec, bool, u64, Option<u64>)>,
}

/// A history's counters and clock.
#[derive(Debug)]
pub struct World {
    /// The payers. Each has counters of every family, all in one Cluster slot.
    payers: [Identity; 2],
    /// The index of the current payer.
    turn: usize,
    /// All clock times so far, in Unix ms.
    times_ms: Vec<u64>,
}

impl World {
    /// Creates a world. Worlds with different numbers share no counters.
    #[must_use]
    pub fn new(number: u64) -> Self {
        let payer =
            |who: u8| Identity::derive(b"histories", [number.to_be_bytes().as_slice(), &[who]]);
        Self { payers: [0, 1].map(payer), turn: 0, times_ms: vec![START_MS] }
    }

    /// Selects the payer for event `at`: every fourth event is the second payer's.
    pub fn select_payer(&mut self, at: usize) {
        self.turn = usize::from(at % 4 == 3);
    }

    /// Returns the clock's time, in Unix ms.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        *self.times_ms.last().expect("never empty")
    }

    /// Moves the clock.
    pub fn move_clock(&mut self, by_ms: i64) {
        self.times_ms.push(self.now_ms().saturating_add_signed(by_ms));
    }

    /// Returns the current payer's counter of a family.
    #[must_use]
    pub fn counter(&self, family: Family) -> CounterName {
        CounterName::new(&self.payers[self.turn], family.bucket()).expect("a bucket's name")
    }

    /// Iterates over all possible counters.
    pub fn counters(&self) -> impl Iterator<Item = CounterName> {
        let buckets = || Family::ALL.into_iter().map(Family::bucket);
        let all =
            self.payers.iter().flat_map(move |payer| buckets().map(move |name| (payer, name)));
        all.map(|(payer, name)| CounterName::new(payer, name).expect("a bucket's name"))
    }

    /// Prepares a charge at the current time.
    #[must_use]
    pub fn charge(&self, spec: &ChargeSpec) -> Charge {
        Charge {
            counter: self.counter(spec.family),
            cost: Cost::clamped(spec.cost),
            enforce: spec.enforce,
            terms: self.terms(&spec.terms),
            lease: spec.lease.map(|(wish, lease_ms)| LeaseAsk {
                wish: LeaseWish::clamped(wish),
                lease_ms: WindowMs::clamped(lease_ms),
            }),
            block: spec.block,
        }
    }

    /// Prepares a request at the current time, with the first charge of each family.
    #[must_use]
    pub fn request(&self, specs: &[ChargeSpec]) -> Request {
        let firsts = specs.iter().enumerate().filter(|(at, spec)| {
            specs.iter().take(*at).all(|earlier| earlier.family != spec.family)
        });
        Request::new(firsts.map(|(_, spec)| self.charge(spec)).collect())
            .expect("distinct counters")
    }

    /// Prepares a top-up of the current payer's balance.
    #[must_use]
    pub fn top_up(&self, id: u8, amount: u64) -> TopUp {
        let id = SettleId::try_from(format!("payment-{id}")).expect("an id");
        let (counter, amount) = (self.counter(Family::Balance), TopUpAmount::clamped(amount));
        TopUp { counter, amount, id }
    }

    /// Prepares a settle at the current time.
    #[must_use]
    pub fn settle(&self, spec: &SettleSpec) -> Settle {
        let made_ms = self.times_ms[self.times_ms.len().saturating_sub(spec.ago + 1)];
        let made_ms = TimeMs::clamped(made_ms.saturating_add_signed(spec.off_ms));
        let id = SettleId::try_from(format!("settle-{}", spec.id)).expect("an id");
        let firsts = spec.charges.iter().enumerate().filter(|(at, (family, ..))| {
            spec.charges.iter().take(*at).all(|(earlier, ..)| earlier != family)
        });
        let charges = firsts.map(|(_, (family, terms, back, amount, lease_ms))| SettleCharge {
            counter: self.counter(*family),
            terms: self.terms(terms),
            amount: if *back {
                SettleAmount::GiveBack(Limit::clamped(*amount))
            } else {
                SettleAmount::Charge(Limit::clamped(*amount))
            },
            lease_ms: lease_ms.map(WindowMs::clamped),
        });
        Settle::new(id, made_ms, charges.collect()).expect("counters of one identity")
    }

    fn terms(&self, spec: &TermsSpec) -> Terms {
        let now_ms = self.now_ms();
        let method = match spec.method {
            MethodSpec::Sliding { limit, window_ms } => Method::SlidingWindow(SlidingWindow {
                limit: Limit::clamped(limit),
                window_ms: WindowMs::clamped(window_ms),
            }),
            MethodSpec::Fixed { limit, length_ms, offset_ms, early, astray } => {
                let start_ms = now_ms - (now_ms + offset_ms) % length_ms;
                let first_ms = if early { start_ms } else { start_ms - length_ms };
                let first_ms = if astray { first_ms + 5 * length_ms } else { first_ms };
                let bounds = [0, 1, 2].map(|n| TimeMs::clamped(first_ms + n * length_ms));
                let periods = Periods::new(bounds).expect("ascending bounds");
                Method::FixedWindow { limit: Limit::clamped(limit), periods }
            }
            MethodSpec::Balance { start } => {
                Method::Balance(Balance { start: Start::clamped(start) })
            }
            MethodSpec::Tokens { rate, per_ms, burst } => Method::TokenBucket(
                TokenBucket::new(
                    Limit::clamped(rate),
                    WindowMs::clamped(per_ms),
                    Limit::clamped(burst),
                )
                .expect("a valid token bucket"),
            ),
        };
        let standing = match spec.standing {
            StandingSpec::Limited => Standing::Limited,
            StandingSpec::Unlimited => Standing::Unlimited,
            StandingSpec::Blocked { for_ms } => {
                Standing::BlockedUntil(TimeMs::clamped(now_ms + for_ms - 5))
            }
        };
        Terms { method, standing }
    }
}

/// Generates 1 to `length` events.
pub fn history(length: usize) -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 1..=length)
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => clock().prop_map(Event::Clock),
        8 => vec(vec(charge(), 1..=3), 1..=3).prop_map(Event::Decide),
        1 => run(),
        2 => vec(settle(), 1..=2).prop_map(Event::Settle),
        1 => charge().prop_map(Event::Peek),
        1 => select(Family::ALL.as_slice()).prop_map(Event::Reset),
        1 => select(Family::ALL.as_slice()).prop_map(Event::Unblock),
        1 => top_up(),
    ]
}

fn top_up() -> impl Strategy<Value = Event> {
    let amount = prop_oneof![8 => 1..9_u64, 1 => 1..=MAX_BALANCE];
    (0..6_u8, amount).prop_map(|(id, amount)| Event::TopUp(id, amount))
}

/// Generates clock steps: bursts, pauses, steps back, and the edges of windows, periods and the
/// hour in which a settle is accepted.
fn clock() -> impl Strategy<Value = i64> {
    let edges = select(vec![99_i64, 100, 999, 1_000, 3_599_999, 3_600_000]);
    prop_oneof![
        8 => 1..40_i64,
        4 => 1..1_500_i64,
        3 => edges,
        2 => -300..=0_i64,
        1 => -200_000..=400_000_000_i64
    ]
}

/// Generates short runs of any kind, and runs long enough to fill a log.
fn run() -> impl Strategy<Value = Event> {
    let any = (charge(), 2..20_u64, 0..12_i64);
    let any = any.prop_map(|(charge, count, step_ms)| vec![(charge, Run { count, step_ms })]);
    let filling = |limits, count, step_ms| {
        (charge(), sliding(limits, vec![1_000]), count, step_ms).prop_map(
            |(charge, method, count, step_ms)| {
                let terms = TermsSpec { method, standing: StandingSpec::Limited };
                let charge = ChargeSpec { family: Family::Changing, cost: 1, terms, ..charge };
                (charge, Run { count, step_ms })
            },
        )
    };
    // `long` puts an entry in each slot. `full` puts several in one, then switches to a limit at
    // which they share one.
    let long = filling(vec![128, 1_000, 5_000], 130..180_u64, 6..10_i64).prop_map(|run| vec![run]);
    let full = (
        filling(vec![128], 100..128_u64, 2..5_i64),
        filling(vec![1_000, 5_000], 60..120_u64, 6..9_i64),
    )
        .prop_map(|(first, second)| vec![first, second]);
    prop_oneof![2 => any, 1 => long, 1 => full].prop_map(Event::Runs)
}

fn charge() -> impl Strategy<Value = ChargeSpec> {
    family_and_terms().prop_flat_map(|(family, terms)| {
        let lease = (0..2_000_u64, prop_oneof![1..50_u64, 1..3_000_u64]);
        (cost(family), weighted(0.2, lease), prop::bool::weighted(0.8), blocks()).prop_map(
            move |(cost, lease, enforce, block)| ChargeSpec {
                family,
                cost,
                enforce,
                terms: terms.clone(),
                lease,
                block,
            },
        )
    })
}

/// Generates blocks, some with refusals from memory.
fn blocks() -> impl Strategy<Value = Option<Block>> {
    let after = select(vec![1_u64, 2, 3, 3, 10, 129, 1_000_000]);
    let (within_ms, for_ms) = (select(vec![100_u64, 1_000, 1_000]), select(vec![1_u64, 50, 1_500]));
    let refused = (1..400_u64, prop_oneof![0..150_u64, 0..1_100_u64]);
    let block = (after, within_ms, for_ms, weighted(0.3, refused)).prop_map(
        |(after, within_ms, for_ms, refused)| Block {
            after: Refusals::clamped(after),
            within_ms: WindowMs::clamped(within_ms),
            for_ms: WindowMs::clamped(for_ms),
            refused: refused.map(|(count, ago_ms)| Refused {
                count: Refusals::clamped(count),
                ago_ms: AgeMs::clamped(ago_ms),
            }),
        },
    );
    weighted(0.4, block)
}

fn cost(family: Family) -> BoxedStrategy<u64> {
    let few = prop_oneof![6 => Just(1), 3 => 1..4_u64, 1 => 1..8_u64];
    match family {
        Family::Small | Family::Fixed | Family::Balance => few.boxed(),
        Family::Slots | Family::Changing | Family::Tokens => {
            prop_oneof![few, 1..60_u64, 1..400_u64].boxed()
        }
        Family::Any => prop_oneof![few, 1..=MAX_SAFE, MAX_SAFE - 2..=MAX_SAFE].boxed(),
    }
}

fn settle() -> impl Strategy<Value = SettleSpec> {
    let amount = prop_oneof![6 => 1..5_u64, 2 => 1..300_u64, 1 => 1..=MAX_SAFE];
    let charge = (
        family_and_terms(),
        prop::bool::weighted(0.7),
        amount,
        weighted(0.3, prop_oneof![1..50_u64, 1..3_000_u64]),
    )
        .prop_map(|((family, terms), back, amount, lease_ms)| {
            (family, terms, back, amount, lease_ms)
        });
    let off = prop_oneof![9 => Just(0), 1 => -2_000..2_000_i64];
    (0..12_u8, 0..8_usize, off, vec(charge, 1..=3))
        .prop_map(|(id, ago, off_ms, charges)| SettleSpec { id, ago, off_ms, charges })
}

fn family_and_terms() -> impl Strategy<Value = (Family, TermsSpec)> {
    (select(Family::ALL.as_slice()), standing()).prop_flat_map(|(family, standing)| {
        method(family)
            .prop_map(move |method| (family, TermsSpec { method, standing: standing.clone() }))
    })
}

fn standing() -> impl Strategy<Value = StandingSpec> {
    prop_oneof![
        20 => Just(StandingSpec::Limited),
        1 => Just(StandingSpec::Unlimited),
        1 => (0..100_u64).prop_map(|for_ms| StandingSpec::Blocked { for_ms }),
    ]
}

fn method(family: Family) -> BoxedStrategy<MethodSpec> {
    match family {
        Family::Small => sliding(vec![5, 5, 5, 3, 8], vec![100, 100, 100, 60, 200]),
        Family::Slots => sliding(vec![200, 200, 200, 1_000], vec![1_000, 1_000, 1_000, 129, 300]),
        Family::Changing => sliding(vec![100, 128, 129, 5_000], vec![1_000]),
        Family::Fixed => fixed(vec![5, 5, 5, 3, 9]),
        Family::Tokens => tokens(),
        Family::Balance => balance(vec![3, 3, 3, 0, 8]),
        Family::Any => prop_oneof![
            sliding(vec![1, 129, MAX_SAFE], vec![1, 1_000, 366 * 86_400_000]),
            fixed(vec![1, MAX_SAFE]),
            tokens(),
            balance(vec![0, 3, MAX_BALANCE]),
            Just(MethodSpec::Tokens { rate: 1, per_ms: 1, burst: MAX_SAFE }),
            Just(MethodSpec::Tokens { rate: MAX_SAFE, per_ms: 1, burst: MAX_SAFE }),
            Just(MethodSpec::Tokens { rate: 7, per_ms: 366 * 86_400_000, burst: 284_000 }),
        ]
        .boxed(),
    }
}

fn sliding(limits: Vec<u64>, windows_ms: Vec<u64>) -> BoxedStrategy<MethodSpec> {
    (select(limits), select(windows_ms))
        .prop_map(|(limit, window_ms)| MethodSpec::Sliding { limit, window_ms })
        .boxed()
}

fn fixed(limits: Vec<u64>) -> BoxedStrategy<MethodSpec> {
    let lengths_ms = select(vec![100_u64, 100, 100, 50, 1_000]);
    let offsets_ms = select(vec![0_u64, 0, 0, 30]);
    (select(limits), lengths_ms, offsets_ms, any::<bool>(), prop::bool::weighted(0.02))
        .prop_map(|(limit, length_ms, offset_ms, early, astray)| MethodSpec::Fixed {
            limit,
            length_ms,
            offset_ms,
            early,
            astray,
        })
        .boxed()
}

fn balance(starts: Vec<u64>) -> BoxedStrategy<MethodSpec> {
    select(starts).prop_map(|start| MethodSpec::Balance { start }).boxed()
}

fn tokens() -> BoxedStrategy<MethodSpec> {
    let rates = select(vec![10_u64, 10, 10, 1, 37]);
    let pers_ms = select(vec![100_u64, 100, 100, 1, 999]);
    let bursts = select(vec![20_u64, 20, 20, 1, 500]);
    (rates, pers_ms, bursts)
        .prop_map(|(rate, per_ms, burst)| MethodSpec::Tokens { rate, per_ms, burst })
        .boxed()
}
