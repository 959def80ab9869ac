//! Handles the wake-up of the worker's queue: sends the gathered requests.

use super::call::{Call, CallKind};
use super::deciding::Deciding;
use super::metrics::Event;
use super::outbox::{self, Waiting};
use super::timer::Timer;
use super::{Gate, LOST_AFTER_MS, ms};
use crate::wire;

/// A probe's timeout. Long enough that a short pause of the ledger does not count as a failure.
const PROBE_TIMEOUT_MS: u64 = 1_000;

impl Gate {
    /// Returns true, once, if the worker's queue must be woken to call [`Gate::ready`].
    pub fn take_wake(&mut self, now_us: u64) -> bool {
        let settles = !self.breaker.is_open() && self.settles.is_ready(ms(now_us));
        let has_work = self.deciding.is_call_due(self.outbox.len()) || settles;
        let wake = has_work && !self.woken;
        self.woken |= wake;
        wake
    }

    /// Returns the calls to make now. Pass each call's reply to [`Gate::reply`], even if the call
    /// could not be made. A gate that writes no bodies has the calls' content in
    /// [`Gate::requests`] and [`Gate::settles`], and takes their results in [`Gate::decided`],
    /// [`Gate::settled`] and [`Gate::probed`].
    pub fn ready(&mut self, now_us: u64) -> Vec<Call> {
        self.woken = false;
        let now_ms = ms(now_us);
        let timeout_ms = self.policy.timeout_ms;
        let lost_after_ms = timeout_ms + LOST_AFTER_MS;
        let mut calls = Vec::new();
        while self.deciding.is_call_due(self.outbox.len()) {
            let batch = self.outbox.take_batch();
            let body = if self.writes_bodies { outbox::body(&batch) } else { Vec::new() };
            self.metrics.observe(Event::BatchSize, batch.len() as u64);
            let mut headers = std::mem::take(&mut self.outbox.trace);
            if self.policy.has_known_salt() {
                headers.push((wire::SALT_HEADER, wire::SALT_KNOWN.to_owned()));
            }
            let id = self.call_id();
            let lost = Timer::after(now_ms, lost_after_ms);
            let call = Deciding { call: id, batch, sent_ms: now_ms, lost, counts_failure: true };
            self.deciding.push(call);
            calls.push(Call { id, kind: CallKind::Decide, headers, body, timeout_ms });
        }
        if !self.breaker.is_open() && self.settles.is_ready(now_ms) {
            let (id, kind) = (self.call_id(), CallKind::Settle);
            if let Some(settles) = self.settles.take_call(now_ms, id, lost_after_ms) {
                let body = if self.writes_bodies {
                    serde_json::to_vec(&wire::SettleBody { settles }).unwrap_or_default()
                } else {
                    Vec::new()
                };
                calls.push(Call { id, kind, headers: Vec::new(), body, timeout_ms });
            }
        }
        if self.breaker.take_probe(now_ms, PROBE_TIMEOUT_MS + LOST_AFTER_MS) {
            let (id, kind, timeout_ms) = (self.call_id(), CallKind::Probe, PROBE_TIMEOUT_MS);
            calls.push(Call { id, kind, headers: Vec::new(), body: Vec::new(), timeout_ms });
        }
        calls
    }

    /// Returns the requests of decide call `call`.
    #[must_use]
    pub fn requests(&self, call: u32) -> Vec<wire::Request> {
        let batch = self.deciding.find(call).map(|deciding| deciding.batch.iter());
        let request = |waiting: &Waiting| {
            let charges = waiting.asked.charges.iter().map(|planned| planned.charge.clone());
            wire::Request { charges: charges.collect() }
        };
        batch.into_iter().flatten().map(request).collect()
    }

    /// Returns the settles of settle call `call`.
    #[must_use]
    pub fn settles(&self, call: u32) -> Vec<wire::Settle> {
        self.settles.of_call(call).to_vec()
    }

    fn call_id(&mut self) -> u32 {
        self.calls = self.calls.wrapping_add(1);
        self.calls
    }
}
