//! The planted fault of giving back from the oldest: settles are rewritten to be of the oldest
//! charges that count, whichever they are of.

use crate::log::Act;
use limits::counter::CounterName;
use limits::ledger::{Method, Settle, SettleCharge, SettleId, TimeMs};
use limits::quota::{Limit, SlidingWindow, WindowMs};
use limits::wire::SettleAmount;
use std::collections::BTreeMap;

/// What counts in sliding windows: when it was charged, as a lease of which length, by its date.
#[derive(Debug, Default)]
pub(super) struct Oldest {
    counters: BTreeMap<CounterName, BTreeMap<(u64, u64), u64>>,
    /// What has come back, by its mark: settles of a lease say how much of it in all.
    marks: BTreeMap<String, u64>,
    settles: u64,
}

impl Oldest {
    /// Notes what the ledger charged at `now_ms`.
    pub(super) fn note(&mut self, now_ms: u64, acts: &[Act]) {
        for act in acts {
            if let Act::Charged { counter, amount, lease_ms, .. } = act {
                let lease_ms = lease_ms.unwrap_or(0);
                let dates = self.counters.entry(counter.clone()).or_default();
                *dates.entry((now_ms + lease_ms, lease_ms)).or_default() += amount;
            }
        }
    }

    /// Settles of the oldest charges in place of `parts`.
    pub(super) fn instead(&mut self, now_ms: u64, parts: &[Settle]) -> Vec<Settle> {
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
                for (made_ms, charge) in self.of_the_oldest(now_ms, made_ms, charge, before) {
                    self.settles += 1;
                    let id: Option<SettleId> = format!("oldest-{}", self.settles).try_into().ok();
                    let made_ms = TimeMs::clamped(made_ms);
                    settles.extend(id.and_then(|id| Settle::new(id, made_ms, vec![charge]).ok()));
                }
            }
        }
        settles
    }

    /// What is given back, of what was charged when, in place of `charge` of what was at `made_ms`.
    fn of_the_oldest(
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
