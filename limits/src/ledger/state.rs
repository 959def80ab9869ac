//! A counter of any algorithm, and the rules for one decision on it.

use super::balance::Account;
use super::fixed::{Count, Period};
use super::reading::NEVER;
use super::reading::Reading;
use super::request::Refusal;
use super::sliding::{Log, Window};
use super::terms::{Method, Standing, Terms};
use super::token::Bucket;
use crate::bounded::MAX_SAFE;
use crate::quota::{SlidingWindow, TokenBucket};
use serde::{Deserialize, Serialize};

/// The value stored under a counter's name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Counter {
    Sliding(Log),
    Fixed(Count),
    Token(Bucket),
    Balance(Account),
}

/// The expiry of a counter that never expires.
pub(super) const NEVER_MS: u64 = u64::MAX;

/// Terms resolved for one time, with the current period and the limit in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) kind: Kind,
    pub(super) limit: u64,
    pub(super) standing: Standing,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Sliding(Window),
    Fixed(Period),
    Token(TokenBucket),
    /// The amount that everyone starts with.
    Balance(u64),
}

impl Rules {
    /// Resolves `terms` at `now_ms`.
    pub(super) fn new(now_ms: u64, terms: &Terms) -> Result<Self, Refusal> {
        let limit = terms.limit();
        let kind = match &terms.method {
            Method::SlidingWindow(SlidingWindow { window_ms, .. }) => {
                Kind::Sliding(Window { limit, window_ms: window_ms.get() })
            }
            Method::FixedWindow { periods, .. } => {
                let (start_ms, end_ms) =
                    periods.containing(now_ms).ok_or(Refusal::Clock { now_ms })?;
                Kind::Fixed(Period { limit, start_ms, end_ms })
            }
            Method::TokenBucket(tokens) => Kind::Token(*tokens),
            Method::Balance(balance) => Kind::Balance(balance.start.get()),
        };
        Ok(Self { kind, limit, standing: terms.standing })
    }

    /// Returns the most by which a lease's charge is dated ahead; 0 if leases are not dated ahead.
    pub(super) fn dated_ahead_ms(&self) -> u64 {
        match self.kind {
            Kind::Sliding(window) => window.longest_lease_ms(),
            Kind::Fixed(_) | Kind::Token(_) | Kind::Balance(_) => 0,
        }
    }

    /// Returns the end of an operator's block, if one is in force.
    pub(super) fn blocked_until_ms(&self, now_ms: u64) -> Option<u64> {
        match self.standing {
            Standing::BlockedUntil(until_ms) if now_ms < until_ms.get() => Some(until_ms.get()),
            _ => None,
        }
    }

    fn unlimited(&self) -> bool {
        matches!(self.standing, Standing::Unlimited)
    }
}

impl Counter {
    /// Creates an empty counter.
    pub(super) fn empty(rules: &Rules) -> Self {
        match rules.kind {
            Kind::Sliding(_) => Self::Sliding(Log::default()),
            Kind::Fixed(_) => Self::Fixed(Count::default()),
            Kind::Token(_) => Self::Token(Bucket::default()),
            Kind::Balance(_) => Self::Balance(Account::default()),
        }
    }

    /// Returns true if the counter uses the rules' algorithm. A counter of another one is ignored.
    pub(super) fn matches(&self, rules: &Rules) -> bool {
        matches!(
            (self, &rules.kind),
            (Self::Sliding(_), Kind::Sliding(_))
                | (Self::Fixed(_), Kind::Fixed(_))
                | (Self::Token(_), Kind::Token(_))
                | (Self::Balance(_), Kind::Balance(_))
        )
    }

    /// Reads the counter at `now_ms`.
    pub(super) fn read(&self, now_ms: u64, rules: &Rules) -> Reading {
        if rules.unlimited() {
            return Reading { left: MAX_SAFE, reset_ms: 0 };
        }
        match (self, &rules.kind) {
            (Self::Sliding(log), Kind::Sliding(window)) => log.read(now_ms, window),
            (Self::Fixed(count), Kind::Fixed(period)) => count.read(now_ms, period),
            (Self::Token(bucket), Kind::Token(tokens)) => bucket.read(now_ms, tokens),
            (Self::Balance(account), Kind::Balance(start)) => account.read(*start),
            _ => Self::empty(rules).read(now_ms, rules),
        }
    }

    /// Returns the limit in force: for a balance, all that the payer was ever given.
    pub(super) fn limit(&self, rules: &Rules) -> u64 {
        match (self, &rules.kind) {
            (Self::Balance(account), Kind::Balance(start)) if !rules.unlimited() => {
                account.limit(*start)
            }
            _ => rules.limit,
        }
    }

    /// Returns the time until `cost` fits. `cost`: more than is left, and at most the limit.
    pub(super) fn wait_ms(&self, now_ms: u64, cost: u64, rules: &Rules) -> u64 {
        match (self, &rules.kind) {
            (Self::Sliding(log), Kind::Sliding(window)) => log.wait_ms(now_ms, cost, window),
            (Self::Fixed(count), Kind::Fixed(period)) => count.until_ms(period) - now_ms,
            (Self::Token(bucket), Kind::Token(tokens)) => bucket.wait_ms(now_ms, cost, tokens),
            (Self::Balance(_), Kind::Balance(_)) => NEVER,
            _ => 0,
        }
    }

    /// Charges `cost`.
    pub(super) fn charge(&mut self, now_ms: u64, cost: u64, rules: &Rules) {
        match (self, &rules.kind) {
            (Self::Sliding(log), Kind::Sliding(window)) => log.charge(now_ms, cost, 0, window),
            (Self::Fixed(count), Kind::Fixed(period)) => count.charge(cost, period),
            (Self::Token(bucket), Kind::Token(tokens)) if rules.unlimited() => {
                bucket.drain(now_ms, cost, tokens);
            }
            (Self::Token(bucket), Kind::Token(tokens)) => bucket.charge(now_ms, cost, tokens),
            (Self::Balance(account), Kind::Balance(_)) => account.charge(now_ms, cost),
            _ => {}
        }
    }

    /// Returns the length of the longest lease, and the number of parties that share the remaining
    /// capacity; `None` if there are no leases.
    pub(super) fn lease_terms(&self, now_ms: u64, rules: &Rules) -> Option<(u64, u64)> {
        match (self, &rules.kind) {
            (Self::Sliding(log), Kind::Sliding(window)) => {
                Some((window.longest_lease_ms(), 2 + log.ahead(now_ms)))
            }
            (Self::Fixed(count), Kind::Fixed(period)) => Some((count.until_ms(period) - now_ms, 2)),
            _ => None,
        }
    }

    /// Charges a lease of `granted` that ends in `lease_ms`.
    pub(super) fn charge_lease(&mut self, now_ms: u64, granted: u64, lease_ms: u64, rules: &Rules) {
        match (self, &rules.kind) {
            (Self::Sliding(log), Kind::Sliding(window)) => {
                log.charge(now_ms, granted, lease_ms, window);
            }
            (counter, _) => counter.charge(now_ms, granted, rules),
        }
    }

    /// Returns the counter's time: `now_ms`, or the time it was last written if that is later.
    pub(super) fn at_ms(&self, now_ms: u64) -> u64 {
        match self {
            Self::Sliding(log) => log.at_ms(now_ms),
            Self::Fixed(_) | Self::Balance(_) => now_ms,
            Self::Token(bucket) => bucket.at_ms(now_ms),
        }
    }

    /// Returns the latest time of a decision that can have charged the counter.
    pub(super) fn latest_ms(&self, now_ms: u64, rules: &Rules) -> u64 {
        match (self, &rules.kind) {
            (Self::Fixed(count), Kind::Fixed(period)) => count.until_ms(period) - 1,
            _ => self.at_ms(now_ms),
        }
    }

    /// Returns the time until which `amount`, charged and dated `dated_ms`, can be given back;
    /// `None` if it no longer counts.
    pub(super) fn counts_until_ms(&self, dated_ms: u64, amount: u64, rules: &Rules) -> Option<u64> {
        match (self, &rules.kind) {
            (_, Kind::Sliding(window)) => Some(dated_ms + window.window_ms),
            (_, Kind::Token(tokens)) => Some(dated_ms + tokens.returns_within_ms(amount)),
            (Self::Fixed(count), Kind::Fixed(period)) => {
                (count.start_ms(period) <= dated_ms).then_some(count.until_ms(period))
            }
            (_, Kind::Fixed(_)) => None,
            // Always, unless the account was opened after the charge.
            (Self::Balance(account), Kind::Balance(_)) => {
                (account.since_ms() <= dated_ms).then_some(NEVER_MS)
            }
            (_, Kind::Balance(_)) => None,
        }
    }

    /// Gives back up to `amount` of the charge dated `dated_ms` that still counts.
    pub(super) fn give_back(&mut self, now_ms: u64, amount: u64, dated_ms: u64, rules: &Rules) {
        match (self, &rules.kind) {
            (Self::Sliding(log), Kind::Sliding(window)) => {
                log.give_back(now_ms, amount, dated_ms, window);
            }
            (Self::Fixed(count), Kind::Fixed(period)) => count.give_back(amount, period),
            (Self::Balance(account), Kind::Balance(_)) => account.give_back(amount),
            (Self::Token(bucket), Kind::Token(tokens)) => {
                bucket.give_back(now_ms, amount, dated_ms, tokens);
            }
            _ => {}
        }
    }

    /// Returns the time from which the counter equals a missing one.
    pub(super) fn expires_ms(&self, rules: &Rules) -> u64 {
        match (self, &rules.kind) {
            (Self::Sliding(log), Kind::Sliding(window)) => log.expires_ms(window),
            (Self::Fixed(count), _) => count.expires_ms(),
            (Self::Balance(_), _) => NEVER_MS,
            (Self::Token(bucket), Kind::Token(tokens)) => bucket.expires_ms(tokens),
            _ => 0,
        }
    }
}
