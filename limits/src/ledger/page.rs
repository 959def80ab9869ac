//! A page of the table in which a gateway process counts without the ledger: a few counters that
//! are read and written together.
//!
//! When all places are taken, [`giving_way`] chooses the counter that loses its place to a new one,
//! if any. Called by [`crate::gate`]; uses the same arithmetic as [`super::Ledger`], without leases,
//! settles and blocks.

mod giving_way;
mod stored;

use super::judge;
use super::request::{self, Charge, Refusal};
use super::state::{Counter, Rules};
use crate::counter::slot_tag_of;
use crate::origin::Origin;
use crate::wire::ChargeOutcome;
use giving_way::{Taken, Tenant};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use stored::Stored;

/// The most counters of a page.
pub(crate) const PLACES: usize = 32;

/// The counters of one page.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Page<'a> {
    /// The latest time at which a counter was dropped. The page's time is never earlier, because
    /// earlier counts can no longer be known.
    swept_ms: u64,
    #[serde(borrow)]
    places: Vec<Place<'a>>,
}

/// A counter in its place.
#[derive(Debug, Serialize, Deserialize)]
struct Place<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    counter: Stored<'a>,
    tenant: Tenant,
}

/// A charge to count in a page.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// The charge, on a counter that no other claim of its request has.
    pub(crate) charge: Charge,
    /// The network that the request comes from.
    pub(crate) origin: Origin,
    /// True if the charge goes uncounted when its counter gets no place.
    pub(crate) is_optional: bool,
}

/// The decision on the claims of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// False if an enforced charge did not fit. Then nothing was charged.
    pub(crate) admitted: bool,
    /// One outcome per claim. `None` if its counter got no place.
    pub(crate) outcomes: Vec<Option<ChargeOutcome>>,
    /// The number of counters that still counted and lost their places.
    pub(crate) evicted: u64,
}

/// A claim that had to be counted and whose counter got no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoPlace {
    /// The claim's index.
    pub(crate) claim: usize,
}

impl<'a> Page<'a> {
    /// Decides `claims`, all or nothing.
    ///
    /// # Errors
    /// [`NoPlace`]; discard the page then, because it can have changed.
    pub(crate) fn decide(&mut self, now_ms: u64, claims: &[&Claim]) -> Result<Counted, NoPlace> {
        let now_ms = self.time_ms(now_ms);
        let mut judged = Vec::with_capacity(claims.len());
        for (claim, Claim { charge, .. }) in claims.iter().enumerate() {
            judged.push(self.judge(now_ms, charge).map_err(|_| NoPlace { claim })?);
        }
        let denies =
            |(claim, judged): (&&Claim, &Judged)| claim.charge.enforce && !judged.outcome.admitted;
        let admitted = !claims.iter().zip(&judged).any(denies);
        let mut counted = Counted { admitted, outcomes: Vec::new(), evicted: 0 };
        for (at, mut judged) in judged.into_iter().enumerate() {
            if admitted && judged.outcome.admitted {
                match self.charge(now_ms, claims, at, &mut judged) {
                    Some(evicted) => counted.evicted += evicted,
                    None if claims.get(at).is_some_and(|claim| claim.is_optional) => {
                        counted.outcomes.push(None);
                        continue;
                    }
                    None => return Err(NoPlace { claim: at }),
                }
            }
            counted.outcomes.push(Some(judged.outcome));
        }
        Ok(counted)
    }

    /// Returns the outcome that `charge` would have by itself. Charges nothing.
    ///
    /// # Errors
    /// [`Refusal::Clock`] if no period given contains the page's time.
    pub(crate) fn peek(&self, now_ms: u64, charge: &Charge) -> Result<ChargeOutcome, Refusal> {
        self.judge(self.time_ms(now_ms), charge).map(|judged| judged.outcome)
    }

    /// Takes back a charge made at `now_ms`, for a request that was denied elsewhere.
    pub(crate) fn undo(&mut self, now_ms: u64, charge: &Charge) {
        let now_ms = self.time_ms(now_ms);
        let Some(at) = self.find(charge) else { return };
        let Ok(Judged { rules, mut counter, .. }) = self.judge(now_ms, charge) else { return };
        let dated_ms = counter.at_ms(now_ms);
        counter.give_back(now_ms, charge.cost.get(), dated_ms, &rules);
        let is_empty = counter.read(now_ms, &rules).reset_ms == 0;
        if is_empty {
            self.places.swap_remove(at);
        } else if let Some(place) = self.places.get_mut(at) {
            place.counter = Stored::of(&counter);
        }
    }

    /// Serializes the page, for [`Self::from_bytes`] of the same build.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Restores a page from [`Self::to_bytes`]; `None` if the bytes are invalid.
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }

    fn time_ms(&self, now_ms: u64) -> u64 {
        request::on_the_clock(now_ms).max(self.swept_ms)
    }

    fn find(&self, charge: &Charge) -> Option<usize> {
        self.places.iter().position(|place| place.name == charge.counter.as_str())
    }

    fn judge(&self, now_ms: u64, charge: &Charge) -> Result<Judged, Refusal> {
        let rules = Rules::new(now_ms, &charge.terms)?;
        let place = self.find(charge).and_then(|at| self.places.get(at));
        let stored = place.and_then(|place| place.counter.counter());
        let stored = stored.filter(|counter| counter.matches(&rules));
        let counter = stored.unwrap_or_else(|| Counter::empty(&rules));
        let outcome = judge::judge(&counter, now_ms, charge, &rules);
        Ok(Judged { rules, counter, outcome })
    }

    /// Makes the charge of the claim at index `at`, which fits, and updates its outcome. Returns the
    /// number of counters evicted; `None` if its counter got no place.
    fn charge(
        &mut self,
        now_ms: u64,
        claims: &[&Claim],
        at: usize,
        judged: &mut Judged,
    ) -> Option<u64> {
        let Claim { charge, origin, .. } = claims.get(at)?;
        let mut tenant = Tenant::new(*origin, &charge.terms.method);
        let (mut evicted, place) = (0, self.find(charge));
        match place.and_then(|at| self.places.get(at)) {
            Some(place) => tenant.origin = place.tenant.origin,
            None => evicted = self.make_room(now_ms, claims, &tenant, charge.counter.slot_tag())?,
        }
        let Judged { rules, counter, outcome } = judged;
        judge::charge(counter, now_ms, charge, rules, outcome);
        tenant.note(charge.cost.get(), outcome, counter.expires_ms(rules));
        let counter = Stored::of(counter);
        match place.and_then(|at| self.places.get_mut(at)) {
            Some(place) => (place.counter, place.tenant) = (counter, tenant),
            None => {
                let name = Cow::Owned(charge.counter.as_str().to_owned());
                self.places.push(Place { name, counter, tenant });
            }
        }
        Some(evicted)
    }

    /// Makes room for the counter of `payer`, whose request has `claims`. Returns the number of
    /// counters evicted that still counted; `None` if there is no room.
    fn make_room(
        &mut self,
        now_ms: u64,
        claims: &[&Claim],
        newcomer: &Tenant,
        payer: &str,
    ) -> Option<u64> {
        if self.places.len() < PLACES {
            return Some(0);
        }
        self.places.retain(|place| place.tenant.expires_ms > now_ms);
        if self.places.len() < PLACES {
            self.swept_ms = self.swept_ms.max(now_ms);
            return Some(0);
        }
        let is_claimed =
            |place: &Place<'_>| claims.iter().any(|own| own.charge.counter.as_str() == place.name);
        let taken = self.places.iter().map(|place| Taken {
            tenant: &place.tenant,
            payer: slot_tag_of(&place.name),
            may_go: !is_claimed(place),
        });
        let chosen = giving_way::choose(&taken.collect::<Vec<_>>(), newcomer, payer)?;
        self.places.swap_remove(chosen);
        Some(1)
    }
}

/// A charge's outcome by itself, with its counter before anything is charged.
struct Judged {
    rules: Rules,
    counter: Counter,
    outcome: ChargeOutcome,
}

#[cfg(test)]
mod tests;
