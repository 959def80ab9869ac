//! Chooses the counter of a full page that gives way to a new one.
//!
//! A counter can lose its place for one of three reasons:
//!
//! - **Its network holds too much**: at least two more payers in the page than the new counter's
//!   network has besides the new one. So no network can keep the others out.
//! - **It counts for long** (over an hour), the new one does not, and such counters hold more than
//!   half of the page. So quotas of a day leave room for limits of a minute.
//! - **It counts for long and is not used up**, the new one counts for long too, and the new one's
//!   network does not hold more. So new quotas of a day do not wait for a day.
//!
//! Of several, the first to go is one that is not used up, then one of the network with the most
//! payers, then the least used, then the one that expires first. To forget a counter that is used up
//! forgives its payer, so it goes only if nothing else can.

use crate::ledger::terms::Method;
use crate::origin::Origin;
use crate::quota::SlidingWindow;
use crate::wire::ChargeOutcome;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

/// The longest time that a counter can count without being a long one.
const LONG_MS: u64 = 3_600_000;
/// The `used` of a counter that has no room for another charge like its last one.
const USED_UP: u8 = 100;

/// The properties of a counter that its place depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tenant {
    /// The network that charged it first.
    pub(super) origin: Origin,
    /// True if it counts for more than an hour after a charge.
    pub(super) is_long: bool,
    /// The used part of its limit at its last charge, in percent.
    pub(super) used: u8,
    /// The time from which it equals a missing counter.
    pub(super) expires_ms: u64,
}

impl Tenant {
    /// Creates the tenant of a counter that nothing was charged to.
    pub(super) fn new(origin: Origin, method: &Method) -> Self {
        let counts_ms = match method {
            Method::SlidingWindow(SlidingWindow { window_ms, .. }) => window_ms.get(),
            Method::TokenBucket(tokens) => tokens.capacity().div_ceil(tokens.rate()),
            Method::FixedWindow { .. } | Method::Balance(_) => u64::MAX,
        };
        Self { origin, is_long: counts_ms > LONG_MS, used: 0, expires_ms: 0 }
    }

    /// Records a charge of `cost` and its outcome.
    pub(super) fn note(&mut self, cost: u64, outcome: &ChargeOutcome, expires_ms: u64) {
        let left = u128::from(outcome.remaining) * 100 / u128::from(outcome.limit.max(1));
        let used = USED_UP.saturating_sub(u8::try_from(left).unwrap_or(USED_UP));
        self.used = if outcome.remaining < cost { USED_UP } else { used.min(USED_UP - 1) };
        self.expires_ms = expires_ms;
    }

    pub(super) const fn is_used_up(&self) -> bool {
        self.used >= USED_UP
    }
}

/// An occupied place of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) payer: &'a str,
    /// False if the new counter's own request needs it.
    pub(super) may_go: bool,
}

/// Returns the index of the place whose tenant gives way to `newcomer`, if any.
pub(super) fn choose(places: &[Taken<'_>], newcomer: &Tenant, payer: &str) -> Option<usize> {
    let mut payers: Vec<(Origin, &str)> =
        places.iter().map(|place| (place.tenant.origin, place.payer)).collect();
    payers.sort_unstable();
    payers.dedup();
    let held = |origin| payers.iter().filter(|(own, _)| *own == origin).count();
    let is_own = |(origin, other): &&(Origin, &str)| *origin == newcomer.origin && *other != payer;
    let own = payers.iter().filter(is_own).count();
    let long = places.iter().filter(|place| place.tenant.is_long).count();
    let gives_way = |tenant: &Tenant, held: usize| {
        held >= own + 2
            || tenant.is_long && !newcomer.is_long && long > places.len() / 2
            || tenant.is_long && newcomer.is_long && !tenant.is_used_up() && held >= own
    };
    let movable = places.iter().enumerate().filter(|(_, place)| place.may_go);
    let candidates = movable.filter_map(|(at, Taken { tenant, .. })| {
        let held = held(tenant.origin);
        let rank = (tenant.is_used_up(), Reverse(held), tenant.used, tenant.expires_ms);
        gives_way(tenant, held).then_some((rank, at))
    });
    candidates.min().map(|(_, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses `a5`: network a, half used. A third letter is the payer, so that `a5x` and `a0x` have
    /// one payer; X stands for used up, and an L at the end for a counter that counts for long.
    fn parse(text: &str) -> (Tenant, String) {
        let (text, is_long) = text.strip_suffix('L').map_or((text, false), |text| (text, true));
        let mut chars = text.chars();
        let network = u8::try_from(chars.next().unwrap()).unwrap();
        let used = match chars.next().unwrap() {
            'X' => USED_UP,
            digit => u8::try_from(digit.to_digit(10).unwrap()).unwrap() * 10,
        };
        let origin = Origin::of([network, 0, 0, 1].into());
        (Tenant { origin, is_long, used, expires_ms: 0 }, chars.collect())
    }

    /// Asserts which counter of `page` gives way to `newcomer`; "" for none. `own`: the counters of
    /// the newcomer's request.
    fn check_with(page: &str, own: &[&str], newcomer: &str, expected: &str) {
        let counters = page.split(' ').enumerate();
        let parsed: Vec<_> = counters
            .map(|(at, text)| {
                let (tenant, payer) = parse(text);
                (tenant, if payer.is_empty() { at.to_string() } else { payer }, text)
            })
            .collect();
        let places: Vec<Taken<'_>> = parsed
            .iter()
            .map(|(tenant, payer, text)| Taken { tenant, payer, may_go: !own.contains(text) })
            .collect();
        let (newcomer_tenant, payer) = parse(newcomer);
        let chosen = choose(&places, &newcomer_tenant, &payer);
        let chosen = chosen.map_or("", |at| page.split(' ').nth(at).unwrap());
        assert_eq!(chosen, expected, "{newcomer} comes to {page}");
    }

    fn check(page: &str, newcomer: &str, expected: &str) {
        check_with(page, &[], newcomer, expected);
    }

    #[test]
    fn a_network_with_more_payers_gives_way() {
        check("a5 a5 a3 b1", "c0", "a3");
        check("a5 a5 b1 b1", "b0", "");
        check("a5 a5 a5 a4 b1", "b0", "a4");
        check("a5 b5 c5 d5", "b0", "");
        check("a5 a5 a5 a5", "a0", "");
    }

    #[test]
    fn a_payer_with_many_counters_is_one_payer() {
        check("a5p a5p a3p a1p", "b0", "");
        check("a5p a5p a3q a1q", "b0", "a1q");
        check("b5p a5 a5 a3", "b0p", "a3");
        check_with("b0p a5p a5q a3r", &["b0p"], "b0p", "a3r");
    }

    #[test]
    fn a_used_up_counter_goes_last() {
        check("aX aX aX b9 b9", "c0", "b9");
        check("aX aX aX b9", "c0", "aX");
        check("aX aX bX bX", "a0", "");
    }

    #[test]
    fn long_counters_leave_half_of_the_page_to_short_ones() {
        check("a5L b3L c4L d1", "d0", "b3L");
        check("aXL bXL cXL d1", "d0", "aXL");
        check("a5L b5L c5 d5", "d0", "");
    }

    #[test]
    fn long_counters_that_are_not_used_up_give_way_to_each_other() {
        check("a5L b3L c4L d1", "d0L", "b3L");
        check("aXL bXL cXL d1", "d0L", "");
        check("a5L a9L a7L b3L", "a0L", "a5L");
        check("a5 b5 c5 d5", "d0L", "");
    }

    #[test]
    fn counters_of_the_same_request_stay() {
        check_with("a1 a2 a3 a4", &["a1", "a2"], "b0", "a3");
        check_with("a1 a1 a1 a1", &["a1"], "b0", "");
    }

    #[test]
    fn a_counter_without_room_for_the_same_cost_is_used_up() {
        let check = |cost, remaining, expected| {
            let outcome = ChargeOutcome {
                admitted: true,
                limit: 10,
                remaining,
                reset_ms: 1,
                retry_after_ms: 0,
                lease: None,
                blocked: false,
            };
            let (mut tenant, _) = parse("a0");
            tenant.note(cost, &outcome, 1);
            assert_eq!((tenant.used, tenant.is_used_up()), (expected, expected == USED_UP));
        };
        check(1, 9, 10);
        check(1, 0, USED_UP);
        check(6, 5, USED_UP);
        check(5, 5, 50);
    }
}
