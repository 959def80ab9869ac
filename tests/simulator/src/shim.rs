//! The shim and its ledger: the real checks and calendar, the ledger of `limits`, virtual time. It
//! logs its actions for the checks.

mod oldest;

use crate::fault::Fault;
use crate::log::Act;
use ledger::checked;
use ledger::overrides::Book;
use ledger::prepare::Preparer;
use ledger::seal::{KEY_BYTES, Sealer};
use limits::counter::CounterName;
use limits::json::parse;
use limits::ledger::{Charge, Ledger, Method, NEVER, Settle, SettleId, Terms, TopUp, TopUpEffect};
use limits::quota::TopUpAmount;
use limits::wire::{
    ChargeOutcome, DECIDE_PATH, DecideBody, DecideReply, Decision, HEALTH_PATH, MARKER_HEADER,
    MARKER_VALUE, SettleAmount, SettleBody, SettleReply, Settled,
};
use oldest::Oldest;
use proxy_wasm_host::callout::Reply;
use proxy_wasm_host::headers::Headers;
use serde::Serialize;
use std::collections::BTreeMap;

/// The maximum number of counters in the ledger.
const CAPACITY: usize = 100_000;

/// A simulated shim.
#[derive(Debug)]
pub struct Shim {
    ledger: Ledger,
    book: Book,
    ahead_ms: u64,
    fault: Option<Fault>,
    sealer: Sealer,
    decisions: u64,
    /// The number of charges per counter.
    charges: BTreeMap<CounterName, u64>,
    /// The terms of each counter. If tiers share a counter, those with the highest limit.
    terms: BTreeMap<CounterName, Terms>,
    /// The ids of the settles that arrived.
    settled: BTreeMap<String, ()>,
    applied: u64,
    /// The end of each counter's last block, in Unix ms.
    blocked_until_ms: BTreeMap<CounterName, u64>,
    blocks: u64,
    top_ups: u64,
    /// The state of [`Fault::OldestGivenBack`].
    oldest: Oldest,
}

/// The result of a call.
#[derive(Debug)]
pub struct CallResult {
    /// The reply.
    pub reply: Reply,
    /// Amounts charged per counter, including leases.
    pub charged: Vec<(CounterName, u64)>,
    /// The number of decisions or settles in the reply.
    pub answers: usize,
    /// The ledger's time, in Unix ms.
    pub now_ms: u64,
    /// The ledger's actions, for the log.
    pub acts: Vec<Act>,
}

impl Shim {
    /// Creates a shim whose ledger clock runs `ahead_ms` ahead.
    #[must_use]
    pub fn new(ahead_ms: u64, fault: Option<Fault>) -> Self {
        Self {
            ledger: Ledger::new(CAPACITY),
            book: Book::default(),
            ahead_ms,
            fault,
            sealer: Sealer::new(&[0; KEY_BYTES]),
            decisions: 0,
            charges: BTreeMap::new(),
            terms: BTreeMap::new(),
            settled: BTreeMap::new(),
            applied: 0,
            blocked_until_ms: BTreeMap::new(),
            blocks: 0,
            top_ups: 0,
            oldest: Oldest::default(),
        }
    }

    /// Answers a call at `now_ms` (Unix ms).
    pub fn call(&mut self, now_ms: u64, path: &str, body: &[u8]) -> CallResult {
        let now_ms = self.ledger.time_ms(now_ms + self.ahead_ms);
        match path {
            HEALTH_PATH => call_result("200", b"{}".to_vec(), now_ms),
            DECIDE_PATH => self.decide(now_ms, body).unwrap_or_else(|| bad_request(now_ms)),
            _ => self.settle(now_ms, body).unwrap_or_else(|| bad_request(now_ms)),
        }
    }

    /// Returns the number of charges to `counter` so far. The beginning of a block counts as one.
    #[must_use]
    pub fn charges(&self, counter: &CounterName) -> u64 {
        self.charges.get(counter).copied().unwrap_or(0)
    }

    /// Returns true if the settle `id` has arrived.
    #[must_use]
    pub fn has_settled(&self, id: &str) -> bool {
        self.settled.contains_key(id)
    }

    /// Returns the number of settles that took effect.
    #[must_use]
    pub const fn settles_applied(&self) -> u64 {
        self.applied
    }

    /// Returns the number of blocks that began.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Tops up a balance, twice with the same id if `is_repeated`. Returns the ledger's time and its
    /// action.
    ///
    /// # Errors
    /// Fails if the ledger did not add the amount once.
    pub fn top_up(
        &mut self,
        now_ms: u64,
        counter: &CounterName,
        amount: u64,
        is_repeated: bool,
    ) -> Result<(u64, Act), String> {
        let now_ms = self.ledger.time_ms(now_ms + self.ahead_ms);
        self.top_ups += 1;
        let id = format!("top-up-{}", self.top_ups);
        let id = SettleId::try_from(id).map_err(|error| error.to_string())?;
        let added = TopUpAmount::new(amount).map_err(|error| error.to_string())?;
        let top_up = TopUp { counter: counter.clone(), amount: added, id };
        for time in 0..=u64::from(is_repeated) {
            let done = self.ledger.top_up(now_ms, &top_up).map_err(|error| error.to_string())?;
            if (done.effect == TopUpEffect::Added) != (time == 0) {
                return Err(format!("top-up {time} of {counter}: {done:?}"));
            }
        }
        Ok((now_ms, Act::ToppedUp { counter: counter.clone(), amount }))
    }

    /// Returns the usage of `counter` at `now_ms`, or `None` if it was never charged.
    #[must_use]
    pub fn used(&self, now_ms: u64, counter: &CounterName) -> Option<u64> {
        let terms = *self.terms.get(counter)?;
        let one = limits::wire::Cost::clamped(1);
        let charge = Charge {
            counter: counter.clone(),
            cost: one,
            enforce: true,
            terms,
            lease: None,
            block: None,
        };
        let outcome = self.ledger.peek(now_ms + self.ahead_ms, &charge).ok()?;
        Some(outcome.limit.saturating_sub(outcome.remaining))
    }

    /// Returns the number of counters in the ledger.
    #[must_use]
    pub fn counters(&self) -> usize {
        self.ledger.len()
    }

    fn decide(&mut self, now_ms: u64, body: &[u8]) -> Option<CallResult> {
        let requests = checked::requests(parse::<DecideBody>(body).ok()?).ok()?;
        let (mut charged, mut acts) = (Vec::new(), Vec::new());
        let mut decisions = Vec::with_capacity(requests.len());
        for request in &requests {
            let question = Preparer { book: &self.book, now_ms }.request(request).ok()?;
            let decided = self.ledger.decide(now_ms, &question).ok()?;
            self.decisions += 1;
            let unique = self.decisions.to_string();
            let unique = self.sealer.seal(now_ms, &unique, &request.charges, &decided);
            let mut decision = decided.named(now_ms, unique);
            for (charge, outcome) in question.charges().iter().zip(&decision.charges) {
                self.note_terms(charge);
                self.note_block(now_ms, charge, outcome);
                if decision.admitted && outcome.admitted {
                    let granted = outcome.lease.map_or(0, |lease| lease.granted);
                    charged.push((charge.counter.clone(), charge.cost.get() + granted));
                    acts.extend(charges_of(&decision.id, charge, outcome));
                }
            }
            self.apply_fault(question.charges(), &mut decision);
            for (charge, outcome) in question.charges().iter().zip(&decision.charges) {
                acts.extend(refusal_of(charge, outcome));
            }
            decisions.push(decision);
        }
        for (counter, _) in &charged {
            *self.charges.entry(counter.clone()).or_default() += 1;
        }
        let answers = decisions.len();
        if self.fault == Some(Fault::OldestGivenBack) {
            self.oldest.note(now_ms, &acts);
        }
        let reply = DecideReply { now_ms, decisions };
        Some(CallResult { charged, answers, acts, ..call_result("200", json(&reply), now_ms) })
    }

    fn settle(&mut self, now_ms: u64, body: &[u8]) -> Option<CallResult> {
        let settles = checked::settles(parse::<SettleBody>(body).ok()?).ok()?;
        let mut settled = Vec::with_capacity(settles.len());
        let (mut charged, mut acts) = (Vec::new(), Vec::new());
        let names = parse::<SettleBody>(body).ok()?.settles.into_iter();
        let names: Vec<_> = names.map(|settle| (settle.id, settle.decision)).collect();
        for (settle, (id, decision)) in settles.iter().zip(names) {
            let mut whole = Settled { applied: false, remaining: vec![0; settle.charges.len()] };
            if self.fault != Some(Fault::SettlesSwallowed) {
                let parts = self.parts(now_ms, settle)?;
                let parts = match self.fault {
                    Some(Fault::OldestGivenBack) => self.oldest.rewrite(now_ms, &parts),
                    _ => parts,
                };
                for part in parts {
                    whole.applied |= self.ledger.settle(now_ms, &part).ok()?.applied;
                }
            }
            for charge in &settle.charges {
                if let SettleAmount::Charge(amount) = charge.amount {
                    charged.push((charge.counter.clone(), amount.get()));
                }
            }
            if self.settled.insert(id, ()).is_none() {
                acts.extend(given_back(&decision, settle));
            }
            self.applied += u64::from(whole.applied);
            settled.push(whole);
        }
        let answers = settled.len();
        let reply = call_result("200", json(&SettleReply { now_ms, settled }), now_ms);
        Some(CallResult { charged, answers, acts, ..reply })
    }

    fn note_terms(&mut self, charge: &Charge) {
        let held = self.terms.entry(charge.counter.clone()).or_insert(charge.terms);
        if charge.terms.limit() > held.limit() {
            *held = charge.terms;
        }
    }

    /// Counts a block that has just begun.
    fn note_block(&mut self, now_ms: u64, charge: &Charge, outcome: &ChargeOutcome) {
        let until_ms = now_ms + outcome.reset_ms;
        let is_new = |before: Option<u64>| before != Some(until_ms);
        if outcome.blocked && is_new(self.blocked_until_ms.insert(charge.counter.clone(), until_ms))
        {
            self.blocks += 1;
            *self.charges.entry(charge.counter.clone()).or_default() += 1;
        }
    }

    /// Splits a settle into parts, one for each identity and lease. Returns `None` if no decision
    /// made the charge.
    fn parts(&self, now_ms: u64, settle: &checked::Settle) -> Option<Vec<Settle>> {
        let preparer = Preparer { book: &self.book, now_ms };
        let parts = self.sealer.parts(settle).ok()?;
        parts.iter().map(|part| preparer.part(settle, part).ok()?).collect()
    }

    /// Alters a decision as the planted fault would.
    fn apply_fault(&self, charges: &[Charge], decision: &mut Decision) {
        match self.fault {
            Some(Fault::BalanceOverspent) if self.decisions.is_multiple_of(3) => {
                for (charge, outcome) in charges.iter().zip(&mut decision.charges) {
                    outcome.admitted |= matches!(charge.terms.method, Method::Balance(_));
                }
                decision.admitted |= decision.charges.iter().all(|charge| charge.admitted);
            }
            Some(Fault::AdmitsTooMany) if self.decisions.is_multiple_of(3) => {
                decision.admitted = decision.error.is_none();
                decision.retry_after_ms = 0;
                decision.charges.iter_mut().for_each(|charge| charge.admitted = true);
            }
            Some(Fault::BlocksLeak) if self.decisions.is_multiple_of(3) => {
                decision.charges.iter_mut().for_each(|charge| charge.admitted |= charge.blocked);
                decision.admitted |= decision.charges.iter().all(|charge| charge.admitted);
            }
            Some(Fault::WaitTooShort) => {
                decision.retry_after_ms /= 8;
                decision.charges.iter_mut().for_each(|charge| charge.retry_after_ms /= 8);
            }
            _ => {}
        }
    }
}

fn json(reply: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(reply).unwrap_or_default()
}

fn call_result(status: &str, body: Vec<u8>, now_ms: u64) -> CallResult {
    let headers = Headers::of([
        (":status", status),
        (MARKER_HEADER, MARKER_VALUE),
        ("content-type", "application/json"),
    ]);
    let reply = Reply { headers, body, trailers: Headers::default() };
    CallResult { reply, charged: Vec::new(), answers: 0, now_ms, acts: Vec::new() }
}

fn bad_request(now_ms: u64) -> CallResult {
    call_result("400", b"{}".to_vec(), now_ms)
}

/// Returns the log entries for `charge` in the decision `id`: its cost, and its lease.
fn charges_of(id: &str, charge: &Charge, outcome: &ChargeOutcome) -> impl Iterator<Item = Act> {
    let act = |amount, lease_ms| Act::Charged {
        decision: id.to_owned(),
        counter: charge.counter.clone(),
        method: charge.terms.method,
        amount,
        lease_ms,
    };
    let lease = outcome.lease.map(|lease| act(lease.granted, Some(lease.lease_ms)));
    [act(charge.cost.get(), None)].into_iter().chain(lease)
}

/// Returns the log entry for a refusal of `charge`, unless it costs more than the limit.
fn refusal_of(charge: &Charge, outcome: &ChargeOutcome) -> Option<Act> {
    let is_balance = matches!(charge.terms.method, Method::Balance(_));
    let counts = is_balance || outcome.retry_after_ms < NEVER;
    (!outcome.admitted && counts).then(|| Act::Refused {
        counter: charge.counter.clone(),
        method: charge.terms.method,
        cost: charge.cost.get(),
        retry_after_ms: outcome.retry_after_ms,
        blocked_ms: outcome.blocked.then_some(outcome.reset_ms),
    })
}

/// Returns the log entries for the refunds in a settle of `decision`.
fn given_back(decision: &str, settle: &checked::Settle) -> impl Iterator<Item = Act> {
    settle.charges.iter().filter_map(move |charge| match charge.amount {
        SettleAmount::GiveBack(amount) => Some(Act::GivenBack {
            decision: decision.to_owned(),
            counter: charge.counter.clone(),
            amount: amount.get(),
            is_lease: charge.lease_ms.is_some(),
        }),
        SettleAmount::Charge(_) => None,
    })
}
