//! A ledger that speaks the wire's JSON: the pure arithmetic of `limits`, and the calendar.

use crate::calendar::{Span, Zone};
use limits::counter::CounterName;
use limits::ledger::{
    self, Charge, Ledger, Method, Periods, Settle, SettleCharge, SettleId, Terms, TimeMs, TopUp,
    decision_ms,
};
use limits::quota::{FixedWindow, Quota, TopUpAmount};
use limits::wire::{
    self, DecideBody, DecideReply, Decision, SettleBody, SettleReply, Settled, decision_name,
};
use std::collections::BTreeMap;

const CAPACITY: usize = 100_000;

/// The counters of one run.
#[derive(Debug)]
pub(crate) struct LedgerService {
    ledger: Ledger,
    decisions: u64,
    top_ups: u64,
    changes: Changes,
}

/// The effects of one request on the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The counters that were charged.
    pub charged: Vec<CounterName>,
    /// The settles, each by the identity ([`CounterName::slot_tag`]) whose charges came back.
    pub settled: Vec<String>,
}

impl LedgerService {
    pub(crate) fn new() -> Self {
        Self {
            ledger: Ledger::new(CAPACITY),
            decisions: 0,
            changes: Changes::default(),
            top_ups: 0,
        }
    }

    pub(crate) const fn changes(&self) -> &Changes {
        &self.changes
    }

    pub(crate) fn forget_changes(&mut self) {
        self.changes = Changes::default();
    }

    /// Answers the body of a decide call.
    ///
    /// # Errors
    /// Fails if the body is invalid.
    pub(crate) fn decide(&mut self, now_ms: u64, body: &[u8]) -> Result<DecideReply, String> {
        let body: DecideBody = limits::json::parse(body).map_err(|error| error.to_string())?;
        let decisions = body.requests.iter().map(|request| self.decide_one(now_ms, request));
        Ok(DecideReply { now_ms, decisions: decisions.collect::<Result<_, _>>()? })
    }

    fn decide_one(&mut self, now_ms: u64, request: &wire::Request) -> Result<Decision, String> {
        let charges = request.charges.iter().map(|charge| {
            Ok(Charge {
                counter: charge.counter.clone(),
                cost: charge.cost,
                enforce: charge.enforce,
                terms: terms(charge.quota, now_ms)?,
                lease: charge.lease,
                block: charge.block,
            })
        });
        let charges = charges.collect::<Result<_, String>>()?;
        let request = ledger::Request::new(charges).map_err(|error| error.to_string())?;
        let decided = self.ledger.decide(now_ms, &request).map_err(|error| error.to_string())?;
        self.decisions += 1;
        let taken = request.charges().iter().zip(&decided.charges);
        let taken = taken.filter(|(_, outcome)| decided.admitted && outcome.admitted);
        self.changes.charged.extend(taken.map(|(charge, _)| charge.counter.clone()));
        Ok(decided.named(now_ms, self.decisions))
    }

    /// Tops up a balance, each time with a new id.
    ///
    /// # Errors
    /// Fails if the amount is invalid.
    pub(crate) fn top_up(
        &mut self,
        now_ms: u64,
        counter: CounterName,
        amount: u64,
    ) -> Result<(), String> {
        self.top_ups += 1;
        let id = format!("top-up-{}", self.top_ups);
        let id = SettleId::try_from(id).map_err(|error| error.to_string())?;
        let amount = TopUpAmount::new(amount).map_err(|error| error.to_string())?;
        let topped_up = self.ledger.top_up(now_ms, &TopUp { counter, amount, id });
        topped_up.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Answers the body of a settle call.
    ///
    /// # Errors
    /// Fails if the body is invalid.
    pub(crate) fn settle(&mut self, now_ms: u64, body: &[u8]) -> Result<SettleReply, String> {
        let body: SettleBody = limits::json::parse(body).map_err(|error| error.to_string())?;
        let settled = body.settles.into_iter().map(|settle| self.settle_one(now_ms, settle));
        Ok(SettleReply { now_ms, settled: settled.collect::<Result<_, _>>()? })
    }

    /// Applies a settle, in one part for each identity.
    fn settle_one(&mut self, now_ms: u64, settle: wire::Settle) -> Result<Settled, String> {
        let decided_ms = decision_ms(decision_name(&settle.decision));
        let decided_ms = decided_ms.map_err(|error| error.to_string())?;
        let mut parts: BTreeMap<String, Vec<SettleCharge>> = BTreeMap::new();
        for charge in settle.charges {
            parts.entry(charge.counter.slot_tag().to_owned()).or_default().push(SettleCharge {
                terms: terms(charge.quota, now_ms)?,
                counter: charge.counter,
                amount: charge.amount,
                lease_ms: charge.lease_ms,
            });
        }
        let mut whole = Settled { applied: false, remaining: Vec::new() };
        for (tag, charges) in parts {
            let id = settle.id.clone().try_into().map_err(|error| format!("{error}"))?;
            let part = Settle::new(id, decided_ms, charges).map_err(|error| error.to_string())?;
            let settled = self.ledger.settle(now_ms, &part).map_err(|error| error.to_string())?;
            self.changes.settled.push(tag);
            whole.applied |= settled.applied;
            whole.remaining.extend(settled.remaining);
        }
        Ok(whole)
    }
}

/// Returns the terms of a quota, as the shim prepares them.
fn terms(quota: Quota, now_ms: u64) -> Result<Terms, String> {
    Ok(Terms::limited(match quota {
        Quota::SlidingWindow(window) => Method::SlidingWindow(window),
        Quota::FixedWindow(FixedWindow { limit, per, time_zone, anchor }) => {
            let zone = Zone::of(time_zone).ok_or("the calendar lacks the time zone")?;
            let periods = periods(|now_ms| zone.period(per, anchor, now_ms), now_ms);
            let periods = periods.ok_or("the calendar has no period")?;
            Method::FixedWindow { limit, periods }
        }
        Quota::TokenBucket(bucket) => Method::TokenBucket(bucket),
        Quota::Balance(balance) => Method::Balance(balance),
    }))
}

/// Returns the period of `now_ms` and the next.
fn periods(period: impl Fn(u64) -> Option<Span>, now_ms: u64) -> Option<Periods> {
    let span = period(now_ms)?;
    let end_ms = period(span.end_ms)?.end_ms;
    let [a, b, c] = [span.start_ms, span.end_ms, end_ms].map(TimeMs::new);
    Periods::new([a.ok()?, b.ok()?, c.ok()?]).ok()
}
