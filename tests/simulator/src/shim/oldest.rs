//! A planted fault: rewrites settles to refund the oldest live charges instead of their own.

use crate::log::Act;
use limits::counter::CounterName;
use limits::ledger::{Method, Settle, SettleCharge, SettleId, TimeMs};
use limits::quota::{Limit, SlidingWindow, WindowMs};
use limits::wire::SettleAmount;
use std::collections::BTreeMap;

/// The live charges of sliding windows: the amount left by date and lease duration, in ms.
#[derive(Debug, Default)]
pub(super) struct Oldest {
    counters: BTreeMap<CounterName, BTreeMap<(u64, u64), u64>>,
    /// The amount refunded so far, by the settle's mark. Settles of a lease carry running totals.
    marks: BTreeMap<String, u64>,
    settles: u64,
}

impl Oldest {
    /// Records the charges that the ledger made at `now_ms`.
    pub(super) fn note(&mut self, now_ms: u64, acts: &[Act]) {
        for act in acts {
            if let Act::Charged { counter, amount, lease_ms, .. } = act {
                let lease_ms = lease_ms.unwrap_or(0);
                let dates = self.counters.entry(counter.clone()).or_default();
                *dates.entry((now_ms + lease_ms, lease_ms)).or_default() += amount;
            }
        }
    }

    /// Returns settles of the oldest charges in place of `parts`.
    pub(super) fn rewrite(&mut self, now_ms: u64, parts: &[Settle]) -> Vec<Settle> {
        let mut settles = Vec::new();
        for part in parts {
            let before = self.marks.get(&part.mark()).copied().unwrap_or(0);
            if before >= part.given_back() {
                continue;
            }
            self.marks.insert(part.mark(), part.given_back());
            for charge in part.charges() {
                let before = if charge.lease_ms.is_some() { before } else { 0 };
                let made_ms = part.decision_ms();
                for (made_ms, charge) in self.oldest_refunds(now_ms, made_ms, charge, before) {
                    self.settles += 1;
                    let id: Option<SettleId> = format!("oldest-{}", self.settles).try_into().ok();
                    let made_ms = TimeMs::clamped(made_ms);
                    settles.extend(id.and_then(|id| Settle::new(id, made_ms, vec![charge]).ok()));
                }
            }
        }
        settles
    }

    /// Returns the refunds, each with its charge's time, that replace a refund of `charge`, which
    /// was made at `made_ms`.
    fn oldest_refunds(
        &mut self,
        now_ms: u64,
        made_ms: u64,
        charge: &SettleCharge,
        before: u64,
    ) -> Vec<(u64, SettleCharge)> {
        let dates = self.counters.entry(charge.counter.clone()).or_default();
        let (
            Method::SlidingWindow(SlidingWindow { window_ms, .. }),
            SettleAmount::GiveBack(amount),
        ) = (charge.terms.method, charge.amount)
        else {
            return vec![(made_ms, charge.clone())];
        };
        let (mut owed, mut taken_of) = (amount.get().saturating_sub(before), Vec::new());
        dates.retain(|(date_ms, _), left| *left > 0 && date_ms + window_ms.get() > now_ms);
        for ((date_ms, lease_ms), left) in dates.iter_mut() {
            if owed == 0 {
                break;
            }
            let taken = owed.min(*left);
            (owed, *left) = (owed - taken, *left - taken);
            let oldest = SettleCharge {
                amount: SettleAmount::GiveBack(Limit::clamped(taken)),
                lease_ms: (*lease_ms > 0).then(|| WindowMs::clamped(*lease_ms)),
                ..charge.clone()
            };
            taken_of.push((date_ms - lease_ms, oldest));
        }
        taken_of
    }
}
