//! Sends charges back to the ledger: gathered, batched, and retried a few times. Called by
//! `give_back`, `ready`, `reply` and `tick`.
//!
//! Settles are idempotent, so retrying is safe. Parts of one lease are sent in order, each with the
//! total so far, so a lost part comes back with the next.

use super::charged::Part;
use super::timer::Timer;
use crate::wire::{MAX_BATCH, MAX_CHARGES, Settle, decision_name};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// The most settles that wait to be sent. Any more are dropped, which errs on the safe side: their
/// charges stay.
const MAX_WAITING: usize = 4_096;
/// The most settles in one call.
const MAX_IN_CALL: usize = MAX_BATCH / 2;
/// The number of times a batch is sent before it is given up.
const MAX_ATTEMPTS: u32 = 5;
/// The pause before a failed batch is sent again, in ms.
const REST_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Settles {
    waiting: VecDeque<Settle>,
    sent: Option<Sent>,
    /// A counter that makes the ids of one lease's settles unique.
    leases: u64,
}

#[derive(Debug)]
struct Sent {
    batch: Vec<Settle>,
    attempts: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    UnderWay { call: u32, lost: Timer },
    Failed { again: Timer },
}

/// The outcome of sending a batch of settles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SendOutcome {
    /// The shim accepted these settles.
    Arrived(Vec<Settle>),
    /// The settles will be sent again.
    Failed,
    /// This many settles were given up.
    GivenUp(usize),
    /// The call is not under way.
    Unknown,
}

/// The result of a settle call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleResult {
    /// The ledger accepted it.
    Accepted,
    /// The ledger rejected it as invalid, and would do so again.
    Rejected,
    /// No valid reply arrived.
    Lost,
}

impl Settles {
    /// Queues parts of one decision's charges to be given back. Returns the number of settles
    /// dropped.
    pub(super) fn give_back(&mut self, parts: &[Part]) -> usize {
        // A decision is settled at most once, so its own name is a unique id.
        let Some(first) = parts.first() else { return 0 };
        self.push(decision_name(&first.decision).to_owned(), parts)
    }

    /// Queues a part of a lease to be given back. Returns the number of settles dropped.
    pub(super) fn return_lease(&mut self, part: &Part) -> usize {
        self.leases = self.leases.wrapping_add(1);
        part.returned.fetch_add(part.amount, Ordering::Relaxed);
        let id = format!("{}.{}", decision_name(&part.decision), self.leases);
        self.push(id, std::slice::from_ref(part))
    }

    /// Returns true if nothing is waiting or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_none()
    }

    /// Returns true if a call is due.
    pub(super) fn is_ready(&self, now_ms: u64) -> bool {
        match &self.sent {
            Some(sent) => sent.is_due(now_ms),
            None => !self.waiting.is_empty(),
        }
    }

    /// Returns the settles of the call to make now, with id `call`, if one is due.
    pub(super) fn take_call(
        &mut self,
        now_ms: u64,
        call: u32,
        lost_after_ms: u64,
    ) -> Option<Vec<Settle>> {
        if !self.is_ready(now_ms) {
            return None;
        }
        let mut sent = self.sent.take().unwrap_or_else(|| {
            let count = self.waiting.len().min(MAX_IN_CALL);
            let batch = self.waiting.drain(..count).collect();
            Sent { batch, attempts: 0, state: State::Failed { again: Timer::after(now_ms, 0) } }
        });
        sent.attempts += 1;
        sent.state = State::UnderWay { call, lost: Timer::after(now_ms, lost_after_ms) };
        let settles = sent.batch.clone();
        self.sent = Some(sent);
        Some(settles)
    }

    /// Returns the settles of the call under way, if its id is `call`.
    pub(super) fn of_call(&self, call: u32) -> &[Settle] {
        let sent = self.sent.as_ref().filter(|sent| sent.is_under_way(call));
        sent.map_or(&[], |sent| &sent.batch)
    }

    /// Handles the reply to a call, or its failure. Ignores a call that was given up, because its
    /// reply would otherwise be attributed to the batch under way.
    pub(super) fn replied(&mut self, now_ms: u64, call: u32, result: SettleResult) -> SendOutcome {
        let Some(mut sent) = self.sent.take_if(|sent| sent.is_under_way(call)) else {
            return SendOutcome::Unknown;
        };
        let count = sent.batch.len();
        match result {
            SettleResult::Accepted => SendOutcome::Arrived(sent.batch),
            SettleResult::Rejected if count == 1 => SendOutcome::GivenUp(count),
            SettleResult::Rejected => {
                self.halve(now_ms, sent);
                SendOutcome::Failed
            }
            SettleResult::Lost if sent.attempts >= MAX_ATTEMPTS => SendOutcome::GivenUp(count),
            SettleResult::Lost => {
                sent.state = State::Failed { again: Timer::after(now_ms, REST_MS) };
                self.sent = Some(sent);
                SendOutcome::Failed
            }
        }
    }

    /// Gives up a call whose reply did not arrive in time.
    pub(super) fn tick(&mut self, now_ms: u64) -> SendOutcome {
        match self.sent.as_ref().map(|sent| &sent.state) {
            Some(State::UnderWay { call, lost }) if lost.is_due(now_ms) => {
                self.replied(now_ms, *call, SettleResult::Lost)
            }
            _ => SendOutcome::Unknown,
        }
    }

    /// Splits a rejected batch: its first half is sent separately, the rest with the waiting
    /// settles. Repeated splitting isolates the invalid settle.
    fn halve(&mut self, now_ms: u64, mut sent: Sent) {
        for settle in sent.batch.drain(sent.batch.len() / 2..).rev() {
            self.waiting.push_front(settle);
        }
        sent.attempts = 0;
        sent.state = State::Failed { again: Timer::after(now_ms, 0) };
        self.sent = Some(sent);
    }

    fn push(&mut self, id: String, parts: &[Part]) -> usize {
        if self.waiting.len() >= MAX_WAITING {
            return 1;
        }
        let decision = parts.first().map(|part| part.decision.to_string()).unwrap_or_default();
        let charges = parts.iter().take(MAX_CHARGES).map(Part::give_back).collect();
        self.waiting.push_back(Settle { id, decision, charges });
        0
    }
}

impl Sent {
    fn is_due(&self, now_ms: u64) -> bool {
        matches!(self.state, State::Failed { again } if again.is_due(now_ms))
    }

    fn is_under_way(&self, call: u32) -> bool {
        matches!(self.state, State::UnderWay { call: own, .. } if own == call)
    }
}
