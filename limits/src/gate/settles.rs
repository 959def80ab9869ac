//! Charges to give back: gathered, sent together, tried again a few times. Called by `give_back`,
//! `ready`, `reply` and `tick`.
//!
//! A settle takes effect once however often it arrives, so trying again is safe. Parts of one lease
//! are asked for as their sum, in order, so a part that was lost comes back with the next.

use super::charged::Part;
use super::timer::Timer;
use crate::wire::{MAX_BATCH, MAX_CHARGES, Settle, SettleBody, decision_name};
use std::collections::VecDeque;

/// The most settles that wait to be sent; what is over is dropped, which is on the safe side: it
/// stays charged.
const MAX_WAITING: usize = 4_096;
/// The most settles in one call.
const MAX_IN_CALL: usize = MAX_BATCH / 2;
/// How often a batch is sent before it is given up.
const MAX_ATTEMPTS: u32 = 5;
/// How long a batch that failed rests before it is sent again.
const REST_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Settles {
    waiting: VecDeque<Settle>,
    sent: Option<Sent>,
    /// Makes the ids of settles of one lease differ.
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

/// The fate of the settles of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sending {
    /// These have arrived.
    Arrived(Vec<Settle>),
    /// They are sent again.
    Failed,
    /// This many were given up.
    GivenUp(usize),
    /// The call is not under way any more.
    Unknown,
}

/// The reply to a settle call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The shim has taken it.
    Taken,
    /// The shim says that it is wrong, and would say so again.
    Refused,
    /// It got lost.
    None,
}

impl Settles {
    /// Gives back parts of one decision's own charges. Returns how many settles had no room.
    pub(super) fn give_back(&mut self, parts: &[Part]) -> usize {
        // A decision is given back once at most, so its own name serves.
        let Some(first) = parts.first() else { return 0 };
        self.push(decision_name(&first.decision).to_owned(), parts)
    }

    /// Gives back a part of a lease. Returns how many settles had no room.
    pub(super) fn return_lease(&mut self, part: &Part) -> usize {
        self.leases = self.leases.wrapping_add(1);
        part.returned.set(part.returned.get().saturating_add(part.amount));
        let id = format!("{}.{}", decision_name(&part.decision), self.leases);
        self.push(id, std::slice::from_ref(part))
    }

    /// Returns true if nothing waits and nothing is under way.
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

    /// Returns the body of the call to make now, number `call`, if one is due.
    pub(super) fn take_call(
        &mut self,
        now_ms: u64,
        call: u32,
        lost_after_ms: u64,
    ) -> Option<Vec<u8>> {
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
        let body = SettleBody { settles: sent.batch.clone() };
        self.sent = Some(sent);
        serde_json::to_vec(&body).ok()
    }

    /// Takes the reply to a call, or its failure. Ignores a call that was given up: its settles have
    /// been sent again, or the reply would be taken for another batch's.
    pub(super) fn replied(&mut self, now_ms: u64, call: u32, answer: Answer) -> Sending {
        let Some(mut sent) = self.sent.take_if(|sent| sent.is_under_way(call)) else {
            return Sending::Unknown;
        };
        let count = sent.batch.len();
        match answer {
            Answer::Taken => Sending::Arrived(sent.batch),
            Answer::Refused if count == 1 => Sending::GivenUp(count),
            Answer::Refused => {
                self.halve(now_ms, sent);
                Sending::Failed
            }
            Answer::None if sent.attempts >= MAX_ATTEMPTS => Sending::GivenUp(count),
            Answer::None => {
                sent.state = State::Failed { again: Timer::after(now_ms, REST_MS) };
                self.sent = Some(sent);
                Sending::Failed
            }
        }
    }

    /// Gives up a call whose reply never came.
    pub(super) fn tick(&mut self, now_ms: u64) -> Sending {
        match self.sent.as_ref().map(|sent| &sent.state) {
            Some(State::UnderWay { call, lost }) if lost.is_due(now_ms) => {
                self.replied(now_ms, *call, Answer::None)
            }
            _ => Sending::Unknown,
        }
    }

    /// Sends the first half of a refused batch by itself, and the rest with what waits: only what is
    /// refused alone is wrong.
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
