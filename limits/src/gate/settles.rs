//! Charges to give back: gathered, sent together, tried again a few times. Called by the gate.
//!
//! A settle takes effect once however often it arrives, so trying again is safe.

use super::Charged;
use crate::wire::{MAX_BATCH, Settle, SettleAmount, SettleBody, SettleCharge};
use std::collections::VecDeque;

/// The most settles that wait to be sent; what is over is dropped, which is on the safe side: it
/// stays charged.
const MAX_WAITING: usize = 4_096;
/// How often a batch is sent before it is given up.
const MAX_ATTEMPTS: u32 = 5;

#[derive(Debug, Default)]
pub(super) struct Settles {
    waiting: VecDeque<Settle>,
    sent: Option<Sent>,
    /// Until the next tick: a failed batch is not sent again at once.
    resting: bool,
}

#[derive(Debug)]
struct Sent {
    batch: Vec<Settle>,
    attempts: u32,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    UnderWay { lost_at_ms: u64 },
    Failed,
}

impl Settles {
    pub(super) fn give_back(&mut self, charged: &Charged) {
        if charged.charges.is_empty() || self.waiting.len() >= MAX_WAITING {
            return;
        }
        self.waiting.push_back(Settle {
            // A decision is given back once at most, so its own name serves.
            id: charged.decision.clone(),
            decision: charged.decision.clone(),
            charges: charged
                .charges
                .iter()
                .map(|planned| SettleCharge {
                    counter: planned.charge.counter.clone(),
                    quota: planned.charge.quota.clone(),
                    amount: SettleAmount::GiveBack(planned.charge.cost),
                    lease_ms: None,
                })
                .collect(),
        });
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.resting
            && match &self.sent {
                Some(sent) => sent.state == State::Failed,
                None => !self.waiting.is_empty(),
            }
    }

    /// The body of the call to make now, if one is due.
    pub(super) fn take_call(&mut self, lost_at_ms: u64) -> Option<Vec<u8>> {
        if !self.is_ready() {
            return None;
        }
        let mut sent = self.sent.take().unwrap_or_else(|| {
            let count = self.waiting.len().min(MAX_BATCH / 2);
            Sent { batch: self.waiting.drain(..count).collect(), attempts: 0, state: State::Failed }
        });
        sent.attempts += 1;
        sent.state = State::UnderWay { lost_at_ms };
        let body = SettleBody { settles: sent.batch.clone() };
        self.sent = Some(sent);
        serde_json::to_vec(&body).ok()
    }

    pub(super) fn replied(&mut self, applied: bool) {
        let Some(sent) = &mut self.sent else { return };
        if applied || sent.attempts >= MAX_ATTEMPTS {
            self.sent = None;
        } else {
            sent.state = State::Failed;
            self.resting = true;
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64) {
        self.resting = false;
        let lost = self.sent.as_ref().is_some_and(
            |sent| matches!(sent.state, State::UnderWay { lost_at_ms } if lost_at_ms <= now_ms),
        );
        if lost {
            self.replied(false);
            self.resting = false;
        }
    }
}
