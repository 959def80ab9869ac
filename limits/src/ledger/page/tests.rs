use super::*;
use crate::counter::{CounterName, Identity};
use crate::ledger::{Method, Terms};
use crate::quota::{Limit, SlidingWindow, WindowMs};
use crate::wire::Cost;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const START_MS: u64 = 1_790_000_000_000;
const LIMIT: u64 = 3;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// A charge to a limit of a minute or a quota of a day.
#[derive(Debug, Clone)]
struct Sent {
    payer: u8,
    network: u8,
    cost: u64,
    is_long: bool,
    after_ms: u64,
}

fn sent() -> impl Strategy<Value = Sent> {
    // Most requests come from network 0. A payer can come from several.
    let network = prop_oneof![3 => Just(0_u8), 2 => 0_u8..40];
    let after_ms = prop_oneof![8 => 0..500_u64, 1 => 0..MINUTE_MS];
    (0_u8..60, network, 1..=LIMIT, any::<bool>(), after_ms).prop_map(
        |(payer, network, cost, is_long, after_ms)| Sent {
            payer,
            network,
            cost,
            is_long,
            after_ms,
        },
    )
}

impl Sent {
    const fn window_ms(&self) -> u64 {
        if self.is_long { DAY_MS } else { MINUTE_MS }
    }

    fn claim(&self) -> Claim {
        let identity = Identity::derive(b"", [[self.payer].as_slice()]);
        let bucket = if self.is_long { "day" } else { "minute" };
        let limit = Limit::clamped(LIMIT);
        let window = SlidingWindow { limit, window_ms: WindowMs::clamped(self.window_ms()) };
        Claim {
            charge: Charge {
                counter: CounterName::new(&identity, bucket).unwrap(),
                cost: Cost::clamped(self.cost),
                enforce: true,
                terms: Terms::limited(Method::SlidingWindow(window)),
                lease: None,
                block: None,
            },
            origin: Origin::of([10, self.network, 0, 1].into()),
            is_optional: false,
        }
    }
}

/// A place, as the rules see it.
#[derive(Debug, Clone)]
struct Seen {
    name: String,
    origin: Origin,
    is_long: bool,
    is_used_up: bool,
}

impl Seen {
    fn payer(&self) -> &str {
        slot_tag_of(&self.name)
    }
}

/// Returns the places of a page that have not expired.
fn seen(page: &Page<'_>, now_ms: u64) -> Vec<Seen> {
    let living = page.places.iter().filter(|place| place.tenant.expires_ms > now_ms);
    let seen = living.map(|place| Seen {
        name: place.name.to_string(),
        origin: place.tenant.origin,
        is_long: place.name.ends_with(":day"),
        is_used_up: place.tenant.is_used_up(),
    });
    seen.collect()
}

/// Returns the number of payers of `origin`, without `except`.
fn payers(page: &[Seen], origin: Origin, except: &str) -> usize {
    let own = page.iter().filter(|one| one.origin == origin).map(Seen::payer);
    own.filter(|payer| *payer != except).collect::<BTreeSet<_>>().len()
}

/// The other payers of a new counter's network, and the places of its page.
struct Competition<'a> {
    page: &'a [Seen],
    own: usize,
    is_long: bool,
}

impl Competition<'_> {
    /// Returns true if the network of `one` holds too much.
    fn is_over_share(&self, one: &Seen) -> bool {
        payers(self.page, one.origin, "") >= self.own + 2
    }

    /// Returns true if `one` may go.
    fn may_go(&self, one: &Seen) -> bool {
        let long = self.page.iter().filter(|one| one.is_long).count();
        let leaves_half = !self.is_long && long > PLACES / 2;
        let is_free =
            self.is_long && !one.is_used_up && payers(self.page, one.origin, "") >= self.own;
        self.is_over_share(one) || one.is_long && (leaves_half || is_free)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// A counter is forgotten only by the rules, and one that is used up only after all others that
    /// may go. No counter that is not forgotten exceeds its limit. A charge without a place leaves
    /// nothing that may go.
    #[test]
    fn a_page_forgets_only_by_its_rules(all in prop::collection::vec(sent(), 1..300)) {
        let mut bytes = Page::default().to_bytes();
        let mut now_ms = START_MS;
        let mut charged: BTreeMap<String, Vec<(u64, u64)>> = BTreeMap::new();
        for sent in &all {
            now_ms += sent.after_ms;
            let claim = sent.claim();
            let name = claim.charge.counter.as_str();
            let mut page = Page::from_bytes(&bytes).unwrap();
            let before = seen(&page, now_ms);
            let own = payers(&before, claim.origin, claim.charge.counter.slot_tag());
            let competition = Competition { page: &before, own, is_long: sent.is_long };
            let Ok(counted) = page.decide(now_ms, &[&claim]) else {
                prop_assert_eq!(before.len(), PLACES);
                prop_assert!(!before.iter().any(|one| competition.may_go(one)));
                continue;
            };
            let after = seen(&page, now_ms);
            prop_assert!(page.places.len() <= PLACES);
            let is_gone = |one: &&Seen| !after.iter().any(|other| other.name == one.name);
            let gone: Vec<&Seen> = before.iter().filter(is_gone).collect();
            prop_assert_eq!(counted.evicted, gone.len() as u64);
            for one in &gone {
                prop_assert!(before.len() == PLACES && competition.may_go(one), "{:?}", one);
                let better = before.iter().find(|one| !one.is_used_up && competition.may_go(one));
                prop_assert!(!one.is_used_up || better.is_none(), "{:?} {:?}", one, better);
                charged.remove(&one.name);
            }
            let counts = |(at_ms, _): &&(u64, u64)| at_ms + sent.window_ms() > now_ms;
            let used: u64 =
                charged.get(name).into_iter().flatten().filter(counts).map(|(_, cost)| cost).sum();
            prop_assert_eq!(counted.admitted, used + sent.cost <= LIMIT);
            if counted.admitted {
                charged.entry(name.to_owned()).or_default().push((now_ms, sent.cost));
                bytes = page.to_bytes();
            }
        }
    }
}

/// A page that is read at an earlier time than it was swept does not admit anything twice.
#[test]
fn a_clock_that_steps_back_finds_nothing_forgotten() {
    let of = |payer| Sent { payer, network: 0, cost: LIMIT, is_long: false, after_ms: 0 }.claim();
    let mut page = Page::default();
    let all: Vec<Claim> = (0..=32).map(of).collect();
    for claim in &all[..PLACES] {
        assert!(page.decide(START_MS, &[claim]).unwrap().admitted);
    }
    let expired_ms = START_MS + MINUTE_MS;
    let newcomer = page.decide(expired_ms, &[&all[PLACES]]).unwrap();
    assert_eq!((newcomer.admitted, newcomer.evicted, page.places.len()), (true, 0, 1));
    // The first counter is forgotten, so its window must not be open again.
    assert!(page.decide(START_MS + 1, &[&all[0]]).unwrap().admitted);
    assert!(!page.decide(expired_ms + MINUTE_MS - 1, &[&all[0]]).unwrap().admitted);
    assert!(page.decide(expired_ms + MINUTE_MS, &[&all[0]]).unwrap().admitted);
}
